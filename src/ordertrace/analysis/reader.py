"""Asks the store what many orders say together, for pages, API and command line. Keeps nothing but the paths."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta

from ..errors import NotFound
from ..model.analysis import Bottlenecks, Coverage, Differences, Funnel, Period, Span, Variants
from ..model.flow import Flow
from ..model.order import OrderFilter, OrderPage, OrderState
from ..orders.reader import OrderReader
from ..orders.skew import Skews, is_off
from ..settings.sections import OrderSettings
from ..store.clocks import ClockStore
from ..store.flows import Course, FlowStore
from ..store.store import Store
from .bottlenecks import build_calls, build_courses, build_messages, build_steps
from .differences import build_differences
from .funnel import build_funnel
from .variants import build_variants

COURSE_SPANS = 24
_LATELY_SHARE = 0.25  # the last part of a period is compared with the rest of it
_TROUBLE = (OrderState.STUCK.value, OrderState.FAILED.value)


class AnalysisReader:
    """Answers for one flow; `orders` builds the orders that a list shows."""

    def __init__(self, store: Store, flow: Flow, orders: OrderReader, settings: OrderSettings) -> None:
        self.flow = flow
        self._flows = FlowStore(store, flow)
        self._skews = Skews(ClockStore(store, flow))
        self._orders = orders
        self._own_keys = sorted(_attributes_of(settings))

    async def get_span(self) -> Span:
        """All orders known."""
        return (await self._flows.spans([]))[1]

    async def count_since(self, moments: list[datetime]) -> tuple[int, ...]:
        """How many orders started since each of these moments."""
        return (await self._flows.spans(moments))[0]

    async def get_variants(self, period: Period, limit: int, now: datetime) -> Variants:
        """The commonest ways through the flow."""
        behind = await self._refresh(now)
        rows = await self._flows.variants(period, limit, now)
        return build_variants(rows, _coverage(rows[0][8] if rows else 0, behind, period))

    async def find_variant_orders(
        self, variant: str, period: Period, query: OrderFilter, now: datetime
    ) -> tuple[tuple[str, ...], OrderPage]:
        """A variant's path and one page of its orders, the newest first; `query` is read for state, limit and cursor.

        Raises NotFound where no order of the period goes that way.
        """
        await self._refresh(now)
        ids, path, cursor = await self._flows.variant_ids(variant, period, query, now)
        if not ids and not query.state and not query.cursor:
            raise NotFound(f"no order of this period goes the way {variant!r}")
        return path, OrderPage(await self._orders.build_orders(ids, now), cursor, {})

    async def get_funnel(self, period: Period, now: datetime) -> Funnel:
        """How far the orders of a period came."""
        behind = await self._refresh(now)
        rows = await self._flows.funnel(period, now)
        return build_funnel(rows, self.flow, _coverage(sum(row[1] for row in rows), behind, period))

    async def get_bottlenecks(self, period: Period, now: datetime) -> Bottlenecks | None:
        """Where the time goes; None without any order."""
        behind = await self._refresh(now)
        span = await self.get_span()
        if span.first is None or span.last is None:
            return None
        course = _course(period, span.first, span.last)
        each = await self._flows.one_in(course)
        steps, messages, calls = await asyncio.gather(
            self._flows.step_times(period, course, now),
            self._flows.message_hops(course, each),
            self._flows.call_hops(course, each),
        )
        width = timedelta(microseconds=course.span_ns / 1000)
        return Bottlenecks(
            steps=build_steps(steps[0], build_courses(steps[1], course.begin, width)),
            messages=build_messages(messages[0], build_courses(messages[1], course.begin, width)),
            calls=build_calls(calls[0], build_courses(calls[1], course.begin, width)),
            since=course.begin,
            until=course.until,
            recent=course.recent,
            coverage=Coverage(behind, None, each),
        )

    async def get_differences(
        self, period: Period, now: datetime, state: str = "", kind: str = "", status: str = "", variant: str = "",
        limit: int = 50,
    ) -> Differences:  # fmt: skip
        """What troubled orders have more often than finished ones; empty `state` means stuck and failed."""
        behind = await self._refresh(now)
        sample = await self._flows.sample(period, [state] if state else _TROUBLE, kind, status, variant, now)
        rows = await self._flows.values(sample, self._own_keys) if sample.troubled and sample.finished else []
        differences, tried = build_differences(rows, len(sample.troubled), len(sample.finished), limit)
        return Differences(
            differences=differences,
            troubled_orders=len(sample.troubled),
            finished_orders=len(sample.finished),
            troubled_all=sample.troubled_all,
            finished_all=sample.finished_all,
            values_tried=tried,
            coverage=Coverage(behind),
        )

    async def _refresh(self, now: datetime) -> int:
        skews = await self._skews.now(now)
        return await self._flows.bring_up_to_date(
            {name: skew.seconds for name, skew in skews.items() if is_off(skew)}, now
        )


def _coverage(orders: int, behind: int, period: Period) -> Coverage:
    return Coverage(behind, period.orders_max if orders >= period.orders_max else None)


def _course(period: Period, first: datetime, last: datetime) -> Course:
    begin = max(period.since, first) if period.since else first
    until = min(period.until, last) if period.until else last
    until = max(until, begin) + timedelta(seconds=1)
    return Course(begin, until, COURSE_SPANS, until - (until - begin) * _LATELY_SHARE)


def _attributes_of(settings: OrderSettings) -> set[str]:
    """Attributes in which rules look for order ids and statuses: these tell orders apart, or say the outcome itself."""
    rules = [*settings.id, *settings.status, *(rule for key in settings.key for rule in key.find)]
    return {match[1] for rule in rules if (match := re.match(r"(?:attribute|pattern|baggage):([^:]+)", rule))}
