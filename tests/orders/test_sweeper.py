"""The sweep over real rows: it finds trouble when it is due, not before, and takes back what proves wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ordertrace.metrics import Metrics
from ordertrace.model.order import EventKind, OrderEvent, OrderFilter
from ordertrace.orders.clock import EventClock
from ordertrace.orders.reader import OrderReader
from ordertrace.orders.sweeper import Sweeper
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings, SweepSettings
from ordertrace.store.orders import OrderStore
from ordertrace.store.store import Store, open_store

from .events import default_flow, failed, told

NOW = datetime.now(UTC).replace(microsecond=0)
SETTLED = NOW + timedelta(seconds=5)  # what was replayed from the past is judged a little later
FLOW = default_flow()
COLUMNS = ["order_id", "at", "event_id", "system", "kind", "span_kind", "name", "status", "rank", "trace_id", "span_id"]
COLUMNS += ["joined_by", "confidence", "inserted_at"]


class House:
    """A store with a sweeper and a reader over it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.metrics = Metrics()
        self.clock = EventClock(timedelta(seconds=30))
        self.reader = OrderReader(store, FLOW, self.clock)
        self.sweeper = self.new_sweeper()
        self._groups = 0

    def new_sweeper(self) -> Sweeper:
        return Sweeper(self.store, FLOW, self.clock, self.metrics, SweepSettings())

    async def hear(self, *events: OrderEvent, ago: timedelta = timedelta()) -> None:
        """Stores facts whose story began `ago`, as one group, and tells the sweeper."""
        self._groups += 1
        group = NOW + timedelta(milliseconds=self._groups)
        shift = NOW - ago - told("", "", 0).at
        rows = [
            (
                e.order_id,
                e.at + shift,
                e.id,
                e.system,
                e.kind.value,
                e.span_kind,
                e.name,
                e.status,
                FLOW.rank(e.status),
                e.trace_id,
                e.span_id,
                "attribute",
                1.0,
                group,
            )
            for e in events
        ]
        await self.store.insert("order_events", COLUMNS, rows)
        self.sweeper.tell([group])

    async def findings(self) -> dict[str, str]:
        held = await OrderStore(self.store, FLOW).findings()
        return {order_id: finding.diagnosis.kind.value for order_id, finding in held.items() if finding.diagnosis}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as store:
        yield House(store)


async def test_order_is_stuck_from_its_deadline_on_and_not_before(house: House) -> None:
    await house.hear(told("shop", "SUBMITTED", 0), ago=timedelta(minutes=29))
    await house.sweeper.sweep(NOW)
    assert await house.findings() == {}
    await house.sweeper.sweep(NOW + timedelta(minutes=1))
    assert await house.findings() == {"A-1": "too_slow"}
    assert b'ordertrace_detection_delay_seconds_count{kind="too_slow"} 1.0' in house.metrics.exposition()


async def test_finding_clears_itself_when_the_order_goes_on_or_ends(house: House) -> None:
    await house.hear(told("shop", "SUBMITTED", 0), failed("mes", "work", 5), ago=timedelta(minutes=2))
    await house.sweeper.sweep(SETTLED)
    assert await house.findings() == {"A-1": "processing_error"}
    await house.hear(told("shop", "PRICE_CALCULATED", 60), ago=timedelta(minutes=2))
    await house.sweeper.sweep(SETTLED)
    assert await house.findings() == {}
    await house.sweeper.sweep(NOW + timedelta(hours=1))
    await house.hear(told("crm", "CLOSED", 90), ago=timedelta(minutes=2))
    await house.sweeper.sweep(NOW + timedelta(hours=1))
    assert await house.findings() == {}


async def test_what_has_come_is_worked_in_before_anything_is_held_against_an_order(house: House) -> None:
    await house.hear(told("shop", "SUBMITTED", 0), ago=timedelta(minutes=31))

    async def catch_up(words: Sequence[bytes]) -> bool:
        assert b"A-1" in words
        await house.hear(told("shop", "PRICE_CALCULATED", 1_700), ago=timedelta(minutes=31))
        await house.hear(told("crm", "CLOSED", 1_750), ago=timedelta(minutes=31))
        return True

    house.sweeper = Sweeper(house.store, FLOW, house.clock, house.metrics, SweepSettings(), catch_up=catch_up)
    house.sweeper.tell([NOW + timedelta(milliseconds=1)])
    await house.sweeper.sweep(SETTLED)
    assert b"ordertrace_detection_delay_seconds_count" not in house.metrics.exposition()
    assert await house.findings() == {}


async def test_silence_of_a_system_is_found_and_forgotten_when_it_is_heard_again(house: House) -> None:
    waits_for_crm = [told("shop", "SUBMITTED", 0), told("shop", "PRICE_CALCULATED", 60)]
    house.clock.hear("crm", NOW - timedelta(minutes=39), 0)  # before the deadline, which was ten minutes ago
    await house.hear(*waits_for_crm, ago=timedelta(minutes=40))
    await house.sweeper.sweep(SETTLED)
    assert await house.findings() == {"A-1": "source_silent"}
    house.clock.hear("crm", SETTLED, 0)
    await house.sweeper.sweep(SETTLED + timedelta(seconds=1))
    assert await house.findings() == {"A-1": "too_slow"}


async def test_late_telemetry_raises_no_alarm(house: House) -> None:
    """Agents report ten seconds late; the status that keeps the deadline is under way when it passes."""
    house.clock.hear("shop", NOW, 10)
    await house.hear(told("shop", "SUBMITTED", 0), ago=timedelta(minutes=29, seconds=55))
    await house.sweeper.sweep(NOW + timedelta(seconds=6))
    assert await house.findings() == {}
    await house.hear(told("crm", "CLOSED", 29 * 60), ago=timedelta(minutes=29, seconds=55))
    await house.sweeper.sweep(NOW + timedelta(minutes=5))
    assert await house.findings() == {}


async def test_a_sweep_after_a_restart_knows_what_was_open(house: House) -> None:
    await house.hear(told("shop", "SUBMITTED", 0), ago=timedelta(minutes=10))
    await house.sweeper.sweep(NOW)
    restarted = house.new_sweeper()
    await restarted.start()
    await restarted.sweep(NOW + timedelta(minutes=21))
    assert await house.findings() == {"A-1": "too_slow"}


async def test_board_and_list_show_what_the_sweep_found(house: House) -> None:
    await house.hear(told("shop", "SUBMITTED", 0), ago=timedelta(minutes=31))
    await house.hear(told("shop", "SUBMITTED", 0, order_id="A-2", id="other"), ago=timedelta(minutes=1))
    await house.hear(told("crm", "CLOSED", 0, order_id="A-3", id="third"), ago=timedelta(minutes=1))
    await house.sweeper.sweep(SETTLED)
    board = await house.reader.get_board(SETTLED)
    assert [order.id for order in board.attention] == ["A-1"]
    submitted = next(column for column in board.columns if column.status == "SUBMITTED")
    assert (submitted.count, submitted.late, submitted.waits_for) == (2, 1, "mes")
    assert [(dot.order_id, dot.state) for dot in submitted.dots] == [("A-1", "stuck"), ("A-2", "open")]
    page = await house.reader.find_orders(OrderFilter(), SETTLED)
    assert [order.id for order in page.orders] == ["A-1", "A-2", "A-3"]
    assert page.counts == {"open": 1, "stuck": 1, "failed": 0, "closed": 1, "cancelled": 0}


async def test_what_is_about_to_be_late_needs_attention_too(house: House) -> None:
    await house.hear(told("shop", "SUBMITTED", 0), ago=timedelta(minutes=27))
    await house.hear(told("shop", "SUBMITTED", 0, order_id="A-2", id="other"), ago=timedelta(minutes=20))
    board = await house.reader.get_board(NOW)
    assert ([order.id for order in board.attention], board.attention_count) == (["A-1"], 1)


async def test_what_is_late_but_not_swept_yet_needs_attention_once(house: House) -> None:
    await house.hear(told("shop", "SUBMITTED", 0), ago=timedelta(minutes=31))
    board = await house.reader.get_board(SETTLED)
    assert ([order.id for order in board.attention], board.attention_count) == (["A-1"], 1)


async def test_step_times_are_measured_once(house: House) -> None:
    await house.hear(told("shop", "INITIATED", 0), ago=timedelta(minutes=5))
    await house.sweeper.sweep(NOW)
    for _ in range(2):
        await house.hear(told("shop", "SUBMITTED", 42), ago=timedelta(minutes=5))
        await house.sweeper.sweep(NOW)
    text = house.metrics.exposition().decode()
    assert 'ordertrace_step_duration_seconds_sum{status="INITIATED",system="shop"} 42.0' in text
    assert 'ordertrace_step_duration_seconds_count{status="INITIATED",system="shop"} 1.0' in text


async def test_order_of_which_no_status_is_known_stands_at_the_first_step_everywhere(house: House) -> None:
    await house.hear(told("shop", "", 0, kind=EventKind.OPERATION))
    await house.sweeper.sweep(SETTLED)
    listed = await house.reader.find_orders(OrderFilter(status="INITIATED", system="shop"), SETTLED)
    page = (await house.reader.get_timeline("A-1", SETTLED)).order
    board = await house.reader.get_board(SETTLED)
    assert [(order.status, order.next) for order in listed.orders] == [(page.status, page.next)]
    assert (page.status, page.status_since) == ("INITIATED", page.started_at)
    assert [(column.status, column.count) for column in board.columns if column.count] == [("INITIATED", 1)]


async def test_orders_that_left_their_flow_are_found_by_it(house: House) -> None:
    def submitted(order_id: str, seconds: float) -> OrderEvent:
        return told("shop", "SUBMITTED", seconds, order_id=order_id, id=f"{order_id}-{seconds}", span_kind="Server")

    async def find(deviation: str) -> list[str]:
        page = await house.reader.find_orders(OrderFilter(deviation=deviation, sort="id"), datetime.now(UTC))
        assert sum(page.counts.values()) == len(page.orders)
        return [order.id for order in page.orders]

    await house.hear(submitted("A-1", 0), submitted("A-1", 5), submitted("A-2", 0))
    async with asyncio.timeout(30):
        while await find("any") != ["A-1"]:
            await house.sweeper.sweep(SETTLED)
            await asyncio.sleep(0.1)
    assert (await find("repeated"), await find("skipped")) == (["A-1"], [])
    (page,) = (await house.reader.find_orders(OrderFilter(deviation="repeated"), SETTLED)).orders
    assert [one.status for one in page.deviations] == ["SUBMITTED"]
