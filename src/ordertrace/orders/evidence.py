"""Fetches what is known of orders: their events, and what the watch of the brokers says of their messages. Judges nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.message import MessageLife, WatchGap
from ..model.order import OrderEvent
from ..store.messages import LIVES_AN_ORDER, MessageStore
from ..store.orders import OrderStore
from .lost import NOT_WATCHED, Watched
from .skew import Skews, correct
from .timeline import build_events

_COVERAGE_AGE_MAX = timedelta(seconds=5)
_GAPS_LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All about one order: events sorted and each once, and its messages."""

    events: tuple[OrderEvent, ...]
    watched: Watched


@dataclass(frozen=True, slots=True)
class _Coverage:
    """What the watch covers: since when, blind spans, and the statuses that messages are known to carry."""

    at: datetime
    since: datetime | None
    gaps: tuple[WatchGap, ...]
    messaged: frozenset[str]


class EvidenceReader:
    """Evidence about orders; `messages` is None where no broker is watched."""

    def __init__(self, orders: OrderStore, messages: MessageStore | None, skews: Skews) -> None:
        self._orders = orders
        self._skews = skews
        self._messages = messages
        self._coverage: _Coverage | None = None

    async def find(self, order_ids: Sequence[str], now: datetime) -> dict[str, Evidence]:
        """Evidence by order id; orders that nobody has heard of are left out. Raises as `Store.query` does."""
        skews = await self._skews.now(now)
        if self._messages is None:
            events = await self._orders.find_events(order_ids)
            return {
                order_id: Evidence(build_events(correct(found, skews)), NOT_WATCHED)
                for order_id, found in events.items()
            }
        events, lives, coverage = await asyncio.gather(
            self._orders.find_events(order_ids), self._messages.messages_of_orders(order_ids), self._covered(now)
        )
        return {
            order_id: Evidence(build_events(correct(found, skews)), _watched(lives.get(order_id, []), coverage))
            for order_id, found in events.items()
        }

    async def _covered(self, now: datetime) -> _Coverage:
        assert self._messages is not None
        if self._coverage is None or now - self._coverage.at > _COVERAGE_AGE_MAX or now < self._coverage.at:
            gaps, (since, messaged) = await asyncio.gather(
                self._messages.gaps(now - _GAPS_LOOK_BACK), self._messages.covered_statuses()
            )
            self._coverage = _Coverage(now, since, gaps, messaged)
        return self._coverage


def _watched(lives: Sequence[MessageLife], coverage: _Coverage) -> Watched:
    complete = len(lives) < LIVES_AN_ORDER
    return Watched(tuple(lives), coverage.gaps, coverage.messaged, coverage.since, complete)
