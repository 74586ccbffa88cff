"""Fetches evidence and has it judged: what pages, API and command line ask about orders. Keeps nothing but
the board and lists of orders, for a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ..errors import NotFound
from ..model.board import Board, SystemSight
from ..model.coverage import SystemCoverage
from ..model.flow import Flow
from ..model.order import Order, OrderEvent, OrderFilter, OrderPage, OrderTimeline
from ..store.clocks import ClockStore
from ..store.coverage import CoverageStore
from ..store.messages import MessageStore
from ..store.orders import OrderStore
from ..store.store import Row, Store
from .board import TREND_HOURS, build_columns, build_counts, build_figures, soon_late_ids
from .clock import EventClock
from .coverage import CoverageReader, Surroundings, build_sight
from .evidence import EvidenceReader
from .recent import Recent
from .skew import Skews
from .state import build_order
from .timeline import build_messages

_DOTS_A_TENTH = 40
_ATTENTION = 50
_SOON_LATE = 10
_AGE_MAX = timedelta(seconds=1)  # however many people look, the store is asked once a second
_ADVICE_AGE_MAX, _ADVICE_LATE_MAX = (
    timedelta(minutes=5),
    timedelta(minutes=30),
)  # what to change at a system hardly changes
_SURE = 0.95
_COURSE_AGE_MAX, _COURSE_LATE_MAX = timedelta(seconds=10), timedelta(minutes=1)  # figures of hours and days
_PAGES_KEPT, _ORDERS_KEPT_A_PAGE = 32, 100


class OrderReader:
    """Answers questions about orders as of a moment, with one flow."""

    def __init__(
        self,
        store: Store,
        flow: Flow,
        clock: EventClock,
        messages: MessageStore | None = None,
        otlp_http: str = "127.0.0.1:4318",
    ) -> None:
        self.flow = flow
        self._store = store
        self._orders = OrderStore(store, flow)
        self._skews = Skews(ClockStore(store, flow))
        self._evidence = EvidenceReader(self._orders, messages, self._skews)
        self._clock = clock
        around = Surroundings(messages is not None, otlp_http)
        self._coverage = CoverageReader(CoverageStore(store), flow, clock, self._skews, around)
        self._watching_since: datetime | None = None
        self._boards = Recent[Board](_AGE_MAX)
        self._columns = Recent[Sequence[Row]](_AGE_MAX)
        self._courses = Recent[Sequence[Row]](_COURSE_AGE_MAX, late_max=_COURSE_LATE_MAX)
        self._advice = Recent[tuple[SystemCoverage, ...]](_ADVICE_AGE_MAX, late_max=_ADVICE_LATE_MAX)
        self._pages = Recent[OrderPage](_AGE_MAX, _PAGES_KEPT)

    async def get_timeline(self, order_id: str, now: datetime) -> OrderTimeline:
        """Everything about one order. Raises NotFound if nothing was ever heard of it."""
        found, further = await asyncio.gather(
            self._evidence.find([order_id], now), self._orders.find_trace_ids(order_id)
        )
        if order_id not in found:
            raise NotFound(
                f"nothing is known of order {order_id!r}; is the number right, and is it in one of the systems already?"
            )
        events, watched = found[order_id].events, found[order_id].watched
        order = build_order(order_id, events, self.flow, self._clock.complete_until(now), watched, self._clock.heard())
        until = order.closed_at or now
        gaps = tuple(
            gap for gap in watched.gaps if gap.start <= until and (gap.until is None or gap.until >= order.started_at)
        )
        messages = build_messages(events, watched.lives)
        return OrderTimeline(
            order, events, messages, await self._orders.find_traces(events, further), watched.lives, gaps
        )

    async def find_orders(self, query: OrderFilter, now: datetime) -> OrderPage:
        """One page of orders and how many there are by state, at most a second old. Raises Invalid for a foreign cursor."""
        if query.limit > _ORDERS_KEPT_A_PAGE:
            return await self._find_orders(query, now)
        return await self._pages.get(query, now, lambda: self._find_orders(query, now))

    async def get_board(self, now: datetime) -> Board:
        """Key figures, what needs attention and the open orders by step, at most a second old."""
        return await self._boards.get("board", now, lambda: self._build_board(now))

    def get_sights(self) -> tuple[SystemSight, ...]:
        """How fresh the view of each system of the flow is."""
        return tuple(build_sight(system, self._clock) for system in self.flow.systems)

    async def get_systems(self, now: datetime) -> tuple[SystemCoverage, ...]:
        """How well each system is seen, and what would help most; a quarter of a minute old at most."""
        return await self._coverage.find(now)

    async def get_surer(self, order: Order, now: datetime) -> SystemCoverage | None:
        """The system that the order's diagnosis speaks of, with the change there that would make it surer; None where it is
        sure already or nothing is to be changed. As of the last minutes.
        """
        why = order.diagnosis
        if why is None or why.confidence >= _SURE:
            return None
        systems = await self._advice.get("systems", now, lambda: self.get_systems(now))
        return next((one for one in systems if one.sight.name == why.system and one.advice), None)

    async def _find_orders(self, query: OrderFilter, now: datetime) -> OrderPage:
        (orders, cursor), counts = await asyncio.gather(self._find_page(query, now), self._counts(query, now))
        return OrderPage(orders, cursor, counts)

    async def _find_page(self, query: OrderFilter, now: datetime) -> tuple[tuple[Order, ...], str | None]:
        ids, cursor = await self._orders.find_ids(query, now)
        return await self.build_orders(ids, now), cursor

    async def _build_board(self, now: datetime) -> Board:
        worst = OrderFilter(limit=_ATTENTION)  # what the board's page lists, too
        columns, hours, page = await asyncio.gather(
            self._get_columns(now), self._course(now), self.find_orders(worst, now)
        )
        counts = build_counts(columns)  # what the sweep holds something against comes first in a page
        trouble = page.orders[: counts["stuck"] + counts["failed"]]
        named = {order.id for order in trouble}  # a sweep may lie between the two answers
        near = [order_id for order_id in soon_late_ids(columns, _SOON_LATE) if order_id not in named]
        soon_late = await self.build_orders(near, now)
        return Board(
            at=now,
            figures=build_figures(counts, hours),
            attention=(*sorted(trouble, key=_harm), *soon_late),
            attention_count=counts["stuck"] + counts["failed"] + len(soon_late),
            columns=build_columns(columns, self.flow),
            watching_since=await self._first_arrival(),
        )

    async def _get_columns(self, now: datetime) -> Sequence[Row]:
        return await self._columns.get("columns", now, lambda: self._orders.columns(now, _DOTS_A_TENTH))

    async def _counts(self, query: OrderFilter, now: datetime) -> Mapping[str, int]:
        """Orders by state; those of all orders are the board's."""
        blank = OrderFilter()
        if replace(query, state="", sort=blank.sort, limit=blank.limit, cursor="") == blank:
            return build_counts(await self._get_columns(now))
        return await self._orders.count_by_state(query, now)

    async def _course(self, now: datetime) -> Sequence[Row]:
        return await self._courses.get("hours", now, lambda: self._orders.figures(now, TREND_HOURS))

    async def build_orders(self, ids: Sequence[str], now: datetime) -> tuple[Order, ...]:
        """These orders as they stand, in the order of the ids; ids that nobody has heard of are left out."""
        return (await self.find_facts(ids, now))[0]

    async def find_facts(
        self, ids: Sequence[str], now: datetime
    ) -> tuple[tuple[Order, ...], Mapping[str, Sequence[OrderEvent]]]:
        """The same, and the facts of each order, each once and earliest first."""
        found = await self._evidence.find(ids, now)
        until, heard = self._clock.complete_until(now), self._clock.heard()
        orders = tuple(
            build_order(i, found[i].events, self.flow, until, found[i].watched, heard) for i in ids if i in found
        )
        return orders, {order_id: evidence.events for order_id, evidence in found.items()}

    async def _first_arrival(self) -> datetime | None:
        if self._watching_since is None:
            rows = await self._store.query("first_arrival")
            self._watching_since = rows[0][0] if rows else None
        return self._watching_since


def _harm(order: Order) -> tuple[bool, datetime]:
    """What is worst comes first: trouble before mere delay, then what is longest over its deadline."""
    return order.diagnosis is None, order.deadline_at or order.started_at
