"""Spans become facts about orders: by their own order id, by their trace, at once or later, once however often they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ordertrace.metrics import Metrics
from ordertrace.model.order import EventKind, JoinedBy, OrderEvent
from ordertrace.orders.flow import build_flow
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.joiner import Joiner
from ordertrace.store.orders import OrderStore
from ordertrace.store.store import Store, open_store

NOW = datetime.now(UTC).replace(microsecond=0)  # retention drops what is old
FLOW = build_flow(Settings())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as opened:
        yield opened


async def insert(store: Store, group: int, *spans: Mapping[str, object]) -> datetime:
    """Inserts spans as one group; returns its time of insertion."""
    inserted_at = NOW + timedelta(milliseconds=group)
    defaults: dict[str, object] = {
        "Timestamp": NOW,
        "TraceId": "t1",
        "SpanId": "s1",
        "ParentSpanId": "",
        "SpanName": "work",
        "SpanKind": "Server",
        "ServiceName": "shop",
        "SpanAttributes": {},
        "StatusCode": "Unset",
        "OrderId": "",
        "OrderIdBy": "",
        "OrderStatus": "",
        "MessageId": "",
        "Events.Timestamp": [],
        "Events.Name": [],
        "Events.Attributes": [],
        "Links.TraceId": [],
        "Links.SpanId": [],
        "Links.TraceState": [],
        "Links.Attributes": [],
    }
    rows = [(*({**defaults, **span}[name] for name in defaults), inserted_at) for span in spans]
    await store.insert("otel_traces", [*defaults, "inserted_at"], rows)
    return inserted_at


async def events_of(store: Store, order_id: str) -> list[OrderEvent]:
    return (await OrderStore(store, FLOW).find_events([order_id])).get(order_id, [])


NAMED: dict[str, object] = {"OrderId": "A-1", "OrderIdBy": "attribute", "OrderStatus": "SUBMITTED"}


async def test_span_with_an_order_id_is_a_fact(store: Store) -> None:
    group = await insert(store, 1, NAMED | {"SpanAttributes": {"http.response.status_code": "202"}, "MessageId": "m1"})
    await Joiner(store, FLOW).join([group])
    (event,) = await events_of(store, "A-1")
    assert (event.kind, event.status, event.system, event.response_code) == (
        EventKind.STATUS,
        "SUBMITTED",
        "shop",
        "202",
    )
    assert (event.joined_by, event.confidence, event.message_id) == (JoinedBy.ATTRIBUTE, 1.0, "m1")


async def test_error_carries_type_message_stack_and_no_status(store: Store) -> None:
    exception = {
        "exception.type": "java.lang.NullPointerException",
        "exception.message": "country",
        "exception.stacktrace": "at Crm",
    }
    failed = {
        "StatusCode": "Error",
        "Events.Timestamp": [NOW],
        "Events.Name": ["exception"],
        "Events.Attributes": [exception],
    }
    group = await insert(store, 1, NAMED | failed)
    await Joiner(store, FLOW).join([group])
    (event,) = await events_of(store, "A-1")
    assert (event.kind, event.status) == (EventKind.ERROR, "")
    assert event.error
    assert (event.error.type, event.error.message, event.error.stack) == (
        "java.lang.NullPointerException",
        "country",
        "at Crm",
    )


async def test_spans_of_the_same_trace_follow_and_databases_stay_out(store: Store) -> None:
    group = await insert(
        store,
        1,
        NAMED,
        {"SpanId": "call", "SpanKind": "Client", "SpanAttributes": {"server.address": "carrier"}},
        {"SpanId": "db", "SpanKind": "Client", "SpanAttributes": {"db.system": "postgresql"}},
        {"SpanId": "elsewhere", "TraceId": "t2"},
    )
    await Joiner(store, FLOW).join([group])
    events = {event.span_id: event for event in await events_of(store, "A-1")}
    assert set(events) == {"s1", "call"}
    assert (events["call"].kind, events["call"].joined_by, events["call"].peer) == (
        EventKind.CALL,
        JoinedBy.TRACE,
        "carrier",
    )


@pytest.mark.parametrize("named_first", [True, False])
async def test_trace_is_joined_whichever_span_comes_first(store: Store, named_first: bool) -> None:
    joiner = Joiner(store, FLOW)
    spans: list[Mapping[str, object]] = [NAMED, {"SpanId": "s2", "SpanKind": "Producer", "ServiceName": "crm"}]
    for number, span in enumerate(spans if named_first else spans[::-1], 1):
        await joiner.join([await insert(store, number, span)])
    assert {event.span_id for event in await events_of(store, "A-1")} == {"s1", "s2"}


async def test_trace_of_several_orders_gives_each_only_its_own(store: Store) -> None:
    group = await insert(store, 1, NAMED, NAMED | {"SpanId": "s2", "OrderId": "A-2"}, {"SpanId": "s3"})
    await Joiner(store, FLOW).join([group])
    assert [event.span_id for event in await events_of(store, "A-1")] == ["s1"]
    assert [event.span_id for event in await events_of(store, "A-2")] == ["s2"]


async def test_a_group_worked_twice_says_nothing_twice(store: Store) -> None:
    joiner = Joiner(store, FLOW)
    group = await insert(store, 1, NAMED, {"SpanId": "s2"})
    for _ in range(3):
        await joiner.join([group])
    assert len(await events_of(store, "A-1")) == 2
    (glance,) = await OrderStore(store, FLOW).changed([group])
    assert (glance.status, glance.rank, glance.apart) == ("SUBMITTED", 2, False)


async def test_systems_that_follow_statuses_and_hold_different_ones_are_apart(store: Store) -> None:
    other = NAMED | {"SpanId": "s2", "TraceId": "t2", "ServiceName": "crm", "OrderStatus": "MANUFACTURING_APPROVED"}
    group = await insert(store, 1, NAMED, other)
    await Joiner(store, FLOW).join([group])
    orders = OrderStore(store, FLOW)
    (glance,) = await orders.changed([group])
    assert (glance.status, glance.apart) == ("MANUFACTURING_APPROVED", True)
    assert await orders.unfinished(10) == [glance]


async def test_unknown_order_in_a_url_is_not_an_order(store: Store) -> None:
    guess = {"OrderId": "nonsense", "OrderIdBy": "pattern", "SpanAttributes": {"http.response.status_code": "404"}}
    await Joiner(store, FLOW).join([await insert(store, 1, guess)])
    assert await events_of(store, "nonsense") == []


async def test_span_without_any_order_stays_a_span(store: Store) -> None:
    group = await insert(store, 1, {"SpanName": "GET /health"})
    await Joiner(store, FLOW).join([group])
    assert await OrderStore(store, FLOW).changed([group]) == []


async def insert_logs(store: Store, group: int, *records: Mapping[str, object]) -> datetime:
    """Inserts log records as one group; returns its time of insertion."""
    inserted_at = NOW + timedelta(milliseconds=group)
    defaults: dict[str, object] = {
        "Timestamp": NOW,
        "TraceId": "t1",
        "SpanId": "s1",
        "SeverityNumber": 9,
        "ServiceName": "shop",
        "Body": "a record",
        "LogAttributes": {},
        "OrderId": "",
        "OrderIdBy": "",
        "OrderStatus": "",
    }
    rows = [(*({**defaults, **record}[name] for name in defaults), inserted_at) for record in records]
    await store.insert("otel_logs", [*defaults, "inserted_at"], rows)
    return inserted_at


async def test_a_log_record_names_the_order_of_its_trace(store: Store) -> None:
    joiner = Joiner(store, FLOW)
    await joiner.join([await insert(store, 1, {"SpanName": "POST /orders"})])
    assert await events_of(store, "A-1") == []
    named = {"OrderId": "A-1", "OrderIdBy": "log"}
    for _ in range(2):
        await joiner.join_logs([await insert_logs(store, 2, named, {"Body": "nothing to tell"})])
    (event,) = await events_of(store, "A-1")
    assert (event.name, event.joined_by) == ("POST /orders", JoinedBy.TRACE)
    await joiner.join([await insert(store, 3, {"SpanId": "s2", "SpanName": "later"})])
    assert {event.name for event in await events_of(store, "A-1")} == {"POST /orders", "later"}


async def test_log_records_become_facts_where_they_tell_something(store: Store) -> None:
    thrown = {"exception.type": "E", "exception.message": "broken", "exception.stacktrace": "at …"}
    group = await insert_logs(
        store,
        1,
        {"Body": "failed", "SeverityNumber": 17, "LogAttributes": thrown, **NAMED, "OrderIdBy": "log"},
        {"Body": "submitted", **NAMED, "OrderIdBy": "log"},
        {"Body": "quiet", "OrderId": "A-1", "OrderIdBy": "log"},
        {"Body": "of its trace", "SeverityNumber": 21},
    )
    await Joiner(store, FLOW).join_logs([group])
    events = {event.name: event for event in await events_of(store, "A-1")}
    assert set(events) == {"failed", "submitted", "of its trace"}
    assert (events["submitted"].kind, events["submitted"].status) == (EventKind.STATUS, "SUBMITTED")
    error = events["failed"].error
    assert (events["failed"].kind, events["failed"].joined_by) == (EventKind.LOG, JoinedBy.LOG)
    assert error
    assert (error.type, error.message, error.stack) == ("E", "broken", "at …")
    assert events["of its trace"].joined_by is JoinedBy.TRACE


async def test_an_order_with_very_many_facts_keeps_its_statuses_and_its_newest(store: Store) -> None:
    calls = [
        {"SpanId": f"call-{n}", "SpanKind": "Client", "Timestamp": NOW + timedelta(milliseconds=n + 1), "OrderId": "A-1",
         "OrderIdBy": "attribute"} for n in range(2_050)
    ]  # fmt: skip
    group = await insert(store, 1, NAMED, *calls)
    await Joiner(store, FLOW).join([group])
    events = await events_of(store, "A-1")
    assert len(events) == 2_000
    assert (events[0].status, events[-1].span_id) == ("SUBMITTED", "call-2049")
    among_many = await OrderStore(store, FLOW).find_events(["A-1", *(f"A-{n}" for n in range(2, 1_001))])
    assert [len(among_many["A-1"]), among_many["A-1"][0].status] == [400, "SUBMITTED"]
