"""Pages of an object-centric event log, read from the store. Keeps nothing between pages."""

from __future__ import annotations

import asyncio
from datetime import datetime

from ..model.analysis import Period
from ..model.flow import Flow
from ..model.ocel import EventLog
from ..orders.reader import OrderReader
from ..store.exports import ExportStore
from ..store.store import Store
from .ocel import build_event_log


class Exporter:
    """Makes logs for one flow; `orders` judges the orders and gives their facts."""

    def __init__(self, store: Store, flow: Flow, orders: OrderReader) -> None:
        self._flow = flow
        self._orders = orders
        self._exports = ExportStore(store)

    async def get_event_log(self, period: Period, after: str, limit: int, now: datetime) -> tuple[EventLog, str | None]:
        """The log of the next `limit` orders by id behind `after`, and the id to go on after; None at the end."""
        ids = await self._exports.find_ids(period, after, limit + 1)
        page = ids[:limit]
        (orders, facts), steps = await asyncio.gather(
            self._orders.find_facts(page, now), self._exports.find_message_steps(page)
        )
        return build_event_log(orders, facts, steps, self._flow), page[-1] if len(ids) > limit else None
