"""Deadlines and disagreements: when is an order late, and do its systems still agree? Pure; `now` is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..model.flow import Flow
from ..model.order import NextStep, StatusView


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when the next status must be there, and how long that is from what it is counted from."""

    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One system has gone on since `since`, another has not followed."""

    ahead: str
    ahead_status: str
    behind: str
    behind_status: str
    since: datetime


def deadline_of(status: str, status_since: datetime, started_at: datetime, flow: Flow) -> Deadline | None:
    """The step's own deadline counts from the status, the whole order's from its start; None at the end of an order."""
    if flow.is_end(status):
        return None
    step = flow.step(status)
    if step and step.deadline is not None:
        return Deadline(status_since + step.deadline, step.deadline.total_seconds())
    return Deadline(started_at + flow.deadline, flow.deadline.total_seconds())


def next_step(status: str, deadline: Deadline | None, flow: Flow) -> NextStep | None:
    """Who is expected to do what by when; an order without a known status waits for the flow's first step."""
    successor = (
        flow.successor(status)
        if flow.step(status)
        else (flow.steps[0] if flow.steps and not flow.rank(status) else None)
    )
    return NextStep(successor.status, successor.system, deadline.at if deadline else None) if successor else None


def find_mismatch(
    views: Mapping[str, StatusView], reached: Mapping[str, datetime], flow: Flow, now: datetime
) -> Mismatch | None:
    """Two systems that have disagreed for longer than the flow's grace; the one furthest behind is named.

    A system that never showed a status is not behind: not observed is not disagreement. Systems that do not follow
    others' statuses cannot be behind; neither can closed ones, which show nothing but what they bring about themselves.
    """
    known = {name: view for name, view in views.items() if flow.rank(view.status)}
    if len(known) < 2:
        return None
    ahead = max(known, key=lambda name: (flow.rank(known[name].status), not known[name].inferred, name))
    followers = [name for name in known if flow.system(name).follows and not flow.system(name).closed]
    behind = min(followers, key=lambda name: (flow.rank(known[name].status), name), default=ahead)
    missed = [time for status, time in reached.items() if flow.rank(status) > flow.rank(known[behind].status)]
    if not missed or now - min(missed) <= flow.mismatch_grace:
        return None
    return Mismatch(ahead, known[ahead].status, behind, known[behind].status, min(missed))
