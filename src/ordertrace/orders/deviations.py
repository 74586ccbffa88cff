"""Where an order left its flow: statuses skipped, repeated, gone back to, or reached without a way. Pure.

What a system that takes a status over shows of it says nothing of the order's course: it may lag, or be told twice. Only the
system that brings a status about counts. That a status was not observed does not mean that it was skipped: that needs a
witness who would have seen it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.flow import Flow
from ..model.order import Deviation, DeviationKind, OrderEvent
from .lost import NOT_WATCHED, Watched, misses_telemetry
from .timeline import reached_at

_APART = timedelta(seconds=2)  # clocks, and a span that begins before what it tells of
_READS = ("GET", "HEAD", "http get", "http head", "get ", "head ")
_EVIDENCE_MAX = 4
_MESSAGES_SAY = 0.9  # the watch saw all messages of that time, and none of the status
_ITS_SYSTEM_SAYS = 0.6  # the system that should have shown it was heard, and only its telemetry can tell
_TOLD_BY_ITSELF = 0.9


@dataclass(frozen=True, slots=True)
class _Occasion:
    """One time at which a system brought a status about, with the facts that say so."""

    status: str
    at: datetime
    events: tuple[OrderEvent, ...]


def find_deviations(events: Sequence[OrderEvent], flow: Flow, watched: Watched = NOT_WATCHED) -> tuple[Deviation, ...]:
    """All deviations of an order, earliest first; `events` sorted as `build_events` gives them."""
    reached = {status: at for status, at in reached_at(events, flow).items() if flow.rank(status)}
    if not reached:
        return ()
    occasions = {status: _occasions(status, events, flow) for status in reached}
    found = [*_again(reached, occasions, flow), *_left_out(reached, occasions, events, flow, watched)]
    return tuple(sorted(found, key=lambda one: (one.at, one.kind, one.status)))


def _occasions(status: str, events: Sequence[OrderEvent], flow: Flow) -> list[_Occasion]:
    """What its own system did about the status: facts of one trace or message are one occasion; reading is none."""
    step = flow.step(status)
    groups: dict[str, list[OrderEvent]] = {}
    for event in events:
        if step and event.status == status and event.system == step.system and not event.name.startswith(_READS):
            groups.setdefault(event.message_id or event.trace_id or event.id, []).append(event)
    by_trace: dict[str, list[OrderEvent]] = {}
    for group in groups.values():
        trace = next((event.trace_id for event in group if event.trace_id), group[0].id)
        by_trace.setdefault(trace, []).extend(group)
    acted = [group for group in by_trace.values() if any(event.span_kind != "Consumer" for event in group)]
    return sorted((_Occasion(status, min(e.at for e in g), tuple(g)) for g in acted), key=lambda one: one.at)


def _again(
    reached: Mapping[str, datetime], occasions: Mapping[str, Sequence[_Occasion]], flow: Flow
) -> Iterator[Deviation]:
    """Statuses brought about twice, or after a further one, where the flow has no way back to them."""
    for status, times in occasions.items():
        if flow.way(status, status) is not None or flow.is_end(status):
            continue
        for place, occasion in enumerate(times):
            further = _further(status, occasion.at, reached, flow)
            if further:
                yield _deviation(DeviationKind.BACK, occasion, further, flow, _TOLD_BY_ITSELF if place else 0.7)
            elif place:
                yield _deviation(DeviationKind.REPEATED, occasion, status, flow, _TOLD_BY_ITSELF)


def _further(status: str, at: datetime, reached: Mapping[str, datetime], flow: Flow) -> str:
    """The furthest status that was reached well before; '' where there is none."""
    before = [other for other, then in reached.items() if flow.rank(other) > flow.rank(status) and then + _APART < at]
    return max(before, key=flow.rank, default="")


def _left_out(
    reached: Mapping[str, datetime],
    occasions: Mapping[str, Sequence[_Occasion]],
    events: Sequence[OrderEvent],
    flow: Flow,
    watched: Watched,
) -> Iterator[Deviation]:
    """Statuses between two reached ones that nobody showed and somebody would have; ends that no way leads to."""
    for before, status in _transitions(reached, flow):
        way = flow.way(before, status)
        if way is None:
            shown = tuple(event for event in events if event.status == status)
            yield _deviation(DeviationKind.ILLEGAL, _Occasion(status, reached[status], shown), before, flow, 0.8)
            continue
        for missed in way:
            since, until = reached[before], reached[status]
            if sureness := _missed(missed, status, since, until, events, flow, watched):
                shown = tuple(event for event in events if event.status in (before, status))
                yield _deviation(DeviationKind.SKIPPED, _Occasion(missed, until, shown), before, flow, sureness)


def _transitions(reached: Mapping[str, datetime], flow: Flow) -> Iterator[tuple[str, str]]:
    """Each status with the furthest one of the flow's steps that the order had come to before; what came after an end does not
    lead there.
    """
    course = sorted(reached, key=lambda status: (flow.rank(status), status))
    for place, status in enumerate(course):
        before = [other for other in course[:place] if flow.step(other) and reached[other] <= reached[status] + _APART]
        if before:
            yield before[-1], status


def _missed(
    status: str,
    following: str,
    since: datetime,
    until: datetime,
    events: Sequence[OrderEvent],
    flow: Flow,
    watched: Watched,
) -> float:
    """How surely the status was left out rather than not observed; 0 where nobody could tell."""
    step, after = flow.step(status), flow.step(following)
    if step is None or misses_telemetry(step.system, events, watched):
        return 0.0
    if status in watched.messaged:
        start, end = since - _APART, until + _APART
        saw_all = watched.complete and watched.since is not None and watched.since <= start
        blind = any(gap.start <= end and (gap.until is None or gap.until >= start) for gap in watched.gaps)
        return _MESSAGES_SAY if saw_all and not blind else 0.0
    same_system = after is not None and after.system == step.system and not flow.system(step.system).closed
    heard = any(event.system == step.system and event.status == following for event in events)
    return _ITS_SYSTEM_SAYS if same_system and heard else 0.0


def _deviation(kind: DeviationKind, occasion: _Occasion, previous: str, flow: Flow, confidence: float) -> Deviation:
    step = flow.step(occasion.status)
    system = step.system if step else occasion.events[0].system
    weakest = min((event.confidence for event in occasion.events), default=1.0)
    ids = tuple(dict.fromkeys(event.id for event in occasion.events))[:_EVIDENCE_MAX]
    return Deviation(kind, occasion.status, previous, occasion.at, system, round(min(confidence, weakest), 3), ids)
