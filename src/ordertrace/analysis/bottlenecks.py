"""Where the time goes: rows about steps, messages and calls → latencies with their course and what got worse. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..model.analysis import Change, CoursePoint, Latency
from .chance import fisher_greater, survives

WORSE_FACTOR = 1.2  # a median that grew by less is no news, however sure it is
_TIMES_MIN = 8  # before and lately; fewer say nothing

Row = Sequence[Any]
Courses = Mapping[tuple[str, str], tuple[CoursePoint, ...]]


def build_courses(rows: Sequence[Row], begin: datetime, span: timedelta) -> Courses:
    """From rows (source, target, place, (median, 90th percentile), times), by source and target, earliest first."""
    found: dict[tuple[str, str], list[CoursePoint]] = defaultdict(list)
    for source, target, place, (median, p90), times in sorted(rows, key=lambda row: row[2]):
        found[source, target].append(CoursePoint(begin + place * span, median, p90, times))
    return {key: tuple(points) for key, points in found.items()}


def build_steps(rows: Sequence[Row], courses: Courses) -> tuple[Latency, ...]:
    """From rows of `step_times.sql`; the share is that of all steps' time."""
    return tuple(
        Latency(
            kind="step",
            source=row[0],
            target=row[1],
            times=row[2],
            median_seconds=row[3][0],
            p90_seconds=row[3][1],
            p95_seconds=row[3][2],
            total_seconds=row[4],
            share=row[4] / row[11] if row[11] else 0.0,
            change=build_change(row[2], row[5], row[6], row[7], row[8], row[9], len(rows)),
            course=courses.get((row[0], row[1]), ()),
            example=row[10],
        )
        for row in rows
    )


def build_messages(rows: Sequence[Row], courses: Courses) -> tuple[Latency, ...]:
    """From rows of `message_hops.sql`: `source` is the queue, `target` its broker."""
    total = sum(row[12] for row in rows)
    return tuple(
        Latency(
            kind="message",
            source=row[1],
            target=row[0],
            times=row[2],
            median_seconds=row[5][0] if row[3] else 0.0,
            p90_seconds=row[5][1] if row[3] else 0.0,
            p95_seconds=None,
            total_seconds=row[12],
            share=row[12] / total if total else 0.0,
            change=build_change(row[3], row[7], row[8], row[9], row[10], row[11], len(rows)),
            course=courses.get((row[0], row[1]), ()),
            work_median_seconds=row[6][0] if row[4] else None,
            work_p90_seconds=row[6][1] if row[4] else None,
            publisher=row[13],
            consumer=row[14],
        )
        for row in rows
    )


def build_calls(rows: Sequence[Row], courses: Courses) -> tuple[Latency, ...]:
    """From rows of `call_hops.sql`: `source` calls `target`."""
    total = sum(row[10] for row in rows)
    return tuple(
        Latency(
            kind="call",
            source=row[0],
            target=row[1],
            times=row[2],
            median_seconds=row[4][0],
            p90_seconds=row[4][1],
            p95_seconds=None,
            total_seconds=row[10],
            share=row[10] / total if total else 0.0,
            change=build_change(row[2], row[5], row[6], row[7], row[8], row[9], len(rows)),
            course=courses.get((row[0], row[1]), ()),
            example=row[11],
            failed=row[3],
        )
        for row in rows
    )


def build_change(
    times: int,
    times_lately: int,
    before_seconds: float,
    lately_seconds: float,
    above_before: int,
    above_lately: int,
    tried: int,
) -> Change | None:
    """What changed lately, by the median test: if nothing did, half of either time lies above the median of all.

    None where there are too few times to compare. `tried` is how many latencies were compared like this one.
    """
    times_before = times - times_lately
    if min(times_before, times_lately) < _TIMES_MIN:
        return None
    chance = fisher_greater(above_lately, times_lately, above_before, times_before)
    worse = survives(chance, tried) and lately_seconds >= WORSE_FACTOR * before_seconds
    return Change(before_seconds, lately_seconds, times_lately, chance, worse)
