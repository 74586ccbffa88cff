"""Keeps which orders left their flow, so that they can be found: looks at orders of which something new is known, in spare time.

An order's page judges its course anew whenever it is asked for; this serves lists and filters only, and may come later.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice, takewhile

from ..errors import OrdertraceError
from ..model.order import Deviation
from ..store.orders import OrderStore

ORDERS_AT_ONCE = 300  # what a statement costs besides is shared by them
_WAITING_MAX = 20_000
_SETTLE_SECONDS = 2.0  # what one order's telemetry says comes in several groups
_SPARE_SHARE = 0.01  # of the time, at most

Judge = Callable[[Sequence[str]], Awaitable[Mapping[str, Sequence[Deviation]]]]


class Courses:
    """Orders whose course is to be looked at, the longest waiting first. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        orders: OrderStore,
        judge: Judge,
        drop: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._orders = orders
        self._judge = judge
        self._drop = drop
        self._clock = clock
        self._waiting: dict[str, float] = {}
        self._not_before = 0.0

    def note(self, order_id: str) -> None:
        """Something new is known of the order; beyond the limit the order is not looked at now, and `drop` told."""
        if order_id not in self._waiting and len(self._waiting) >= _WAITING_MAX:
            self._drop()
        else:
            self._waiting.setdefault(order_id, self._clock())

    async def work(self, now: datetime) -> None:
        """Looks at some of the orders, unless it is too early. Raises as the store does; then they are looked at later."""
        started = self._clock()
        if started < self._not_before:
            return
        noted = takewhile(lambda each: started - each[1] >= _SETTLE_SECONDS, self._waiting.items())
        ripe = [order_id for order_id, _ in islice(noted, ORDERS_AT_ONCE)]
        for order_id in ripe:
            del self._waiting[order_id]  # what comes while they are looked at notes them again
        if not ripe:
            return
        try:
            await self._look_at(ripe, now)
        except OrdertraceError:
            for order_id in ripe:
                self.note(order_id)
            raise
        finally:
            ended = self._clock()
            self._not_before = ended + (ended - started) / _SPARE_SHARE

    async def _look_at(self, order_ids: Sequence[str], now: datetime) -> None:
        judged, known = await self._judge(order_ids), await self._orders.deviating(order_ids)
        kinds = {name: tuple(sorted({one.kind.value for one in found})) for name, found in judged.items()}
        changed = {name: of_order for name, of_order in kinds.items() if of_order != known.get(name, ())}
        if changed:
            await self._orders.save_deviations(changed, now)
