"""Pairs of moments that must have been close together: rows ↔ values. What follows from them is said by `orders.skew`."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.flow import Flow
from .store import Store

REFERENCE = ""  # the clock by which the firehose is read: our own
_MESSAGES_MAX = 500
_CALLS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class ClockPair:
    """How far `system` is ahead of `other` in the middle of `pairs` pairs, and how far these lie apart (median deviation)."""

    system: str
    other: str
    ahead_seconds: float
    spread_seconds: float
    pairs: int


class ClockStore:
    """Clock pairs of the latest telemetry."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store = store
        self._parameters = {
            "services": list(flow.system_of_service.keys()),
            "systems": list(flow.system_of_service.values()),
            "messages_max": _MESSAGES_MAX,
            "calls_max": _CALLS_MAX,
        }

    async def pairs(self) -> list[ClockPair]:
        """Pairs by systems. Raises as `Store.query` does."""
        return [ClockPair(*row) for row in await self._store.query("clock_pairs", self._parameters)]
