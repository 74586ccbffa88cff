"""How far the clocks of systems are off, from pairs of moments that must have been close together. Pure, but for `Skews`.

A message is published while its sender's span runs, and a request is served while its caller's span runs. The middle of
such pairs differs by the clocks, and by a little that evens out. The broker's record is read by our own clock, so it is
the reference where there is one; else the system that most pairs know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..model.order import OrderEvent
from ..store.clocks import REFERENCE, ClockPair, ClockStore
from .recent import Recent
from .timeline import is_told_by_broker

PAIRS_MIN = 5
CORRECTED_SECONDS = 1.0  # smaller differences are within what spans and taps themselves take
_AGE_MAX, _LATE_MAX = timedelta(seconds=30), timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Skew:
    """How many seconds a system's clock is ahead of the reference (behind, if negative), from so many pairs."""

    seconds: float
    pairs: int


def estimate_skews(pairs: Iterable[ClockPair]) -> dict[str, Skew]:
    """The skew of each system that pairs connect to the reference; systems without enough steady pairs are left out."""
    edges: dict[str, dict[str, Skew]] = defaultdict(dict)
    for pair in pairs:
        steady = pair.spread_seconds <= max(CORRECTED_SECONDS, abs(pair.ahead_seconds) / 4)
        if pair.pairs >= PAIRS_MIN and steady and pair.system != pair.other:
            for a, b, ahead in (
                (pair.system, pair.other, pair.ahead_seconds),
                (pair.other, pair.system, -pair.ahead_seconds),
            ):
                have = edges[b].get(a)
                if have is None or have.pairs < pair.pairs:
                    edges[b][a] = Skew(ahead, pair.pairs)
    if not edges:
        return {}
    known = {system: sum(skew.pairs for skew in found.values()) for system, found in edges.items()}
    start = REFERENCE if REFERENCE in edges else max(sorted(known), key=lambda system: known[system])
    skews, rim = {start: Skew(0.0, known[start])}, [start]
    while rim:
        at = rim.pop(0)
        for system, skew in sorted(edges[at].items(), key=lambda item: (-item[1].pairs, item[0])):
            if system not in skews:
                skews[system] = Skew(round(skews[at].seconds + skew.seconds, 6), skew.pairs)
                rim.append(system)
    skews.pop(REFERENCE, None)
    return skews


def correct(events: Iterable[OrderEvent], skews: Mapping[str, Skew]) -> list[OrderEvent]:
    """The events by the reference's clock; what the broker tells is by it already."""
    wrong = {system: timedelta(seconds=skew.seconds) for system, skew in skews.items() if is_off(skew)}
    if not wrong:
        return list(events)
    return [
        replace(event, at=event.at - wrong[event.system])
        if event.system in wrong and not is_told_by_broker(event)
        else event
        for event in events
    ]


def is_off(skew: Skew) -> bool:
    """Whether a clock is so far off that its times are corrected."""
    return abs(skew.seconds) >= CORRECTED_SECONDS


class Skews:
    """The skews in force, asked of the store at most every half minute; nobody waits for that but the first."""

    def __init__(self, store: ClockStore) -> None:
        self._store = store
        self._recent = Recent[Mapping[str, Skew]](_AGE_MAX, late_max=_LATE_MAX)

    async def now(self, now: datetime) -> Mapping[str, Skew]:
        """The skew of each system that is known. Raises as `Store.query` does."""
        return await self._recent.get("skews", now, self._estimate)

    async def _estimate(self) -> Mapping[str, Skew]:
        return estimate_skews(await self._store.pairs())
