"""What the linker puts right in the store: late names, traces that turn out to serve several orders, keys, facts taken back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ordertrace.metrics import Metrics
from ordertrace.model.message import MessageFilter
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

    def __init__(
        self, store: Store, watches_brokers: bool = True, orders: OrderSettings = ORDERS, **limits: int
    ) -> None:
        self.store = store
        self.joiner = Joiner(store, FLOW)
        skews = Skews(ClockStore(store, FLOW))
        self.metrics = Metrics()
        links = LinkStore(store, orders, FLOW)
        self.linker = Linker(links, skews, lambda groups: None, FLOW, watches_brokers, self.metrics, **limits)
        self.numbers = itertools.count(1)

    async def spans(self, *spans: Mapping[str, object]) -> None:
        group = await insert(self.store, next(self.numbers), *spans)
        await self.linker.join([group], lambda: self.joiner.join([group]), self._now())

    async def message(
        self, order_id: str, message_id: str = "", trace_id: str = "", span_id: str = "", answers: str = ""
    ) -> None:
        await self.messages([(order_id, message_id, trace_id, span_id, answers)])

    async def messages(self, messages: Sequence[tuple[str, str, str, str, str]]) -> None:
        """(order, message id, trace, span, what it answers) of each."""
        at = NOW + timedelta(milliseconds=next(self.numbers))
        rows = []
        for order_id, message_id, trace_id, span_id, answers in messages:
            key = message_id or f"key {order_id} {next(self.numbers)}"
            said = (order_id, "CLOSED", "crm", "", trace_id, span_id, answers, at)
            rows.append(("main", key, "q", at, "published", message_id, "x", "order.closed", *said))
        await MessageStore(self.store).save_events(rows)
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
@pytest.mark.parametrize(("watched", "how"), [(True, (JoinedBy.CORRELATION, 0.9)), (False, (JoinedBy.KEY, 0.85))])
async def test_an_answer_belongs_to_the_order_of_its_conversation(
    store: Store, answer_first: bool, watched: bool, how: tuple[JoinedBy, float]
) -> None:
    """Where no broker is watched, settings name the conversation id as a key."""
    linking = Linking(store, watches_brokers=watched)
    asked = ASKED | {"OrderId": "A-1", "OrderIdBy": "attribute"}
    stranger = ANSWERED | {"TraceId": "other", "SpanAttributes": {"messaging.message.conversation_id": "c-2"}}
    for span in (ANSWERED, stranger, asked) if answer_first else (asked, stranger, ANSWERED):
        await linking.spans(span)
    found = {event.trace_id: (event.joined_by, event.confidence) for event in await events_of(store, "A-1")}
    assert found == {"t1": (JoinedBy.ATTRIBUTE, 1.0), "reply": how}


async def test_a_conversation_about_two_orders_says_nothing(store: Store) -> None:
    linking = Linking(store)
    for place, order in enumerate(("A-1", "A-2")):
        await linking.spans(ASKED | {"TraceId": f"t{place}", "OrderId": order, "OrderIdBy": "attribute"})
    await linking.spans(ANSWERED)
    assert "reply" not in {event.trace_id for event in [*await events_of(store, "A-1"), *await events_of(store, "A-2")]}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
async def test_an_answer_is_the_orders_of_what_it_answers(store: Store, order: tuple[int, ...]) -> None:
    """Only m-1 names its order. m-2 answers it, m-3 answers that; spans hold the ids of the last two."""
    linking = Linking(store)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: linking.message("A", "m-1"),
        lambda: linking.message("", "m-2", answers="m-1"),
        lambda: linking.message("", "m-3", answers="m-2"),
        lambda: linking.spans(
            span("s1", TraceId="t1", SpanKind="Consumer", MessageId="m-2"),
            span("s2", TraceId="t2", SpanKind="Consumer", SpanAttributes={"messaging.message.conversation_id": "m-2"}),
            span("s3", TraceId="t2", ParentSpanId="s2"),
            span("s4", TraceId="t3", SpanKind="Consumer", **links("t2", "s2")),
        ),
    ]
    for index in order:
        await steps[index]()
    facts = {(event.span_id, event.message_id, event.joined_by) for event in await events_of(store, "A")}
    assert facts == {
        ("", "m-2", JoinedBy.CORRELATION), ("", "m-3", JoinedBy.CORRELATION), ("s1", "m-2", JoinedBy.CORRELATION),
        ("s2", "", JoinedBy.CORRELATION), ("s3", "", JoinedBy.TRACE), ("s4", "", JoinedBy.LINK),
    }  # fmt: skip
    page = await MessageStore(store).find_messages(MessageFilter(order="A"), NOW)
    assert sorted(life.message_id for life in page.messages) == ["m-1", "m-2", "m-3"]
    assert {life.order_id for life in page.messages} == {"A"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
async def test_an_id_that_several_orders_share_gives_nobody_anything(store: Store, order: tuple[int, ...]) -> None:
    linking = Linking(store)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: linking.message("A", "m-1", answers="c"),
        lambda: linking.message("B", "m-2", answers="c"),
        lambda: linking.message("", "m-3", answers="c"),
        lambda: linking.spans(span("s1", SpanKind="Consumer", MessageId="m-3")),
    ]
    for index in order:
        await steps[index]()
    assert await found(store, "A") == await found(store, "B") == []
    glances = {glance.order_id for glance in await OrderStore(store, FLOW).unfinished(10)}
    assert glances == set()
    page = await MessageStore(store).find_messages(MessageFilter(), NOW)
    assert {life.message_id: life.order_id for life in page.messages} == {"m-1": "A", "m-2": "B", "m-3": ""}


async def test_an_id_that_stands_in_every_message_is_none(store: Store) -> None:
    linking = Linking(store)
    await linking.message("A", "m-0", answers="default")
    for first, last in ((1, 150), (150, 250), (250, 260)):
        await linking.messages([("", f"m-{number}", "", "", "default") for number in range(first, last)])
        assert len(await found(store, "A")) == (149 if last == 150 else 0)


async def test_a_message_that_cannot_be_read_is_the_orders_of_the_trace_that_sent_it(store: Store) -> None:
    """Its answer carries no context."""
    linking = Linking(store)
    await linking.spans(span("s1", SpanKind="Producer", **own("A")))
    await linking.message("", "m-1", trace_id="t1", span_id="s1")
    assert {event.message_id for event in await events_of(store, "A")} == {""}, "nothing refers to it"
    await linking.message("", "m-2", answers="m-1")
    facts = {(event.span_id, event.message_id, event.joined_by) for event in await events_of(store, "A")}
    assert facts == {
        ("s1", "", JoinedBy.ATTRIBUTE), ("", "m-1", JoinedBy.TRACE), ("", "m-2", JoinedBy.CORRELATION),
    }  # fmt: skip


async def test_a_job_that_asks_for_many_orders_gives_each_answer_to_its_own(store: Store) -> None:
    """One trace sends the questions; the answers name nothing but these."""
    linking = Linking(store)
    conversation = {"A": "c-1", "B": "c-2"}
    await linking.spans(
        span("job"),
        *(
            span(f"ask-{name}", ParentSpanId="job", SpanKind="Producer", **own(name),
                 SpanAttributes={"messaging.message.conversation_id": held})
            for name, held in conversation.items()
        ),
    )  # fmt: skip
    for name, held in conversation.items():
        await linking.message("", f"answer-{name}", answers=held)
        await linking.spans(span(f"take-{name}", TraceId=f"t-{name}", SpanKind="Consumer", MessageId=f"answer-{name}"))
    for name in conversation:
        spans = {event.span_id for event in await events_of(store, name)}
        assert spans == {f"ask-{name}", f"take-{name}", ""}


def job_of(number: int, *, late: bool = False) -> tuple[dict[str, object], ...]:
    """A trace of two orders; what is late is a span below the part of one of them."""
    trace = {"TraceId": f"job-{number}"}
    if late:
        return (trace | span("late", ParentSpanId=f"part-{number}", SpanKind="Producer"),)
    return (
        trace | span(f"part-{number}", ParentSpanId="job", **own(f"A-{number}")),
        trace | span("other", ParentSpanId="job", **own(f"B-{number}")),
        trace | span("below", ParentSpanId=f"part-{number}", SpanKind="Producer"),
    )


async def test_shared_traces_beyond_a_rounds_bound_are_divided_by_the_next_rounds(store: Store) -> None:
    linking = Linking(store, shared_a_round=2)
    await linking.spans(*(span for number in range(5) for span in job_of(number)))
    divided = [sum([("below", "", JoinedBy.TRACE) in await found(store, f"A-{n}") for n in range(5)])]
    for _ in range(2):
        await linking.linker.work()
        divided.append(sum([("below", "", JoinedBy.TRACE) in await found(store, f"A-{n}") for n in range(5)]))
    assert divided == [2, 4, 5]
    hits = linking.metrics.registry.get_sample_value("ordertrace_limits_hit_total", {"limit": "joining_shared_traces"})
    assert hits == 2


async def test_a_late_span_of_a_shared_trace_is_placed_though_the_trace_is_forgotten(store: Store) -> None:
    linking = Linking(store, shared_known=1)
    for number in range(3):
        await linking.spans(*job_of(number))
    for number in range(3):
        await linking.spans(*job_of(number, late=True))
    for number in range(3):
        assert ("late", "", JoinedBy.TRACE) in await found(store, f"A-{number}")


async def test_a_new_linker_takes_up_what_is_known(store: Store) -> None:
    """Links, answers and shared traces from before a restart."""
    linking = Linking(store)
    await linking.spans(span("s1", TraceId="t1", SpanKind="Producer", **links("t2", "s2")), *job_of(1))
    await linking.message("", "m-2", answers="m-1")
    again = Linking(store)
    again.numbers = linking.numbers
    await again.linker.start(again._now())
    await again.spans(span("s2", TraceId="t2", SpanKind="Consumer", **own("A")), *job_of(1, late=True))
    await again.message("B", "m-1")
    assert await found(store, "A") == [("s1", "", JoinedBy.LINK), ("s2", "", JoinedBy.ATTRIBUTE)]
    assert ("late", "", JoinedBy.TRACE) in await found(store, "A-1")
    assert {event.message_id for event in await events_of(store, "B")} == {"m-2"}


PARCELS = OrderSettings(
    key=(
        OrderKeySettings(
            name="parcel",
            find=("pattern:url.full:/parcels/(?P<key>.+)$",),
            made=("pattern:url.full:/(?P<key>parcels)$",),
            during="SHIPPED",
        ),
    )
)


async def test_whose_a_key_was_stays_known_when_its_runs_are_long_past(store: Store) -> None:
    """A job asks every minute for the parcels that are on their way; each of three orders comes between two runs."""
    linking = Linking(store, orders=PARCELS)
    shipped = {"A": 30.5, "B": 31.5, "C": 32.5}
    for order, minute in shipped.items():
        made = {"TraceId": f"ship {order}", "Timestamp": NOW - timedelta(minutes=200 - minute)}
        await linking.spans(
            made | span("ship", **own(order, "SHIPPED")),
            made
            | span("book", ParentSpanId="ship", SpanKind="Client", SpanAttributes={"url.full": "http://c/parcels"}),
        )
        arrived = {"TraceId": f"close {order}", "Timestamp": NOW - timedelta(minutes=160)}
        await linking.spans(arrived | span("close", **own(order, "CLOSED")))

    async def ask(minute: int, *parcels: str) -> None:
        run = {"TraceId": f"run {minute}", "Timestamp": NOW - timedelta(minutes=200 - minute)}
        asks = [
            run | span(f"get {key}", ParentSpanId="poll", SpanKind="Client",
                       SpanAttributes={"url.full": f"http://c/parcels/{key}"})
            for key in parcels
        ]  # fmt: skip
        await linking.spans(run | span("poll", SpanKind="Internal", SpanName="poll"), *asks)

    async def owners() -> set[tuple[str, str]]:
        await linking.linker.find_present(linking._now(), timedelta())
        return {(key, order) for _, key, order in await linking.linker._store.known_keys(["presence parcel"])}

    for minute in range(30, 41):
        await ask(minute, "stray", *(f"P-{order}" for order, since in shipped.items() if since < minute < 40))
    expected = {(f"parcel:P-{order}", order) for order in shipped}
    assert await owners() == expected
    for minute in (95, 96, 97):  # the first runs are out of sight by now, and that the keys appeared in them
        await ask(minute, "stray", "other")
    assert await owners() == expected
    for minute in (150, 151, 152):
        await ask(minute, "stray", "other")
    assert await owners() == expected


async def test_a_fact_given_to_the_wrong_order_goes(store: Store) -> None:
    linking = Linking(store)
    await linking.spans(span("s1", **own("A")), span("s2", ParentSpanId="s0", SpanKind="Producer"))
    assert {event.span_id for event in await events_of(store, "A")} == {"s1", "s2"}
    await linking.spans(span("s3", ParentSpanId="s0", **own("B")), span("s0"))
    await linking.message("B", trace_id="t1", span_id="s2")
    assert {event.span_id for event in await events_of(store, "A")} == {"s1"}
    assert "s2" in {event.span_id for event in await events_of(store, "B")}


def test_facts_are_told_of_with_how_they_were_joined() -> None:
    assert {by.value for by in JoinedBy} >= {"message", "correlation", "log", "link", "key", "sequence", "time"}
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
