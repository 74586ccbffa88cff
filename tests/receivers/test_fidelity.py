"""Whatever a request says comes back from the store as it was said, with its type: any request, compared field by field."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ordertrace.ingest.kinds import Kind
from ordertrace.settings.sections import PrivacySettings
from ordertrace.store.to_otlp import to_log_request, to_trace_request
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import attributes, log_request, request, to_any

_EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
_NOW = 1_790_000_000 * 10**9

texts = st.text(st.characters(codec="utf-8"), max_size=40)
long_texts = texts | st.integers(100, 20_000).map(lambda size: "й" * size)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans()
nested = st.recursive(
    texts | numbers | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
containers = st.lists(nested, max_size=5) | st.dictionaries(texts, nested, max_size=5)
values = long_texts | numbers | st.binary(max_size=300) | containers | st.none()
maps = st.dictionaries(texts, values, max_size=6)
counts = st.sampled_from((0, 0, 1, 7, 2**32 - 1))
flags = st.sampled_from((0, 1, 0x101, 0x301, 2**32 - 1))
moments = st.integers(_NOW - 10**15, _NOW)
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(moments)
    span = Span(
        trace_id=draw(trace_ids),
        span_id=draw(span_ids),
        parent_span_id=draw(span_ids | st.just(b"")),
        trace_state=draw(st.text("abc=,-1", max_size=20)),
        name=draw(texts),
        kind=draw(st.integers(0, 5)),  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.integers(0, 10**13)),
        attributes=attributes(draw(maps)),
        flags=draw(flags),
        dropped_attributes_count=draw(counts),
        dropped_events_count=draw(counts),
        dropped_links_count=draw(counts),
    )
    span.status.code, span.status.message = draw(st.sampled_from((0, 1, 2))), draw(texts)  # type: ignore[assignment]
    for at, name, said, dropped in draw(st.lists(st.tuples(moments, texts, maps, counts), max_size=3)):
        event = span.events.add(time_unix_nano=at, name=name, attributes=attributes(said))
        event.dropped_attributes_count = dropped
    for trace_id, span_id, said, dropped in draw(st.lists(st.tuples(trace_ids, span_ids, maps, counts), max_size=3)):
        link = span.links.add(trace_id=trace_id, span_id=span_id, trace_state="a=b", attributes=attributes(said))
        link.dropped_attributes_count, link.flags = dropped, draw(flags)
    return span


@st.composite
def records(draw: st.DrawFn) -> LogRecord:
    return LogRecord(
        time_unix_nano=draw(moments),
        observed_time_unix_nano=draw(moments),
        severity_number=draw(st.integers(0, 24)),  # type: ignore[arg-type]
        severity_text=draw(texts),
        body=to_any(draw(values.filter(lambda value: value is not None))),
        attributes=attributes(draw(maps)),
        dropped_attributes_count=draw(counts),
        flags=draw(st.integers(0, 255)),
        trace_id=draw(trace_ids | st.just(b"")),
        span_id=draw(span_ids | st.just(b"")),
        event_name=draw(texts),
    )


@dataclass
class Open:
    """A server in a loop of its own, open for all examples."""

    loop: asyncio.AbstractEventLoop
    run: Running
    groups: dict[bytes, datetime] = field(default_factory=dict)

    def round_trip(self, sent: Message, kind: Kind) -> Message:
        """What the store gives back of a request, as a request."""
        return self.loop.run_until_complete(self._round_trip(sent.SerializeToString(), kind))

    async def _round_trip(self, payload: bytes, kind: Kind) -> Message:
        before = len(self.run.joined)
        await self.run.intake.admit(payload, "grpc", kind)
        await self.run.intake.flush()
        if new := self.run.joined[before:]:  # none where the same was sent before
            (self.groups[payload],) = new
        group = self.groups[payload]
        name, build = ("group_logs", to_log_request) if kind is Kind.LOGS else ("group_spans", to_trace_request)
        rows = await self.run.store.query(name, {"group": group.astimezone(UTC), "limit": 1000, "offset": 0})
        return build(rows)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Without privacy rules, so that nothing is replaced."""
    directory: Path = tmp_path_factory.mktemp("fidelity")
    plain = settings_in(directory).model_copy(update={"privacy": PrivacySettings(drop_keys=(), patterns=())})
    loop, parts = asyncio.new_event_loop(), AsyncExitStack()
    run = loop.run_until_complete(parts.enter_async_context(running(plain)))
    yield Open(loop, run)
    loop.run_until_complete(parts.aclose())
    loop.close()


def describe(parts: Any, scope: Any, drawn: tuple[dict[str, Any], dict[str, Any], int, int, str]) -> None:
    """Says something about the resource and the scope of a request."""
    resource_values, scope_values, resource_dropped, scope_dropped, url = drawn
    parts.resource.attributes.extend(attributes(resource_values))
    parts.resource.dropped_attributes_count, parts.schema_url = resource_dropped, url
    scope.scope.attributes.extend(attributes(scope_values))
    scope.scope.name, scope.scope.dropped_attributes_count, scope.schema_url = "library", scope_dropped, url[::-1]


sources = st.tuples(maps, maps, counts, counts, texts)


@given(st.lists(spans(), min_size=1, max_size=6, unique_by=lambda span: span.span_id), sources)
@_EXAMPLES
def test_spans_come_back_as_they_were(server: Open, sent: list[Span], source: Any) -> None:
    said = request(*sent, resource={"service.name": "a", "pid": 1})
    describe(said.resource_spans[0], said.resource_spans[0].scope_spans[0], source)
    (back,) = server.round_trip(said, Kind.SPANS).resource_spans  # type: ignore[attr-defined]
    found = {span.span_id: span for scope in back.scope_spans for span in scope.spans}
    assert len(found) == len(sent)
    for span in sent:
        assert _plain(found[span.span_id]) == _plain(span)
    (scope,), sent_scope = back.scope_spans, said.resource_spans[0].scope_spans[0]
    assert _around(back, scope) == _around(said.resource_spans[0], sent_scope)


@given(st.lists(records(), min_size=1, max_size=6, unique_by=lambda record: record.time_unix_nano), sources)
@_EXAMPLES
def test_log_records_come_back_as_they_were(server: Open, sent: list[LogRecord], source: Any) -> None:
    said = log_request(*sent, resource={"service.name": "a", "pid": 1})
    describe(said.resource_logs[0], said.resource_logs[0].scope_logs[0], source)
    (back,) = server.round_trip(said, Kind.LOGS).resource_logs  # type: ignore[attr-defined]
    found = {record.time_unix_nano: record for scope in back.scope_logs for record in scope.log_records}
    assert len(found) == len(sent)
    for record in sent:
        assert _plain(found[record.time_unix_nano]) == _plain(record)
    (scope,), sent_scope = back.scope_logs, said.resource_logs[0].scope_logs[0]
    assert _around(back, scope) == _around(said.resource_logs[0], sent_scope)


def _around(parts: Any, scope: Any) -> list[Any]:
    """What a request says of its resource and scope."""
    return [_plain(parts.resource), parts.schema_url, _plain(scope.scope), scope.schema_url]


def _plain(message: Message) -> dict[str, Any]:
    """Fields as a dictionary; attributes in any order."""
    content = json_format.MessageToDict(message)
    return {
        key: {one.get("key", ""): one.get("value") or {} for one in value} if key == "attributes" else value
        for key, value in content.items()
    } | {key: [_plain(one) for one in getattr(message, key)] for key in ("events", "links") if key in content}


def test_the_comparison_sees_types() -> None:
    assert _plain(Span(attributes=attributes({"a": 1}))) != _plain(Span(attributes=attributes({"a": "1"})))
    assert _plain(Span(attributes=[KeyValue(key="a")])) != _plain(Span(attributes=attributes({"a": ""})))
