"""What the linker puts right in the store: late names, traces that turn out to serve several orders, keys, facts taken back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ordertrace.metrics import Metrics
from ordertrace.model.order import JoinedBy, OrderEvent
from ordertrace.orders.linker import Linker
from ordertrace.orders.skew import Skews
from ordertrace.settings import Settings
from ordertrace.settings.sections import OrderKeySettings, OrderSettings, StoreSettings
from ordertrace.store.clocks import ClockStore
from ordertrace.store.joiner import Joiner
from ordertrace.store.linking import LinkStore
from ordertrace.store.messages import MessageStore
from ordertrace.store.orders import OrderStore
from ordertrace.store.store import Store, open_store
from tests.store.test_joiner import FLOW, NOW, events_of, insert

ORDERS = OrderSettings(
    key=(
        OrderKeySettings(name="parcel", find=("pattern:url.full:/parcels/(?P<key>.+)$",)),
        OrderKeySettings(name="conversation", find=("attribute:messaging.message.conversation_id",)),
    )
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as opened:
        yield opened


class Linking:
    """A joiner and a linker over one store; groups and messages are numbered."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.joiner = Joiner(store, FLOW)
        skews = Skews(ClockStore(store, FLOW))
        self.linker = Linker(LinkStore(store, ORDERS, FLOW), skews, lambda groups: None, FLOW, watches_brokers=True)
        self.numbers = itertools.count(1)

    async def spans(self, *spans: Mapping[str, object]) -> None:
        group = await insert(self.store, next(self.numbers), *spans)
        await self.linker.join([group], lambda: self.joiner.join([group]), self._now())

    async def message(self, order_id: str, message_id: str = "", trace_id: str = "", span_id: str = "") -> None:
        at = NOW + timedelta(milliseconds=next(self.numbers))
        row = (
            "main",
            f"key {order_id} {message_id}",
            "q",
            at,
            "published",
            message_id,
            "x",
            "order.closed",
            order_id,
            "CLOSED",
            "crm",
            "",
            trace_id,
            span_id,
            at,
        )
        await MessageStore(self.store).save_events([row])
        self.linker.note_messages([at])
        await self.linker.work(self._now())

    def _now(self) -> datetime:
        return NOW + timedelta(seconds=next(self.numbers))


def span(span_id: str, **said: object) -> dict[str, object]:
    return {"SpanId": span_id, "ParentSpanId": "", **said}


def own(order_id: str, status: str = "") -> dict[str, object]:
    return {"OrderId": order_id, "OrderIdBy": "attribute", "OrderStatus": status}


async def found(store: Store, order_id: str) -> list[tuple[str, str, JoinedBy]]:
    return sorted((event.span_id, event.status, event.joined_by) for event in await events_of(store, order_id))


@pytest.mark.parametrize("message_first", [True, False])
async def test_a_message_names_the_span_that_sent_it(store: Store, message_first: bool) -> None:
    linking = Linking(store)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: linking.message("A", trace_id="t1", span_id="s1"),
        lambda: linking.spans(span("s1", SpanKind="Producer")),
    ]
    for step in steps if message_first else reversed(steps):
        await step()
    assert [event.span_id for event in await events_of(store, "A") if event.span_id] == ["s1"]


@pytest.mark.parametrize("message_first", [True, False])
async def test_a_message_id_names_the_span_that_received_it(store: Store, message_first: bool) -> None:
    linking = Linking(store)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: linking.message("A", message_id="m-1"),
        lambda: linking.spans(span("s1", SpanKind="Consumer", MessageId="m-1")),
    ]
    for step in steps if message_first else reversed(steps):
        await step()
    assert await found(store, "A") == [("s1", "", JoinedBy.MESSAGE)]


BATCH: tuple[dict[str, object], ...] = (
    span("job", SpanKind="Internal", **own("B", "CLOSED")),
    span("get-1", ParentSpanId="job", SpanKind="Client", SpanAttributes={"url.full": "http://c/parcels/P1"}),
    span("send-1", ParentSpanId="job", SpanKind="Producer", Timestamp=NOW + timedelta(seconds=1)),
    span(
        "get-2",
        ParentSpanId="job",
        SpanKind="Client",
        SpanAttributes={"url.full": "http://c/parcels/P2"},
        Timestamp=NOW + timedelta(seconds=2),
    ),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
async def test_a_shared_trace_is_divided_the_same_whatever_comes_first(store: Store, order: tuple[int, ...]) -> None:
    """The message says whose the publication is; the job's last order number and its status are of different orders."""
    linking = Linking(store)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: linking.message("A", trace_id="t1", span_id="send-1"),
        lambda: linking.spans(*BATCH[:2]),
        lambda: linking.spans(BATCH[2]),
        lambda: linking.spans(BATCH[3]),
    ]
    for index in order:
        await steps[index]()
    assert {span_id for span_id, _, _ in await found(store, "A") if span_id} == {"get-1", "send-1"}
    assert await found(store, "B") == [("job", "", JoinedBy.ATTRIBUTE)]
    glances = {glance.order_id: glance for glance in await OrderStore(store, FLOW).unfinished(10)}
    assert glances["B"].rank == 0, "what was withdrawn is not counted at a glance either"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_links_lead_to_orders_both_ways_and_over_several_traces(store: Store, order: tuple[int, ...]) -> None:
    """t3 links to t2, t2 links to t1, and t2 names the order."""
    linking = Linking(store)
    spans = [
        span("s1", TraceId="t1", SpanKind="Producer"),
        span("s2", TraceId="t2", SpanKind="Consumer", **own("A"), **links("t1", "s1")),
        span("s3", TraceId="t3", SpanKind="Consumer", **links("t2", "s2")),
    ]
    for index in order:
        await linking.spans(spans[index])
    assert await found(store, "A") == [
        ("s1", "", JoinedBy.LINK), ("s2", "", JoinedBy.ATTRIBUTE), ("s3", "", JoinedBy.LINK),
    ]  # fmt: skip


def links(trace_id: str, span_id: str) -> dict[str, object]:
    return {"Links.TraceId": [trace_id], "Links.SpanId": [span_id], "Links.TraceState": [""], "Links.Attributes": [{}]}


ASKED = {"SpanKind": "Producer", "SpanAttributes": {"messaging.message.conversation_id": "c-1"}}
ANSWERED = ASKED | {"TraceId": "reply", "SpanId": "answer", "SpanKind": "Consumer", "ServiceName": "crm"}


@pytest.mark.parametrize("answer_first", [False, True])
async def test_an_answer_belongs_to_the_order_of_its_conversation(store: Store, answer_first: bool) -> None:
    linking = Linking(store)
    asked = ASKED | {"OrderId": "A-1", "OrderIdBy": "attribute"}
    stranger = ANSWERED | {"TraceId": "other", "SpanAttributes": {"messaging.message.conversation_id": "c-2"}}
    for span in (ANSWERED, stranger, asked) if answer_first else (asked, stranger, ANSWERED):
        await linking.spans(span)
    found = {event.trace_id: (event.joined_by, event.confidence) for event in await events_of(store, "A-1")}
    assert found == {"t1": (JoinedBy.ATTRIBUTE, 1.0), "reply": (JoinedBy.KEY, 0.85)}


async def test_a_conversation_about_two_orders_says_nothing(store: Store) -> None:
    linking = Linking(store)
    for place, order in enumerate(("A-1", "A-2")):
        await linking.spans(ASKED | {"TraceId": f"t{place}", "OrderId": order, "OrderIdBy": "attribute"})
    await linking.spans(ANSWERED)
    assert "reply" not in {event.trace_id for event in [*await events_of(store, "A-1"), *await events_of(store, "A-2")]}


async def test_a_fact_given_to_the_wrong_order_goes(store: Store) -> None:
    linking = Linking(store)
    await linking.spans(span("s1", **own("A")), span("s2", ParentSpanId="s0", SpanKind="Producer"))
    assert {event.span_id for event in await events_of(store, "A")} == {"s1", "s2"}
    await linking.spans(span("s3", ParentSpanId="s0", **own("B")), span("s0"))
    await linking.message("B", trace_id="t1", span_id="s2")
    assert {event.span_id for event in await events_of(store, "A")} == {"s1"}
    assert "s2" in {event.span_id for event in await events_of(store, "B")}


def test_facts_are_told_of_with_how_they_were_joined() -> None:
    assert {by.value for by in JoinedBy} >= {"message", "log", "link", "key", "sequence", "time"}
    assert OrderEvent.__dataclass_fields__["confidence"].default == 1.0


async def test_all_is_joined_only_once_sequences_have_been_looked_at(store: Store) -> None:
    """Who imports waits for that: sequences are compared behind everything else."""
    linking = Linking(store)
    moment = datetime.now(UTC)
    assert linking.linker.joined_until(moment) == moment
    group = await insert(store, 1, {"SpanKind": "Consumer"})
    await linking.linker.join([group], lambda: linking.joiner.join([group]))
    assert linking.linker.joined_until(datetime.now(UTC)) < moment
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(linking.linker.run())
        while linking.linker.joined_until(datetime.now(UTC)) < moment:  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.05)
        running.cancel()
