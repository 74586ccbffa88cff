"""Counts → what the board draws: key figures with their course, and a column of dots for each step. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..model.board import Dot, Figure, StepColumn
from ..model.flow import Flow, Step
from ..model.order import OrderState

TREND_HOURS = 24
_DOTS_A_COLUMN = 60
_TENTHS = 16
_SOON_LATE_SHARE = 0.85

Row = tuple[Any, ...]


def build_figures(counts: Mapping[str, int], hours: Sequence[Row]) -> tuple[Figure, ...]:
    """Key figures from counts by state and rows (hour back, started, closed, closed in time, in trouble)."""
    by_hour = {row[0]: row for row in hours}

    def course(column: int) -> tuple[float, ...]:
        return tuple(float(by_hour[hour][column]) if hour in by_hour else 0.0 for hour in reversed(range(TREND_HOURS)))

    started, closed, in_time, trouble = course(1), course(2), course(3), course(4)
    return (
        Figure("open", float(counts["open"] + counts["stuck"] + counts["failed"]), started),
        Figure("stuck", float(counts["stuck"]), trouble),
        Figure("failed", float(counts["failed"])),
        Figure("closed_today", sum(closed), closed),
        Figure("on_time_share", sum(in_time) / sum(closed) if sum(closed) else None),
    )


def build_counts(rows: Sequence[Row]) -> dict[str, int]:
    """Orders by state, every state named, from the rows of `build_columns`."""
    counts = dict.fromkeys(OrderState, 0)
    for state, _, _, orders, *_ in rows:
        counts[OrderState(state)] += orders
    return {state.value: count for state, count in counts.items()}


def soon_late_ids(rows: Sequence[Row], limit: int) -> list[str]:
    """Orders that have used most of their deadline and are not in trouble yet, the nearest to it first."""
    open_dots = [
        (used, order_id) for state, _, _, _, _, named in rows if state == OrderState.OPEN for used, order_id in named
    ]
    return [order_id for used, order_id in sorted(open_dots, reverse=True)[:limit] if used >= _SOON_LATE_SHARE]


def build_columns(rows: Sequence[Row], flow: Flow) -> tuple[StepColumn, ...]:
    """A column for each step that does not end an order, from rows
    (state, status, tenth, orders, late, [(used, id)…])."""
    by_status: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_status[row[1]].append(row)
    return tuple(_column(step, by_status[step.status], flow) for step in flow.steps if not flow.is_end(step.status))


def _column(step: Step, rows: Sequence[Row], flow: Flow) -> StepColumn:
    dots = sorted((Dot(name, used, row[0]) for row in rows for used, name in row[5]), key=lambda dot: -dot.used)
    density = [0] * _TENTHS
    for row in rows:
        density[row[2]] += row[3]
    for dot in dots[:_DOTS_A_COLUMN]:
        density[max(0, min(_TENTHS - 1, int(dot.used * 10)))] -= 1
    following = flow.successor(step.status)
    return StepColumn(
        status=step.status,
        system=step.system,
        waits_for=following.system if following else "",
        next_status=following.status if following else "",
        count=sum(row[3] for row in rows),
        late=sum(row[4] for row in rows),
        dots=tuple(dots[:_DOTS_A_COLUMN]),
        density=tuple(max(0, count) for count in density),
    )
