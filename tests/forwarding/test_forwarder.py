"""Passing on to a real OTLP receiver, a second ordertrace: what arrives there, and what happens while it is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from ordertrace.errors import Invalid
from ordertrace.forwarding.forwarder import Forwarder
from ordertrace.forwarding.receiving import read_headers
from ordertrace.ingest.intake import Intake
from ordertrace.ingest.kinds import Kind
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.sections import ForwardSettings
from ordertrace.store.store import Store, open_store
from tests.ingest.conftest import settings_in
from tests.ingest.requests import attributes, log_request, record, request, span
from tests.receivers.processes import Receiving

SPAN_COLUMNS = (
    "TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, "
    "ScopeVersion, SpanAttributes, SpanAttributeTypes, Timestamp, Duration, StatusCode, StatusMessage, Events.Timestamp, "
    "Events.Name, Events.Attributes, Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, OrderId, OrderStatus"
)
LOG_COLUMNS = (
    "Timestamp, ObservedTimestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body, BodyType, "
    "ResourceSchemaUrl, ResourceAttributes, ScopeSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, LogAttributes, "
    "LogAttributeTypes, EventName"
)
VALUES = {
    "text": "mail planted.person@example.com",
    "int": -7,
    "double": 0.25,
    "whole": 3.0,
    "yes": True,
    "bytes": b"\0\1",
    "array": ["a", 1, [True, 1.5]],
    "empty": [],
    "map": {"k": {"deep": None}},
    "email": "hidden",
    "order.id": "A-1",
}


class Passing:
    """A server that passes on: intake, store and forwarder, as the app puts them together."""

    def __init__(self, store: Store, intake: Intake, metrics: Metrics, forwarder: Forwarder) -> None:
        self.store, self.intake, self.metrics, self.forwarder = store, intake, metrics, forwarder

    def rows(self, sql: str) -> list[Sequence[Any]]:
        return list(self.store.connect().query(sql).result_rows)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def passing(directory: Path, **forward: Any) -> AsyncIterator[Passing]:
    settings: Settings = settings_in(directory).model_copy(update={"forward": ForwardSettings(**forward)})
    metrics = Metrics()
    async with open_store(settings, metrics) as store, Forwarder(settings, metrics, store) as forwarder:

        async def join(spans: Sequence[datetime], logs: Sequence[datetime]) -> None:
            forwarder.take(spans, logs)

        async with Intake(settings, metrics, store, join) as intake:
            yield Passing(store, intake, metrics, forwarder)


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def send(run: Passing) -> None:
    one = span("work", VALUES, kind=4, trace_state="a=b", parent_span_id=b"12345678")
    one.status.code, one.status.message = SpanStatus.STATUS_CODE_ERROR, "no answer from +79165550199"
    one.events.add(time_unix_nano=one.start_time_unix_nano, name="e", attributes=attributes({"why": "text"}))
    one.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="c=d", attributes=attributes({"l": "text"}))
    spans = request(one, span("other"), resource={"service.name": "shop", "host": "h"})
    spans.resource_spans[0].scope_spans[0].scope.name = "lib"
    await run.intake.admit(spans.SerializeToString(), "grpc")
    logs = log_request(record({"k": [1]}, VALUES, trace_id=b"t" * 16, flags=1), record("plain text", event_name="e"))
    logs.resource_logs[0].schema_url = "https://a/1"
    logs.resource_logs[0].scope_logs[0].scope.attributes.extend(attributes({"s": "v"}))
    await run.intake.admit(logs.SerializeToString(), "grpc", Kind.LOGS)
    zipkin = b'[{"traceId":"a1","id":"b1","name":"zipkin","tags":{"k":"v"},"localEndpoint":{"serviceName":"crm"}}]'
    await run.intake.admit(zipkin, "zipkin", Kind.ZIPKIN)
    await run.intake.flush()


@pytest.mark.parametrize("scheme", ["http", "grpc"])
async def test_everything_kept_arrives_as_it_is(tmp_path: Path, scheme: str) -> None:
    with Receiving(tmp_path / "other") as other:
        async with passing(tmp_path / "one", url=f"{scheme}://{other.address(scheme)}", request_records_max=1) as run:
            await send(run)
            await until(lambda: not run.forwarder.waiting())
            spans = run.rows(f"SELECT {SPAN_COLUMNS} FROM otel_traces ORDER BY SpanName")
            logs = run.rows(f"SELECT {LOG_COLUMNS} FROM otel_logs ORDER BY Body")
            assert run.metric("ordertrace_forwarded_total", signal="traces") == 3
            assert run.metric("ordertrace_forwarded_total", signal="logs") == 2
        assert other.stop_and_read(f"SELECT {SPAN_COLUMNS} FROM otel_traces ORDER BY SpanName") == str(spans)
        assert other.stop_and_read(f"SELECT {LOG_COLUMNS} FROM otel_logs ORDER BY Body") == str(logs)
        assert "planted.person" not in str(spans) + str(logs)


async def test_what_cannot_be_passed_on_waits_over_a_restart(tmp_path: Path) -> None:
    with Receiving(tmp_path / "other") as other:
        address = other.address("http")
    async with passing(tmp_path / "one", url=f"http://{address}") as run:
        await send(run)
        await until(lambda: run.metric("ordertrace_forward_retries_total") >= 1)
        state = run.forwarder.state()
        assert (state.queued_groups, state.sent) == (3, 0)
        assert None not in (state.queued_since, state.failing_since, state.last_error_at)
        assert state.last_error.startswith(f"no answer from http://{address}")
    with Receiving(tmp_path / "other", address) as other:
        async with passing(tmp_path / "one", url=f"http://{address}") as run:
            await until(lambda: not run.forwarder.waiting())
            state = run.forwarder.state()
            assert (state.queued_groups, state.queued_since, state.failing_since) == (0, None, None)
            assert (state.sent, state.rejected, state.dropped_groups) == (5, 0, {})
        assert other.stop_and_read("SELECT count() FROM otel_traces") == "[(3,)]"
        assert other.stop_and_read("SELECT count() FROM otel_logs") == "[(2,)]"


async def test_what_waits_is_bounded_by_number_and_age(tmp_path: Path) -> None:
    async with passing(tmp_path, url="http://127.0.0.1:9", groups_max=2, age_max="1ms") as run:
        await send(run)
        await until(lambda: not run.forwarder.waiting())
        dropped = [run.metric("ordertrace_forward_dropped_total", reason=reason) for reason in ("queue", "age")]
        assert sum(dropped) == 3
        assert dropped[1] >= 1


async def test_what_is_refused_is_dropped_and_counted(tmp_path: Path) -> None:
    with Receiving(tmp_path / "other") as other:
        async with passing(tmp_path / "one", url=f"http://{other.address('http')}/elsewhere") as run:
            await send(run)
            await until(lambda: not run.forwarder.waiting())
            assert run.metric("ordertrace_forward_dropped_total", reason="refused") == 3
            assert run.forwarder.state().dropped_groups == {"refused": 3}
            assert run.forwarder.state().failing_since


def test_headers_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("Authorization: Bearer a:b\n\nX-Tenant: one\n")
    assert read_headers(ForwardSettings(headers_file=str(tmp_path / "headers"))) == {
        "Authorization": "Bearer a:b",
        "X-Tenant": "one",
    }
    (tmp_path / "headers").write_text("nonsense\n")
    with pytest.raises(Invalid, match="headers_file"):
        read_headers(ForwardSettings(headers_file=str(tmp_path / "headers")))
    with pytest.raises(ValueError, match="url"):
        ForwardSettings(url="ftp://x")
