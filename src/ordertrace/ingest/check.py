"""Whether a request is what it says, and what of it can be kept. Does not store, count or log.

No span is looked at by itself, unless something is wrong with some: what holds of all of them is told by a request's gist.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ..errors import Invalid
from ..settings.sections import PrivacySettings
from ..store.group_writer import AHEAD_MAX_NS, EARLIEST_NS
from .flattening import Flattening
from .gist import Readings

TRACES = Readings(ExportTraceServiceRequest, Span)
LOGS = Readings(ExportLogsServiceRequest, LogRecord)
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_REASONS = {
    "trace_id": "a trace id that is not 16 bytes or is all zero",
    "span_id": "a span id that is not 8 bytes or is all zero",
    "time": "a start before the year 2000 or more than a day ahead",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that can be stored: its bytes, how many spans or log records it holds that will be rows, and why others
    will not."""

    request: bytes
    count: int
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What to tell the sender about refused spans; empty where there are none."""
        return "; ".join(f"{count} spans were refused for {_REASONS[reason]}" for reason, count in self.refused.items())


class TraceCheck:
    """Checks OTLP trace requests under the privacy settings in force."""

    def __init__(self, settings: PrivacySettings) -> None:
        self._flattening = Flattening(settings, TRACES)

    def check(self, payload: bytes) -> Checked:
        """Raises Invalid for bytes that are no ExportTraceServiceRequest."""
        gist, latest, refused = TRACES.gist(payload), time.time_ns() + AHEAD_MAX_NS, dict[str, int]()
        if gist is None:
            refused = _count_refused(payload, latest)
        outline = TRACES.outline(payload)
        total = _count(outline)
        if gist is not None and not are_all_good(gist.resources.scopes.records, total, latest):
            refused = _count_refused(payload, latest)
        return Checked(self._flattening.flat(payload, gist, outline), total - sum(refused.values()), refused)

    def plain(self, payload: bytes) -> bytes:
        """The same request without what only a broken sender writes: unknown fields, and numbers in unusual forms."""
        return _plain(ExportTraceServiceRequest.FromString(payload))


class LogCheck:
    """Checks OTLP log requests under the privacy settings in force. No record of a readable request is refused."""

    def __init__(self, settings: PrivacySettings) -> None:
        self._flattening = Flattening(settings, LOGS)

    def check(self, payload: bytes) -> Checked:
        """Raises Invalid for bytes that are no ExportLogsServiceRequest."""
        gist = LOGS.gist(payload)
        if gist is None:
            raise Invalid(f"{len(payload)} bytes are not an ExportLogsServiceRequest in protobuf") from None
        outline = LOGS.outline(payload)
        total = _count(outline)
        return Checked(self._flattening.flat(payload, gist, outline), total)

    def plain(self, payload: bytes) -> bytes:
        """As that of traces."""
        return _plain(ExportLogsServiceRequest.FromString(payload))


def _plain(request: Message) -> bytes:
    request.DiscardUnknownFields()
    return request.SerializeToString(deterministic=True)


def _count(outline: Any) -> int:
    return sum(len(scopes.records) for resources in outline.resources for scopes in resources.scopes)


def are_all_good(spans: Any, count: int, latest: int) -> bool:
    """Whether each of the `count` spans that were read into one gist has ids and a time that can be true; starts at `latest`
    at most, in ns since 1970.

    They are counted together: whoever makes up in one span for what another one lacks is believed; the store leaves such a span
    out all the same.
    """
    starts = spans.start_time_unix_nano[:]
    if not (len(starts) == len(spans.span_id) == count and len(spans.trace_id) == 2 * count):
        return False
    if count and not EARLIEST_NS <= min(starts) <= max(starts) <= latest:
        return False
    if _NO_SPAN not in spans.SerializeToString():  # in which ids lie side by side
        return True
    halves = spans.trace_id[:]
    return all(spans.span_id) and (0, 0) not in zip(halves[::2], halves[1::2], strict=True)


def _count_refused(payload: bytes, latest: int) -> dict[str, int]:
    """How many spans cannot be rows, by reason. Raises Invalid for bytes that are no ExportTraceServiceRequest."""
    try:
        request = ExportTraceServiceRequest.FromString(payload)
    except DecodeError:
        raise Invalid(f"{len(payload)} bytes are not an ExportTraceServiceRequest in protobuf") from None
    scopes = [scope.spans for resource in request.resource_spans for scope in resource.scope_spans]
    return dict(Counter(reason for spans in scopes for span in spans if (reason := _fault(span, latest))))


def _fault(span: Span, latest: int) -> str:
    """Why a span cannot be a row; empty if it can."""
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "trace_id"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return "span_id"
    return "" if EARLIEST_NS <= span.start_time_unix_nano <= latest else "time"
