"""Whether a request is what it says, and what of it can be kept. Does not store, count or log.

Arrays and maps inside values become JSON here, since the engine reads values as flat bytes; what a dropped key names is
left out of them. A quick search finds the parts of requests that hold any, so that all others pass as they came.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ..errors import Invalid
from ..privacy.rules import drop_pattern
from ..settings.sections import PrivacySettings
from ..store.group_writer import AHEAD_MAX_NS, EARLIEST_NS

_SUSPECTS_MAX, _SUSPECT_BYTES_MAX = 32, 64 * 1024  # looking closer must cost less than taking the request apart
_IN_ATTRIBUTES = b"\x12"  # a value is field 2 of its attribute
_IN_LOGS = b"\x12\x2a"  # and a body is field 5 of its record
_SHORT_BYTES_MAX = 32 * 1024
_LENGTH_BYTES_MAX = 4
_LOOKS_LIKE = {
    fields: re.compile(
        rb"[%b](?=([\x80-\xff]{0,%d}[\x00-\x7f])[\x2a\x32](.))" % (fields, _LENGTH_BYTES_MAX - 1), re.DOTALL
    )
    for fields in (_IN_ATTRIBUTES, _IN_LOGS)
}
_AHEAD = 512  # bytes of a span up to its start, where no part of it is longer than 127
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_REASONS = {
    "trace_id": "a trace id that is not 16 bytes or is all zero",
    "span_id": "a span id that is not 8 bytes or is all zero",
    "time": "a start before the year 2000 or more than a day ahead",
}

_Codes: TypeAlias = "numpy.ndarray[tuple[int], numpy.dtype[numpy.uint8]]"
_Words: TypeAlias = "numpy.ndarray[tuple[int], numpy.dtype[numpy.uint64]]"


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
        self._flattening = _Flattening(settings)

    def check(self, payload: bytes) -> Checked:
        """Raises Invalid for bytes that are no ExportTraceServiceRequest."""
        try:
            request = ExportTraceServiceRequest.FromString(payload)
        except DecodeError:
            raise Invalid(f"{len(payload)} bytes are not an ExportTraceServiceRequest in protobuf") from None
        total, refused = _count(request, payload)
        return Checked(self._flattened(request, payload), total - sum(refused.values()), refused)

    def plain(self, payload: bytes) -> bytes:
        """The same request without what only a broken sender writes: unknown fields, and numbers in unusual forms."""
        return _plain(ExportTraceServiceRequest.FromString(payload))

    def _flattened(self, request: ExportTraceServiceRequest, payload: bytes) -> bytes:
        """Agents name arrays in their resource, once a request; spans are only read where they hold any themselves."""
        if not may_hold_containers(payload):
            return payload
        for resource_spans in request.resource_spans:
            self._flattening.flatten(resource_spans.resource.attributes)
            for scope_spans in resource_spans.scope_spans:
                self._flattening.flatten(scope_spans.scope.attributes)
                if may_hold_containers(scope_spans.SerializeToString()):
                    for span in scope_spans.spans:
                        self._flattening.flatten(span.attributes)
                        for attributes in _attributes_of_parts(span):
                            self._flattening.flatten(attributes)
        flat: bytes = request.SerializeToString()
        return flat


class LogCheck:
    """Checks OTLP log requests under the privacy settings in force. No record of a readable request is refused."""

    def __init__(self, settings: PrivacySettings) -> None:
        self._flattening = _Flattening(settings)

    def check(self, payload: bytes) -> Checked:
        """Raises Invalid for bytes that are no ExportLogsServiceRequest."""
        try:
            request = ExportLogsServiceRequest.FromString(payload)
        except DecodeError:
            raise Invalid(f"{len(payload)} bytes are not an ExportLogsServiceRequest in protobuf") from None
        total = sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)
        return Checked(self._flattened(request, payload), total)

    def plain(self, payload: bytes) -> bytes:
        """As that of traces."""
        return _plain(ExportLogsServiceRequest.FromString(payload))

    def _flattened(self, request: ExportLogsServiceRequest, payload: bytes) -> bytes:
        if not may_hold_containers(payload, _IN_LOGS):
            return payload
        for resource_logs in request.resource_logs:
            self._flattening.flatten(resource_logs.resource.attributes)
            for scope_logs in resource_logs.scope_logs:
                self._flattening.flatten(scope_logs.scope.attributes)
                if may_hold_containers(scope_logs.SerializeToString(), _IN_LOGS):
                    for record in scope_logs.log_records:
                        self._flattening.flatten_value(record.body)
                        self._flattening.flatten(record.attributes)
        flat: bytes = request.SerializeToString()
        return flat


class _Flattening:
    """Makes a container one that holds nothing but its JSON: its kind stays visible, its text lies open to the rules."""

    def __init__(self, settings: PrivacySettings) -> None:
        self._dropped = re.compile(drop_pattern(settings)) if settings.drop_keys else None
        self._kept = frozenset(key.lower() for key in settings.keep_keys)

    def flatten(self, attributes: Iterable[KeyValue]) -> None:
        for attribute in attributes:
            self.flatten_value(attribute.value)

    def flatten_value(self, value: AnyValue) -> None:
        kind = value.WhichOneof("value")
        if kind == "array_value":
            text = _to_json(self._plain(value))
            value.array_value.ClearField("values")
            value.array_value.values.add(string_value=text)
        elif kind == "kvlist_value":
            text = _to_json(self._plain(value))
            value.kvlist_value.ClearField("values")
            value.kvlist_value.values.add(key=text)

    def _plain(self, value: AnyValue) -> Any:
        kind = value.WhichOneof("value")
        if kind == "array_value":
            return [self._plain(one) for one in value.array_value.values]
        if kind == "kvlist_value":
            return {one.key: self._plain(one.value) for one in value.kvlist_value.values if not self._drops(one.key)}
        if kind == "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        return getattr(value, kind) if kind else None

    def _drops(self, key: str) -> bool:
        return bool(self._dropped and self._dropped.match(key)) and key.lower() not in self._kept


def _plain(request: Message) -> bytes:
    request.DiscardUnknownFields()
    return request.SerializeToString(deterministic=True)


def may_hold_containers(payload: bytes, fields: bytes = _IN_ATTRIBUTES) -> bool:
    """Whether some value in the request is an array or a map: never wrongly no, hardly ever wrongly yes.

    A value is one of the `fields` (0x12: field 2), its length, the kind (0x2a, 0x32), and the container's length, which
    follows from the value's. Compared are the lowest seven bits, for each number of bytes that a length can have; what
    looks like a container by chance, as random ids may, is told apart by reading it.
    """
    find = _suspects_in_short if len(payload) <= _SHORT_BYTES_MAX else _suspects_in_long
    for place, (at, width) in enumerate(find(payload, fields)):
        if place == _SUSPECTS_MAX or _is_container(payload, at + 1, width):
            return True
    return False


def _suspects_in_short(payload: bytes, fields: bytes) -> Iterator[tuple[int, int]]:
    """Where containers may begin, and how many bytes their values' lengths have."""
    for found in _LOOKS_LIKE[fields].finditer(payload):
        length, inner = found.group(1, 2)
        rest = length[0] - 1 - len(length)
        if (inner[0] - rest) & 127 <= 1:
            yield found.start(), len(length)


def _suspects_in_long(payload: bytes, fields: bytes) -> Iterator[tuple[int, int]]:
    """The same by columns of bytes: half as costly for many spans, fifteen times as costly for few."""
    codes, _ = _read(payload)
    begins = codes[: len(payload)] == fields[0]
    for other in fields[1:]:
        begins |= codes[: len(payload)] == other
    starts = numpy.flatnonzero(begins)
    for width in range(1, _LENGTH_BYTES_MAX + 1):
        ends = codes[starts + width] < 128
        kinds = codes[starts + 1 + width]
        likely = starts[ends & ((kinds == 0x2A) | (kinds == 0x32))]
        rest = codes[likely + 1] - 1 - width
        yield from ((int(at), width) for at in likely[((codes[likely + 2 + width] - rest) & 127) <= 1])
        starts = starts[~ends]


def _is_container(payload: bytes, at: int, width: int) -> bool:
    """Whether the bytes behind the length at `at`, which is `width` bytes long, read as an AnyValue that is a container."""
    length = sum((payload[at + i] & 127) << 7 * i for i in range(width))
    if length > _SUSPECT_BYTES_MAX:
        return True
    try:
        value = AnyValue.FromString(payload[at + width : at + width + length])
    except DecodeError:
        return False
    return value.WhichOneof("value") in ("array_value", "kvlist_value")


def _count(request: ExportTraceServiceRequest, payload: bytes) -> tuple[int, dict[str, int]]:
    """How many spans there are, and how many of them cannot be rows, by reason."""
    scopes = [scope.spans for resource in request.resource_spans for scope in resource.scope_spans]
    total, latest = sum(len(spans) for spans in scopes), time.time_ns() + AHEAD_MAX_NS
    if len(payload) > _SHORT_BYTES_MAX and are_plainly_good(payload, total, latest):
        return total, {}
    refused = Counter(reason for spans in scopes for span in spans if (reason := _fault(span, latest)))
    return total, dict(refused)


def _fault(span: Span, latest: int) -> str:
    """Why a span cannot be a row; empty if it can."""
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "trace_id"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return "span_id"
    return "" if EARLIEST_NS <= span.start_time_unix_nano <= latest else "time"


def are_plainly_good(payload: bytes, count: int, latest: int) -> bool:
    """Whether all of the `count` spans are seen at once to have ids and times that can be true; no says nothing.

    Looks for what encoders begin a span with: a trace id (field 1), a span id (2), perhaps a trace state (3) and a parent
    (4), a name (5), perhaps a kind (6), the start (7), `latest` at most, in ns since 1970. Takes the requests that all
    senders write apart with a few operations on all bytes, where a loop over many spans would cost twice as much. Who writes
    such a beginning into a text beside a span without ids is not told of it; the store leaves that span out all the same.
    """
    codes, words = _read(payload)
    half = len(payload) // 2 + 1
    begins = [2 * numpy.flatnonzero(codes[i : i + 2 * half].view("<u2") == 0x100A) + i for i in (0, 1)]
    ids = numpy.concatenate(begins)
    ids = ids[(codes[ids + 18] == 0x12) & (codes[ids + 19] == 0x08)]
    if len(ids) != count:
        return False
    at = ids + 28
    for tag in (0x1A, 0x22, 0x2A):
        at += numpy.where((codes[at] == tag) & (codes[at + 1] < 128), 2 + codes[at + 1].astype(numpy.int64), 0)
    at += 2 * (codes[at] == 0x30)
    starts = words[at + 1]
    return bool(
        (codes[at] == 0x39).all()
        and ((starts >= EARLIEST_NS) & (starts <= latest)).all()
        and (words[ids + 2] | words[ids + 10]).all()
        and words[ids + 20].all()
    )


def _read(payload: bytes) -> tuple[_Codes, _Words]:
    """The bytes, and the eight bytes at each place as one number, with room behind for looking ahead."""
    codes = numpy.frombuffer(payload + bytes(_AHEAD), numpy.uint8)
    return codes, numpy.ndarray(len(codes) - 8, numpy.dtype("<u8"), codes, 0, (1,))


def _attributes_of_parts(span: Span) -> Iterable[Iterable[KeyValue]]:
    yield from (event.attributes for event in span.events)
    yield from (link.attributes for link in span.links)


def _to_json(value: Any) -> str:
    """JSON whose length in bytes keeps clear of where a length's own size changes, so that the store can count it off."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode("utf-8", "replace"))
    padding = next((bound - size for bound in (1 << 7, 1 << 14, 1 << 21) if bound - 16 < size < bound), 0)
    return text + " " * padding
