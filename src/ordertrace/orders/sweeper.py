"""Finds what is wrong with open orders by itself, within a second of the moment at which it can be known.

The only part of `orders` with a clock. It is told which groups of telemetry have been worked in, takes over what changed,
looks at the orders that are due, and writes what it found; the judgement itself is in `state` and `diagnosis`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from ..errors import OrdertraceError
from ..metrics import Metrics
from ..model.flow import Flow
from ..model.order import Deviation, DiagnosisKind, Order, OrderState
from ..settings.sections import SweepSettings
from ..store.clocks import ClockStore
from ..store.messages import MessageStore
from ..store.orders import Finding, OrderGlance, OrderStore
from ..store.store import Store
from .clock import EventClock
from .courses import Courses
from .deviations import find_deviations
from .evidence import Evidence, EvidenceReader
from .skew import Skews
from .state import build_order
from .watchlist import Watchlist
from .words import words_of

CatchUp = Callable[[Sequence[bytes]], Awaitable[bool]]
"""Returns once what has come and holds any of these words is worked in; false where there was nothing to wait for."""

_log = structlog.get_logger(__name__)
_GAUGES_EVERY_SECONDS = 5.0
_GROUPS_A_QUERY = 8
_ORDERS_A_QUERY = 1_000  # the more at once, the less each costs
_ORDERS_AT_ONCE = 500
_COURSES_AGAIN_MAX = 10_000
_JUDGED_AT_ONCE = 50
_COUNTED_AT_ONCE = 2_000
_SWEEP_SECONDS = 0.8  # then news has its turn; what else is due follows at once
_TROUBLE = (OrderState.STUCK, OrderState.FAILED)


class Sweeper:
    """Watches all open orders of one flow. `tell` it of stored groups, `run` it in a task."""

    def __init__(
        self,
        store: Store,
        flow: Flow,
        clock: EventClock,
        metrics: Metrics,
        settings: SweepSettings,
        messages: MessageStore | None = None,
        catch_up: CatchUp | None = None,
    ) -> None:
        """`catch_up` is called before anything new is held against an order."""
        self._catch_up = catch_up
        self._store = store
        self._orders = OrderStore(store, flow)
        self._evidence = EvidenceReader(self._orders, messages, Skews(ClockStore(store, flow)))
        self._flow = flow
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._watchlist = self._build_watchlist()
        self._courses = Courses(self._orders, self._judge_courses, metrics.limits_hit.labels("deviations").inc)
        self._findings: dict[str, Finding] = {}
        self._told: list[datetime] = []
        self._gauges_at = 0.0
        self._has_more = False

    def findings(self) -> Mapping[str, Finding]:
        """What is held against orders now, by order id."""
        return self._findings

    def tell(self, groups: Sequence[datetime]) -> None:
        """Groups of spans with these times of insertion have become order events."""
        self._told.extend(groups)

    def review(self, order_ids: Iterable[str]) -> None:
        """Something else than telemetry about these orders has changed (a verdict on a message): look at them now."""
        for order_id in order_ids:
            self._watchlist.review_now(order_id)

    async def start(self) -> None:
        """Takes over the open orders and the findings that the store holds. Raises as `Store.query` does."""
        self._findings = await self._orders.findings()
        for glance in await self._orders.unfinished(self._settings.open_orders_max):
            self._watch(glance)

    async def start_over(self) -> None:
        """All facts have been made anew: takes over the orders that are open now, and judges again those in trouble."""
        glances = await self._orders.unfinished(self._settings.open_orders_max)
        self._watchlist = self._build_watchlist()
        for place, glance in enumerate(glances, 1):
            self._watch(glance)
            if place % _ORDERS_AT_ONCE == 0:
                await asyncio.sleep(0)  # others have their turn
        self.review(order_id for order_id in self._findings if order_id in self._watchlist)
        for (order_id,) in await self._store.query("latest_orders", {"limit": _COURSES_AGAIN_MAX}):
            self._courses.note(order_id)

    def _build_watchlist(self) -> Watchlist:
        settings = self._settings
        lag, settle = settings.lag_max.total_seconds(), settings.settle.total_seconds()
        return Watchlist(self._flow, lag, settle, settings.open_orders_max)

    async def run(self) -> None:
        """Sweeps until cancelled; a sweep that fails is logged and tried again."""
        while True:
            try:
                await self.sweep(datetime.now(UTC))
            except OrdertraceError as error:
                self._has_more = False
                _log.error("sweep failed", reason=str(error))
            await asyncio.sleep(0 if self._has_more else self._settings.interval.total_seconds())

    async def sweep(self, now: datetime) -> None:
        """One look at everything that changed or is due."""
        started = time.perf_counter()
        await self._take_over_changes(now)
        self.review(self._heard_again())
        self._has_more = not await self._look_at_due(self._clock.complete_until(now), now, started)
        if time.monotonic() - self._gauges_at >= _GAUGES_EVERY_SECONDS:
            self._gauges_at = time.monotonic()
            await self._set_gauges(now)
        self._metrics.sweep_seconds.observe(time.perf_counter() - started)
        if not self._has_more:
            await self._courses.work(now)

    async def _look_at_due(self, until: datetime, now: datetime, started: float) -> bool:
        """Looks at the orders that are due, the longest due first, as long as a sweep may take; whether that was all."""
        for _ in range(-(-self._settings.orders_max // _ORDERS_A_QUERY)):
            due = self._watchlist.take_due(int(until.timestamp() * 1e9), _ORDERS_A_QUERY)
            if due:
                await self._look_at(due, until, now)
            if len(due) < _ORDERS_A_QUERY:
                return True
            if time.perf_counter() - started >= _SWEEP_SECONDS:
                break
        return False

    def _heard_again(self) -> list[str]:
        """Orders that are held against the silence of a system that has been heard since."""
        heard = self._clock.heard()
        return [
            order_id
            for order_id, finding in self._findings.items()
            if (why := finding.diagnosis)
            and why.kind is DiagnosisKind.SOURCE_SILENT
            and heard.get(why.system, why.since) > why.since
        ]

    async def _take_over_changes(self, now: datetime) -> None:
        late_max = int(self._settings.lag_max / timedelta(milliseconds=1))
        while groups := self._told[:_GROUPS_A_QUERY]:
            for service, lag_ms in await self._store.query("service_lags", {"groups": groups, "late_max": late_max}):
                self._clock.hear(self._flow.system_of_service.get(service, service), now, lag_ms / 1000)
            for place, glance in enumerate(await self._orders.changed(groups), 1):
                self._watch(glance)
                self._courses.note(glance.order_id)
                if place % _ORDERS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # others have their turn
            del self._told[: len(groups)]
        await self._clear([order_id for order_id in self._findings if order_id not in self._watchlist], now)

    def _watch(self, glance: OrderGlance) -> None:
        before = self._watchlist.get(glance.order_id)
        if before and before.rank < glance.rank:
            self._observe_step(before.status, before.since_ns, glance, before.breached)
        if before and glance.rank > len(self._flow.steps):
            outcome = "cancelled" if glance.status in self._flow.cancelled else "closed"
            self._metrics.order_duration.labels(outcome).observe((glance.since_ns - glance.started_ns) / 1e9)
        if not self._watchlist.note(glance):
            self._metrics.limits_hit.labels("open_orders").inc()
        if (watched := self._watchlist.get(glance.order_id)) and (finding := self._findings.get(glance.order_id)):
            watched.state = finding.state

    async def _judge_courses(self, order_ids: Sequence[str]) -> dict[str, tuple[Deviation, ...]]:
        found = await self._evidence.find(order_ids, datetime.now(UTC))
        return {name: find_deviations(of.events, self._flow, of.watched) for name, of in found.items()}

    def _observe_step(self, status: str, since_ns: int, glance: OrderGlance, breached: bool) -> None:
        """The time of a step that is surely over: its successor is where the order is now."""
        successor = self._flow.successor(status)
        if not successor or successor.status != glance.status:
            return
        seconds = (glance.since_ns - since_ns) / 1e9
        self._metrics.step_duration.labels(status, successor.system).observe(seconds)
        step = self._flow.step(status)
        if step and step.deadline and seconds > step.deadline.total_seconds() and not breached:
            self._metrics.deadline_breaches.labels(status, successor.system).inc()

    async def _look_at(self, order_ids: Sequence[str], until: datetime, now: datetime) -> None:
        found = await self._evidence.find(order_ids, now)
        orders = await self._judge(found, until)
        accused = [order.id for order in orders if self._is_accused_anew(order)]
        if accused and self._catch_up and await self._catch_up(self._words(found, accused, now)):
            await self._take_over_changes(now)
            orders = await self._judge(await self._evidence.find(order_ids, now), until)
        changed = [finding for order in orders for finding in self._compare(order, now)]
        for order_id in order_ids:
            self._watchlist.review_after(order_id, int(until.timestamp() * 1e9))
        await self._save(changed, now)

    async def _judge(self, found: Mapping[str, Evidence], until: datetime) -> list[Order]:
        orders, heard = list[Order](), self._clock.heard()
        for place, (order_id, known) in enumerate(found.items(), 1):
            if place % _JUDGED_AT_ONCE == 0:
                await asyncio.sleep(0)  # others have their turn
            orders.append(
                build_order(order_id, known.events, self._flow, until, known.watched, heard, with_deviations=False)
            )
        return orders

    def _is_accused_anew(self, order: Order) -> bool:
        before = self._findings.get(order.id)
        held = (before.state, before.diagnosis) if before else None
        return order.state in _TROUBLE and held != (order.state.value, order.diagnosis)

    def _words(self, found: Mapping[str, Evidence], accused: Sequence[str], now: datetime) -> list[bytes]:
        """What a request holds that speaks of these orders, or comes from a system that may be held to be silent."""
        words = {word for order_id in accused for word in words_of(order_id, found[order_id].events)}
        for system, heard in self._clock.heard().items():
            if now - heard > self._flow.silence / 2:
                words |= {service.encode() for service in self._flow.system(system).services}
        return sorted(words)

    def _compare(self, order: Order, now: datetime) -> list[Finding]:
        """The finding to write where this look says something else than the last one."""
        watched, before = self._watchlist.get(order.id), self._findings.get(order.id)
        if watched:
            watched.state = order.state.value
        if order.state not in _TROUBLE:
            return [Finding(order.id, "", None, now)] if before else []
        if not self._is_accused_anew(order):
            return []
        if before is None:
            self._count(order, now)
        return [Finding(order.id, order.state.value, order.diagnosis, before.detected_at if before else now)]

    def _count(self, order: Order, now: datetime) -> None:
        watched, why = self._watchlist.get(order.id), order.diagnosis
        if why is None:
            return
        graces = {
            DiagnosisKind.PROCESSING_ERROR: self._flow.error_grace,
            DiagnosisKind.TRANSFER_ERROR: self._flow.error_grace,
            DiagnosisKind.STATUS_MISMATCH: self._flow.mismatch_grace,
        }
        knowable = why.since + graces.get(why.kind, timedelta())
        self._metrics.detection_delay.labels(why.kind.value).observe(max(0.0, (now - knowable).total_seconds()))
        if why.kind is DiagnosisKind.TRANSFER_ERROR:
            self._metrics.integration_errors.labels(why.system, why.facts.get("target", "")).inc()
        if watched and why.kind is DiagnosisKind.TOO_SLOW and not watched.breached:
            watched.breached = True
            self._metrics.deadline_breaches.labels(order.status, order.system).inc()

    async def _clear(self, order_ids: Sequence[str], now: datetime) -> None:
        await self._save([Finding(order_id, "", None, now) for order_id in order_ids], now)

    async def _save(self, findings: Sequence[Finding], now: datetime) -> None:
        if not findings:
            return
        await self._orders.save_findings(findings, now)
        for finding in findings:
            if finding.state:
                self._findings[finding.order_id] = finding
            else:
                self._findings.pop(finding.order_id, None)

    async def _set_gauges(self, now: datetime) -> None:
        waits_for = {step.status: (self._flow.successor(step.status) or step).system for step in self._flow.steps}
        orders: Counter[tuple[str, str, str]] = Counter()
        oldest: dict[tuple[str, str], int] = {}
        for number, watched in enumerate(list(self._watchlist), 1):
            if number % _COUNTED_AT_ONCE == 0:
                await asyncio.sleep(0)  # others have their turn
            place = (watched.status, waits_for.get(watched.status, ""))
            orders[watched.state, *place] += 1
            oldest[place] = min(oldest.get(place, watched.started_ns), watched.started_ns)
        stuck = Counter(self._place_of(order_id, finding, waits_for) for order_id, finding in self._findings.items())
        for gauge in (self._metrics.orders, self._metrics.orders_stuck, self._metrics.oldest_open_order):
            gauge.clear()
        for labels, count in orders.items():
            self._metrics.orders.labels(*labels).set(count)
        for labels, count in stuck.items():
            self._metrics.orders_stuck.labels(*labels).set(count)
        for place, started_ns in oldest.items():
            self._metrics.oldest_open_order.labels(*place).set(max(0.0, now.timestamp() - started_ns / 1e9))
        for system in self._clock.systems():
            if heard := self._clock.last_heard(system):
                self._metrics.source_last_seen.labels(system).set((now - heard).total_seconds())

    def _place_of(self, order_id: str, finding: Finding, waits_for: dict[str, str]) -> tuple[str, str, str]:
        watched = self._watchlist.get(order_id)
        status = watched.status if watched else ""
        return status, waits_for.get(status, ""), finding.diagnosis.kind.value if finding.diagnosis else ""
