"""`/api/v1/traces/{id}`: what a sender said of its spans comes back, readable by what reads OTLP's JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from ordertrace.api.app import build_api
from ordertrace.orders.clock import EventClock
from ordertrace.orders.flow import build_flow
from ordertrace.orders.reader import OrderReader
from ordertrace.receivers.otlp_json import from_json
from ordertrace.store.traces import TraceStore
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import attributes, request, span

TRACE = bytes(range(16))


@dataclass
class Served:
    run: Running
    http: httpx2.AsyncClient


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    settings = settings_in(tmp_path)
    flow = build_flow(settings)
    async with running(settings) as run:
        reader = OrderReader(run.store, flow, EventClock(settings.sweep.lag_max), None)
        api = build_api(reader, settings, run.metrics, run.intake.ready, traces=TraceStore(run.store))
        transport = httpx2.ASGITransport(api)
        async with httpx2.AsyncClient(transport=transport, base_url="http://ordertrace") as http:
            yield Served(run, http)


def sent() -> ExportTraceServiceRequest:
    one = span("work", {"n": 1, "ok": True, "list": ["a", 2]}, trace_id=TRACE, parent_span_id=b"12345678", flags=0x301)
    one.dropped_attributes_count, one.dropped_events_count, one.dropped_links_count = 3, 2, 1
    one.status.code, one.status.message = Status.STATUS_CODE_ERROR, "cut\0short"
    event = one.events.add(time_unix_nano=one.start_time_unix_nano, name="e", attributes=attributes({"retry": 2}))
    event.dropped_attributes_count = 4
    one.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, flags=1, attributes=attributes({"why": 0.5}))
    built = request(one, resource={"service.name": "shop", "pid": 7})
    built.resource_spans[0].schema_url = "https://schema/1"
    built.resource_spans[0].scope_spans[0].scope.attributes.extend(attributes({"kind": "auto", "level": 3}))
    return built


async def test_a_trace_comes_back_as_it_was_sent(served: Served) -> None:
    said = sent()
    await served.run.intake.admit(said.SerializeToString(), "grpc")
    retried = request(*said.resource_spans[0].scope_spans[0].spans, span("other", trace_id=TRACE))
    await served.run.intake.admit(retried.SerializeToString(), "grpc")
    await served.run.intake.flush()
    answer = await served.http.get(f"/api/v1/traces/{TRACE.hex()}")
    assert answer.status_code == 200
    back = ExportTraceServiceRequest.FromString(from_json(answer.content, ExportTraceServiceRequest))
    spans = [one for resource in back.resource_spans for scope in resource.scope_spans for one in scope.spans]
    assert sorted(one.name for one in spans) == ["other", "work"]
    assert plain(next(one for one in spans if one.name == "work")) == plain(
        said.resource_spans[0].scope_spans[0].spans[0]
    )
    assert json.loads(answer.content)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == TRACE.hex()


async def test_pages_follow_one_another_and_bad_ids_are_refused(served: Served) -> None:
    await served.run.intake.admit(
        request(*(span(str(i), trace_id=TRACE) for i in range(3))).SerializeToString(), "grpc"
    )
    await served.run.intake.flush()
    names, cursor = list[str](), ""
    while cursor is not None:
        page = (await served.http.get(f"/api/v1/traces/{TRACE.hex()}", params={"limit": 2, "cursor": cursor})).json()
        names += [one["name"] for scope in page["resourceSpans"][0]["scopeSpans"] for one in scope["spans"]]
        cursor = page["next"]
    assert names == ["0", "1", "2"]
    assert (await served.http.get("/api/v1/traces/" + "0" * 31 + "1")).status_code == 404
    assert (await served.http.get("/api/v1/traces/nonsense")).status_code == 400


def plain(one: object) -> object:
    """Without the order of attributes."""
    for part in (one, *one.events, *one.links):  # type: ignore[attr-defined]
        part.attributes.sort(key=lambda attribute: attribute.key)
    return one
