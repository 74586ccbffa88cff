"""What telemetry holds is counted by the engine, and the one change that would help most follows from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from ordertrace.metrics import Metrics
from ordertrace.model.coverage import AdviceKind, Coverage, SystemCoverage
from ordertrace.orders.clock import EventClock
from ordertrace.orders.coverage import CoverageReader, Surroundings, advise
from ordertrace.orders.flow import build_flow
from ordertrace.orders.skew import Skews
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.clocks import ClockStore
from ordertrace.store.coverage import CoverageStore
from ordertrace.store.joiner import Joiner
from ordertrace.store.store import Store, open_store
from tests.store.test_joiner import NOW, insert

FLOW = build_flow(Settings())
AROUND = Surroundings(watches_brokers=True, otlp_http="127.0.0.1:4318")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as opened:
        yield opened


def trace(name: str, *spans: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"TraceId": name, "SpanId": f"{name}-{place}"} | dict(span) for place, span in enumerate(spans)]


async def seen(store: Store) -> dict[str, SystemCoverage]:
    skews = Skews(ClockStore(store, FLOW))
    reader = CoverageReader(CoverageStore(store), FLOW, EventClock(timedelta(seconds=30)), skews, AROUND)
    return {system.sight.name: system for system in await reader.find(NOW + timedelta(seconds=1))}


async def test_spans_of_a_trace_that_names_its_order_are_joined(store: Store) -> None:
    server = {"OrderId": "A-1", "OrderIdBy": "attribute", "OrderStatus": "SUBMITTED"}
    stack = [{"exception.stacktrace": "at Shop.java:1"}]
    failed = {
        "StatusCode": "Error",
        "Events.Timestamp": [NOW],
        "Events.Name": ["exception"],
        "Events.Attributes": stack,
    }
    spans = [
        *trace("t1", server, {"SpanKind": "Client"}, failed),
        *trace("t2", {"SpanKind": "Consumer", "SpanName": "events process", "MessageId": "m1"}, {"SpanKind": "Client"}),
        *trace("t3", {"StatusCode": "Error", "SpanName": "GET /health"}),
    ]
    group = await insert(store, 1, *spans)
    await Joiner(store, FLOW).join([group])
    shop = (await seen(store))["shop"]
    c = shop.coverage
    assert (c.received, c.spans, c.joined, c.naming, c.with_status) == (6, 6, 3, 1, 1)
    assert (c.messages, c.with_message_id, c.errors, c.errors_without_stack) == (1, 1, 2, 1)
    assert dict(c.stray) == {"consumer": 2, "server": 1}
    assert dict(c.examples) == {"consumer": "events process", "server": "GET /health"}
    assert shop.sight.last_seen_at is not None
    assert shop.advice is not None
    assert (shop.advice.kind, shop.advice.example) == (AdviceKind.ORDER_ID, "events process")


async def test_a_span_that_came_in_two_requests_is_one(store: Store) -> None:
    spans = trace("t1", {"SpanKind": "Consumer", "MessageId": "m1"}, {"StatusCode": "Error"})
    await insert(store, 1, *spans)
    await insert(store, 2, *spans)
    c = (await seen(store))["shop"].coverage
    assert (c.received, c.spans, c.messages, c.with_message_id, c.errors) == (4, 2, 1, 1, 1)


async def test_services_of_no_system_are_shown_and_asked_to_be_listed(store: Store) -> None:
    await insert(store, 1, *trace("t1", {"ServiceName": "billing", "OrderId": "A-1", "OrderIdBy": "attribute"}))
    billing = (await seen(store))["billing"]
    assert billing.advice is not None
    assert billing.advice.kind is AdviceKind.NAME_SERVICE
    assert 'services = ["billing"]' in billing.advice.change


async def test_much_telemetry_is_counted_over_a_sample(store: Store) -> None:
    columns = "Timestamp, TraceId, SpanId, ServiceName, SpanKind, OrderId, inserted_at"
    rows = "now64(9), leftPad(toString(intDiv(number, 4)), 32, '0'), toString(number), 'shop', 'Server', '', now64(3)"
    many = f"INSERT INTO otel_traces ({columns}) SELECT {rows} FROM numbers(200000)"
    await store.execute_text("fill", many)
    await insert(store, 1, *trace("t1", {"ServiceName": "crm"}))
    found = await seen(store)
    assert found["shop"].coverage.received == 200_000
    assert 7_000 < found["shop"].coverage.spans < 13_000
    assert found["shop"].coverage.spans % 4 == 0
    assert found["crm"].coverage.spans == 1
    assert found["crm"].coverage.window_seconds == 300


WELL = Coverage(3600, 1000, 1000, 980, 500, 100, 100, 200, 10, 0, 50, {"server": 20}, {"server": "GET /"}, "java-agent")


def advice(name: str, coverage: Coverage, skew: float | None = None, silent: float | None = 1.0) -> str | None:
    found = advise(FLOW.system(name), coverage, skew, silent, FLOW, AROUND)
    return found.kind.value if found else None


def changed(**changes: object) -> Coverage:
    fields = {name: getattr(WELL, name) for name in Coverage.__dataclass_fields__} | changes
    return Coverage(**fields)


@pytest.mark.parametrize(
    ("coverage", "kind"),
    [
        (WELL, None),
        (changed(stray={"consumer": 400}, joined=600), "order_id"),
        (changed(stray={"other": 60}), None),  # jobs and starts
        (changed(with_status=0), "status"),
        (changed(with_message_id=10), "message_id"),
        (changed(errors=40, errors_without_stack=30), "stack"),
        (changed(logs=0), "logs"),
        (changed(logs=0, runtime="zipkin"), None),  # such senders have no logs to send
        (changed(with_message_id=10, stray={"server": 700}), "order_id"),
    ],
)
def test_the_change_that_gains_most_is_advised(coverage: Coverage, kind: str | None) -> None:
    assert advice("shop", coverage) == kind


def test_a_silent_system_comes_before_all_else() -> None:
    assert advice("shop", Coverage(), silent=None) == "connect"
    assert advice("shop", changed(with_status=0), silent=3600.0) == "reconnect"
    assert advice("shop", WELL, skew=90.0) == "clock"


@pytest.mark.parametrize(
    ("watched", "kind"), [((100, 100, 100), None), ((100, 20, 100), "map_messages"), ((100, 100, 0), "message_id")]
)
def test_closed_systems_are_judged_by_their_messages(watched: tuple[int, int, int], kind: str | None) -> None:
    seen, with_order, with_id = watched
    coverage = Coverage(watched=seen, watched_with_order=with_order, watched_with_id=with_id)
    assert advice("mes", coverage, silent=None) == kind


@pytest.mark.parametrize("runtime", ["java-agent", "java", "python", "nodejs", "dotnet", "go", "zipkin", "other"])
def test_every_runtime_gets_lines_of_its_own(runtime: str) -> None:
    found = advise(FLOW.system("shop"), changed(stray={"consumer": 900}, runtime=runtime), None, 1.0, FLOW, AROUND)
    assert found is not None
    assert "order.id" in found.change[0]
    assert "{" not in found.change[0]
