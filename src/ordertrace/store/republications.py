"""What people had sent again: the only thing about it that is ever written is one more row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..model.message import Republication
from .store import Store

_COLUMNS = (
    "attempt", "step", "at", "broker", "key", "queue", "order_id", "verdict", "exchange", "routing_key", "by", "reason",
)  # fmt: skip


class RepublicationStore:
    """Attempts and their steps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_message(self, broker: str, key: str) -> tuple[Republication, ...]:
        """All attempts for one message, earliest first."""
        return await self._find(broker, key, False)

    async def open_ones(self, broker: str) -> tuple[Republication, ...]:
        """Attempts of which nobody has noted how they ended."""
        return await self._find(broker, "", True)

    async def add(self, attempts: Sequence[Republication], at: datetime) -> None:
        """One more step of each: its `result`, now. Synced to disk before this returns."""
        rows = [
            (each.attempt, each.result, at, each.broker, each.key, each.queue, each.order_id, each.verdict, each.exchange,
             each.routing_key, each.by, each.reason)
            for each in attempts
        ]  # fmt: skip
        await self._store.insert("republications", _COLUMNS, rows)

    async def _find(self, broker: str, key: str, only_open: bool) -> tuple[Republication, ...]:
        rows = await self._store.query("republications", {"broker": broker, "key": key, "open": only_open})
        return tuple(Republication(*row) for row in rows)
