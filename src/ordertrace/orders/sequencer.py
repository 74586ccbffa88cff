"""Which consumer spans belong to which deliveries, by their sequence: asks for what came lately, and compares. Names nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..model.order import JoinedBy
from ..store.linking import SEQUENCE_MAX, LinkStore
from ..store.store import Row
from .sequence import Consumption, Delivery, align, complete_spans
from .skew import Skews, is_off

UNDER_WAY = timedelta(seconds=5)
"""What was stamped before may be written after."""

_BESIDE = timedelta(minutes=2)  # how much of the sequences around what is new helps to place it

Name = tuple[str, str, str, str]


class Sequencer:
    """`note_limit` is told the name of a bound that was reached."""

    def __init__(self, store: LinkStore, skews: Skews, note_limit: Callable[[str], None]) -> None:
        self._store = store
        self._skews = skews
        self._note_limit = note_limit
        self._looked_at = datetime.fromtimestamp(0, UTC) + UNDER_WAY
        self._looked: set[Row] = set()

    async def find_new(self, now: datetime) -> list[Name]:
        """Names, as (trace, span, order, how), from what came since the last time."""
        fresh = {tuple(row) for row in await self._store.unsequenced(self._looked_at - UNDER_WAY)}
        names = await self.find([row[:3] for row in sorted(fresh - self._looked)], now)
        self._looked_at, self._looked = now, fresh
        return names

    async def find(self, stretches: Sequence[Row], now: datetime) -> list[Name]:
        """The same from spans of time of systems, as (system, start, until)."""
        names = []
        for system, start, until in stretches:
            skew = (await self._skews.now(now)).get(system)
            ahead = skew.seconds if skew and is_off(skew) else 0.0
            names += await self._align(system, ahead, start - _BESIDE, until + _BESIDE)
        return sorted(set(names))

    async def _align(self, system: str, ahead: float, start: datetime, until: datetime) -> list[Name]:
        """New names of a system's consumer spans in a span of time; of one in which too much happened, half by half."""
        consumptions = await self._store.consumptions(system, start, until)
        if all(row[5] for row in consumptions):
            return []
        deliveries = await self._store.deliveries(system, start, until)
        if max(len(consumptions), len(deliveries)) >= SEQUENCE_MAX:
            if until - start > 4 * _BESIDE:
                middle = start + (until - start) / 2
                halves = ((start, middle + _BESIDE), (middle - _BESIDE, until))
                return [name for half in halves for name in await self._align(system, ahead, *half)]
            self._note_limit("joining_sequences")
        threads: dict[str, list[Consumption]] = defaultdict(list)
        channels: dict[str, list[Delivery]] = defaultdict(list)
        sequenced = {(row[2], row[3]): row[6] for row in consumptions}
        for thread, at, trace_id, span_id, words, order_id, _ in consumptions:
            threads[thread].append(Consumption(at - ahead, trace_id, span_id, tuple(words), order_id))
        for channel, *delivery in deliveries:
            channels[channel].append(Delivery(*delivery))
        complete = complete_spans(channels, start.timestamp(), await self._store.gaps(start, until))
        matches = await asyncio.to_thread(align, channels, threads, complete)
        return [
            (match.consumption.trace_id, match.consumption.span_id, match.delivery.order_id, JoinedBy.SEQUENCE.value)
            for match in matches
            if match.delivery.order_id
            and not match.consumption.order_id
            and match.delivery.order_id not in sequenced[match.consumption.trace_id, match.consumption.span_id]
        ]
