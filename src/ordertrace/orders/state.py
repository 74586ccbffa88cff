"""The judgement of one order at one moment: events + flow + now → Order. Pure; the same evidence gives the same answer.

`now` is the moment up to which telemetry is believed to be complete, so that what is merely late raises no alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from ..model.flow import Flow
from ..model.order import Diagnosis, NextStep, Order, OrderEvent, OrderState, StatusView
from .deviations import find_deviations
from .diagnosis import (
    diagnose_error,
    diagnose_mismatch,
    diagnose_silent_source,
    diagnose_slowness,
    lasting_errors,
    unresolved_errors,
)
from .lost import (
    NOT_WATCHED,
    Place,
    Watched,
    diagnose_message,
    diagnose_silence,
    diagnose_unsent,
    errors_behind,
    find_harmed,
    misses_telemetry,
)
from .stuck import Deadline, Mismatch, deadline_of, find_mismatch, next_step
from .timeline import begun, build_views, end_of, furthest, reached_at

NOBODY_HEARD: Mapping[str, datetime] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an order has come, before anything is judged."""

    status: str
    since: datetime
    views: dict[str, StatusView]
    deadline: Deadline | None
    following: NextStep | None
    system: str


def build_order(
    order_id: str,
    events: Sequence[OrderEvent],
    flow: Flow,
    now: datetime,
    watched: Watched = NOT_WATCHED,
    heard: Mapping[str, datetime] = NOBODY_HEARD,
    with_deviations: bool = True,
) -> Order:
    """The order as it stands at `now`; `events` are at least one, sorted (see `build_events`). `heard` says when each
    system's telemetry last came. Who asks about trouble only may leave the deviations out.
    """
    standing = build_standing(events, flow)
    state, diagnosis = judge(standing, events, flow, now, watched, heard)
    started_at, ended = events[0].at, flow.is_end(standing.status)
    return Order(
        id=order_id,
        state=state,
        status=standing.status,
        status_since=standing.since,
        system=standing.system,
        owner=flow.system(standing.system).owner,
        started_at=started_at,
        last_seen_at=max(end_of(event) for event in events),
        closed_at=standing.since if ended else None,
        age_seconds=max(0.0, ((standing.since if ended else now) - started_at).total_seconds()),
        deadline_at=standing.deadline.at if standing.deadline else None,
        deadline_seconds=standing.deadline.seconds if standing.deadline else None,
        next=standing.following,
        diagnosis=diagnosis,
        statuses=standing.views,
        deviations=find_deviations(events, flow, watched) if with_deviations else (),
    )


def build_standing(events: Sequence[OrderEvent], flow: Flow) -> Standing:
    """Status, views, deadline and next step of an order, without judging it."""
    views = build_views(events, flow)
    reached = furthest(views, flow) or begun(events, flow)
    status, since = (reached.status, reached.at) if reached else ("", events[0].at)
    deadline = deadline_of(status, since, events[0].at, flow)
    following = next_step(status, deadline, flow)
    step = flow.step(status)
    system = following.system if following else step.system if step else events[-1].system
    return Standing(status, since, views, deadline, following, system)


def judge(
    standing: Standing,
    events: Sequence[OrderEvent],
    flow: Flow,
    now: datetime,
    watched: Watched = NOT_WATCHED,
    heard: Mapping[str, datetime] = NOBODY_HEARD,
) -> tuple[OrderState, Diagnosis | None]:
    """State and, where something is wrong, why.

    The cause before the symptom: an error that stops the order, a message that was lost or stands still, systems that
    disagree; when the deadline has passed, an earlier error, a message never sent or without effect, a system that is not
    heard any more, and last time alone.
    """
    if standing.status in flow.cancelled:
        return OrderState.CANCELLED, None
    if standing.status in flow.closed:
        return OrderState.CLOSED, None
    errors = unresolved_errors(events, flow)
    place = Place(standing.status, standing.since, standing.system, standing.views)
    harmed = find_harmed(place, watched)
    if harmed and not errors:
        errors = tuple(errors_behind(harmed, place, lasting_errors(events)))
    if errors and (harmed or any(now - end_of(event) >= flow.error_grace for event in errors)):
        return OrderState.FAILED, diagnose_error(errors, events, flow)
    if harmed:
        return OrderState.STUCK, diagnose_message(harmed, place, events)
    mismatch = _observed_mismatch(standing, events, flow, now, watched)
    late = standing.deadline if standing.deadline and now >= standing.deadline.at else None
    if (mismatch or late) and (earlier := _earlier_error(standing, events)):
        return OrderState.FAILED, diagnose_error(earlier, events, flow)
    if (mismatch or late) and (unsent := diagnose_unsent(place, events, watched, flow, now)):
        return OrderState.STUCK, unsent
    if mismatch:
        silent = diagnose_silent_source(mismatch.behind, mismatch.since, events, flow, now, heard)
        return OrderState.STUCK, silent or diagnose_mismatch(mismatch, events)
    if not late:
        return OrderState.OPEN, None
    diagnosis = diagnose_silence(place, events, watched, flow, now)
    diagnosis = diagnosis or diagnose_silent_source(standing.system, late.at, events, flow, now, heard)
    return OrderState.STUCK, diagnosis or diagnose_slowness(
        standing.status, late, standing.following, events, standing.system
    )


def _observed_mismatch(
    standing: Standing, events: Sequence[OrderEvent], flow: Flow, now: datetime, watched: Watched
) -> Mismatch | None:
    """Two systems that disagree, if what is known of the one behind is all that it did."""
    mismatch = find_mismatch(standing.views, reached_at(events, flow), flow, now)
    return None if mismatch and misses_telemetry(mismatch.behind, events, watched) else mismatch


def _earlier_error(standing: Standing, events: Sequence[OrderEvent]) -> list[OrderEvent]:
    """Errors of the system that should act now and that it never made good, though others went on meanwhile."""
    return [event for event in lasting_errors(events) if event.system == standing.system]
