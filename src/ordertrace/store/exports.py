"""What an export reads beside orders and their facts: pages of ids, and the steps of messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..model.analysis import Period
from .store import Store

_STEPS_MAX = 200_000
_LONG_AGO, _NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MessageStep:
    """One step of the life of a message about an order: published, delivered, settled, …"""

    order_id: str
    broker: str
    key: str
    queue: str
    at: datetime
    kind: str
    message_id: str
    exchange: str
    routing_key: str
    system: str
    reason: str


class ExportStore:
    """Pages of everything."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find_ids(self, period: Period, after: str, limit: int) -> list[str]:
        """The next order ids behind `after`, in their own order."""
        since, until = period.since or _LONG_AGO, period.until or _NEVER
        bounds = {"since": int(since.timestamp() * 1e6) * 1000, "until": int(until.timestamp() * 1e6) * 1000}
        rows = await self._store.query("export_orders", bounds | {"after": after, "limit": limit})
        return [row[0] for row in rows]

    async def find_message_steps(self, order_ids: Sequence[str]) -> tuple[MessageStep, ...]:
        """Every step of the messages about these orders, earliest first."""
        rows = await self._store.query("export_message_steps", {"orders": list(order_ids), "limit": _STEPS_MAX})
        return tuple(MessageStep(*row) for row in rows)
