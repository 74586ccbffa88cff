"""How far orders come: rows by furthest status → the steps of the flow with what is left at each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.analysis import Coverage, Funnel, FunnelStep
from ..model.flow import Flow, Step


def build_funnel(rows: Sequence[Sequence[Any]], flow: Flow, coverage: Coverage) -> Funnel:
    """From rows of `funnel.sql`. An order that came further came to all steps before, whether that was seen or not."""
    by_status = {row[0]: row for row in rows}
    steps = [step for step in flow.steps if step.status not in flow.cancelled]
    orders = sum(by_status[step.status][1] for step in steps if step.status in by_status)
    came, found = orders, []
    for step in steps:
        row = by_status.get(step.status)
        found.append(_step(step, row, came, orders))
        came -= row[1] if row else 0
    return Funnel(tuple(found), orders, coverage)


def _step(step: Step, row: Sequence[Any] | None, came: int, orders: int) -> FunnelStep:
    share = came / orders if orders else 0.0
    if row is None:
        return FunnelStep(step.status, step.system, came, share, 0, came, 0, 0, 0, 0, 0, 0, None, None, None, None)
    _, here, waiting, stuck, failed, cancelled, lost, reached, from_start, paced, from_before = row
    return FunnelStep(
        status=step.status,
        system=step.system,
        came=came,
        share=share,
        reached=reached,
        went_on=came - here,
        here=here,
        waiting=waiting,
        stuck=stuck,
        failed=failed,
        cancelled=cancelled,
        lost=lost,
        start_median_seconds=from_start[0],
        start_p90_seconds=from_start[1],
        step_median_seconds=from_before[0] if paced else None,
        step_p90_seconds=from_before[1] if paced else None,
    )
