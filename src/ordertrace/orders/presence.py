"""Whose is a key that nothing names together with an order? Time and key alone: the weakest way, for regular runs only. Pure.

A job that runs again and again asks about every order in some status, each under its key. A key that first appears in one
run belongs to an order that came into the status since the run before, and it is gone once the order has left it. Where
that leaves one key and one order to each other, they belong together; where it leaves several, to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

TOLERANCE_SECONDS = 0.5  # between a system's span about a status and the moment at which its tables hold it
_MISSED_RUNS_MAX = 0.2  # share of the runs in which a key may be missing, since telemetry is lost


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job: when it began, in seconds since 1970, and the keys it asked for."""

    at: float
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stay:
    """How long an order stood in the status in which it is asked for; `until` None: it still does."""

    order_id: str
    since: float
    until: float | None


def match_presence(
    runs: Iterable[Run], stays: Iterable[Stay], owned: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """The order of each key, for keys and orders that `owned` (orders by key) does not know.

    Several keys that stand in the same runs are given as many orders together: each order is in all those runs, whichever
    key is its own.
    """
    course = sorted(runs, key=lambda run: run.at)
    taken = frozenset().union(*owned.values())
    free = [stay for stay in stays if stay.order_id not in taken]
    groups: dict[tuple[int, ...], list[str]] = {}
    for key in sorted({key for run in course for key in run.keys} - owned.keys()):
        groups.setdefault(tuple(i for i, run in enumerate(course) if key in run.keys), []).append(key)
    fitting = {present: {stay.order_id for stay in free if _fits(present, stay, course)} for present in groups}
    matched: dict[str, frozenset[str]] = {}
    while found := _alone(fitting, groups):
        for present, orders in found.items():
            matched |= dict.fromkeys(groups[present], frozenset(orders))
        given = set().union(*found.values())
        fitting = {present: orders - given for present, orders in fitting.items() if present not in found}
    return matched


def _alone(
    fitting: Mapping[tuple[int, ...], set[str]], groups: Mapping[tuple[int, ...], list[str]]
) -> dict[tuple[int, ...], set[str]]:
    """Groups of keys that exactly as many orders fit: whoever else they fit, they are needed here."""
    return {present: orders for present, orders in fitting.items() if orders and len(orders) == len(groups[present])}


def _fits(present: Sequence[int], stay: Stay, course: Sequence[Run]) -> bool:
    """Whether the key appeared when the order came and went when it left."""
    first, last = present[0], present[-1]
    if len(present) < (1 - _MISSED_RUNS_MAX) * (last - first + 1):
        return False
    came_late = stay.since > course[first].at + TOLERANCE_SECONDS
    came_early = first > 0 and stay.since < course[first - 1].at - TOLERANCE_SECONDS
    if came_late or came_early:
        return False
    if stay.until is None:
        return last == len(course) - 1
    left_early = stay.until < course[last].at - TOLERANCE_SECONDS
    left_late = last + 1 < len(course) and stay.until > course[last + 1].at + TOLERANCE_SECONDS
    return not left_early and not left_late
