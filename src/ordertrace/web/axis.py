"""The time axis of an order's picture: business days and milliseconds side by side, long waits folded away.

A moment's x grows with the logarithm of the time since the moment before it; waits longer than `fold` take one
fixed width and become notches. Nothing here knows what the moments are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2

NOTCH_WIDTH = 68.0
LABEL_GAP = 12.0


@dataclass(frozen=True, slots=True)
class Fold:
    """A wait that was folded: where it is drawn and how long it was."""

    x: float
    seconds: float
    begins: datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """A label that wants `width` pixels in `lane`, free of the next label of that lane, from the moment `at`."""

    at: datetime
    lane: str
    width: float


@dataclass(frozen=True, slots=True)
class Axis:
    """Moments (ascending) and their x (never descending)."""

    moments: tuple[datetime, ...]
    xs: tuple[float, ...]
    folds: tuple[Fold, ...]

    def x(self, at: datetime) -> float:
        """The place of any moment, between its neighbours in proportion; clamped at the ends."""
        after = bisect_right(self.moments, at)
        if after == 0:
            return self.xs[0]
        if after == len(self.moments):
            return self.xs[-1]
        begin, end = self.moments[after - 1], self.moments[after]
        share = (at - begin) / (end - begin)
        return self.xs[after - 1] + share * (self.xs[after] - self.xs[after - 1])


def build_axis(moments: Iterable[datetime], wishes: Iterable[Wish], begin: float, width: float) -> Axis:
    """Lay the moments out from x=`begin`, filling `width` pixels where they need less; they may need more."""
    ordered = sorted(set(moments))
    fold = fold_limit(ordered)
    by_moment: dict[datetime, list[Wish]] = {}
    for wish in wishes:
        by_moment.setdefault(wish.at, []).append(wish)
    places = _places(ordered, by_moment, fold, 1.0)
    for squeeze in (0.6, 0.3):
        if places[-1] > width:
            places = _places(ordered, by_moment, fold, squeeze)
    stretch = max(1.0, width / places[-1]) if places[-1] else 1.0
    xs = tuple(begin + place * stretch for place in places)
    return Axis(tuple(ordered), xs, tuple(_folds(ordered, xs, fold)))


def fold_limit(ordered: Sequence[datetime]) -> timedelta:
    """Waits longer than this are folded: a twentieth of the whole, at least ten seconds."""
    return max(timedelta(seconds=10), (ordered[-1] - ordered[0]) / 20)


def _places(
    ordered: Sequence[datetime], wishes: Mapping[datetime, list[Wish]], fold: timedelta, squeeze: float
) -> list[float]:
    free: dict[str, float] = {}
    places: list[float] = []
    for i, moment in enumerate(ordered):
        place = places[-1] + _advance(moment - ordered[i - 1], fold, squeeze) if places else 0.0
        here = wishes.get(moment, [])
        place = max([place, *(free.get(wish.lane, 0.0) for wish in here)])
        for wish in here:
            free[wish.lane] = max(free.get(wish.lane, 0.0), place + wish.width + LABEL_GAP)
        places.append(place)
    return places


def _advance(wait: timedelta, fold: timedelta, squeeze: float) -> float:
    if wait > fold:
        return NOTCH_WIDTH
    return squeeze * min(56.0, 4.0 + 4.0 * log2(1.0 + wait / timedelta(milliseconds=1)))


def _folds(ordered: Sequence[datetime], xs: Sequence[float], fold: timedelta) -> Iterable[Fold]:
    for i in range(1, len(ordered)):
        wait = ordered[i] - ordered[i - 1]
        if wait > fold:
            yield Fold((xs[i - 1] + xs[i]) / 2, wait.total_seconds(), ordered[i - 1])
