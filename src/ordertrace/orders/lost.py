"""What the watch of the brokers says about one order: a message lost or stuck, never sent, or without effect. Pure.

Not observed is not lost: where the watch was blind since the order's last status, absence proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.flow import Flow
from ..model.message import STUCK, MessageLife, MessageState, Verdict, WatchGap
from ..model.order import Diagnosis, DiagnosisKind, OrderEvent, StatusView
from .timeline import is_failure, is_record, is_told_by_broker

# A message about a status may leave a moment before the span that shows the status begins; clocks differ, too.
_BEFORE = timedelta(seconds=2)
_EVIDENCE_MAX = 6
_RECORDED_MIN = 2


@dataclass(frozen=True, slots=True)
class Watched:
    """What the brokers showed of one order's messages.

    `messaged` are the statuses of which messages are known to be sent in general, so that a missing one is missed;
    it is empty where no broker is watched. Nothing is known of the time before `since`. Where there were more messages
    than are read, `lives` is not `complete`.
    """

    lives: tuple[MessageLife, ...] = ()
    gaps: tuple[WatchGap, ...] = ()
    messaged: frozenset[str] = frozenset()
    since: datetime | None = None
    complete: bool = True


NOT_WATCHED = Watched()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an order stands: its status since when, and the system that should act next."""

    status: str
    since: datetime
    waits_for: str
    views: dict[str, StatusView]


def find_harmed(place: Place, watched: Watched) -> MessageLife | None:
    """The message whose loss or standstill holds the order up: one that carries its present status to whoever is next.

    The surest verdict speaks; messages of earlier statuses do no harm any more, since the order went on without them.
    """
    held = [life for life in _current(place, watched) if life.verdict and not life.cleared_at]
    harmful = [life for life in held if not life.queue or life.consumer in ("", place.waits_for)]
    return max(harmful, key=lambda life: (life.confidence, life.key, life.queue), default=None)


def errors_behind(harmed: MessageLife, place: Place, errors: Sequence[OrderEvent]) -> list[OrderEvent]:
    """Errors of the receiver of a harmed message since it was sent: they are why the message ended as it did."""
    sent = harmed.published_at or place.since
    receiver = harmed.consumer or place.waits_for
    return [event for event in errors if event.system == receiver and event.at >= sent - _BEFORE]


def diagnose_message(life: MessageLife, place: Place, events: Sequence[OrderEvent]) -> Diagnosis:
    """A lost or stuck message as the reason why an order does not move."""
    assert life.verdict is not None
    kind = DiagnosisKind.MESSAGE_STUCK if life.verdict in STUCK else DiagnosisKind.MESSAGE_LOST
    system = (life.consumer or place.waits_for) if kind is DiagnosisKind.MESSAGE_STUCK else life.publisher
    return Diagnosis(
        kind=kind,
        since=life.since or life.published_at or place.since,
        system=system,
        confidence=round(life.confidence, 3),
        evidence=_evidence(life, place, events),
        facts=_facts(life, place),
    )


def diagnose_unsent(
    place: Place, events: Sequence[OrderEvent], watched: Watched, flow: Flow, now: datetime
) -> Diagnosis | None:
    """A status of which no message was sent, although messages of it are sent in general.

    None where that cannot be known: no watch, a blind one, or the next system is the one that has the status already.
    """
    step = flow.step(place.status)
    if not step or not _is_messaged(place, watched, flow, now) or _current(place, watched):
        return None
    facts = {"status": place.status, "waits_for": place.waits_for}
    return Diagnosis(
        DiagnosisKind.NEVER_PUBLISHED, place.since, step.system, 0.8, _evidence(None, place, events), facts
    )


def diagnose_silence(
    place: Place, events: Sequence[OrderEvent], watched: Watched, flow: Flow, now: datetime
) -> Diagnosis | None:
    """The message of a status was taken by whoever is next, and nothing followed: it is held, or had no effect.

    None where that cannot be known, or where the next system shows that it took the status over: then it is merely slow.
    """
    if not _passes_on(place, watched, flow) or _has_taken_over(place, flow):
        return None
    current = _current(place, watched)
    taken = [life for life in current if life.consumer == place.waits_for and life.delivered_at and not life.verdict]
    if not taken or _was_blind_since(taken[-1].published_at or place.since, place, watched, now):
        return None
    life = taken[-1]
    facts, evidence = _facts(life, place), _evidence(life, place, events)
    if life.settled_at:
        return Diagnosis(DiagnosisKind.NO_EFFECT, life.settled_at, place.waits_for, 0.8, evidence, facts)
    held = facts | {"verdict": Verdict.UNACKED.value}
    return Diagnosis(
        DiagnosisKind.MESSAGE_STUCK, life.delivered_at or place.since, place.waits_for, 0.6, evidence, held
    )


def misses_telemetry(system: str, events: Sequence[OrderEvent], watched: Watched) -> bool:
    """Whether the broker gave the system messages about the order of which it shows no span: not observed is not behind.

    Told by routing keys where the system's spans say them, else by number. Where only log records say its statuses, one that
    is missing beside a span that did not fail was lost, too.
    """
    given = [life for life in watched.lives if life.consumer == system and life.delivered_at]
    shown = [
        event
        for event in events
        if event.system == system and event.span_kind == "Consumer" and not is_told_by_broker(event)
    ]
    said = {event.destination.rpartition(":")[2] for event in shown} | {event.status for event in shown if event.status}
    if _misses_records(system, shown, events):
        return True
    if said & {life.routing_key for life in given}:
        return any(life.routing_key not in said and life.status not in said for life in given)
    return len({event.span_id for event in shown}) < len({life.key for life in given})


def _misses_records(system: str, shown: Sequence[OrderEvent], events: Sequence[OrderEvent]) -> bool:
    """Whether log records say what the system did with most messages, and nothing does of some that it processed."""
    said = [event for event in events if event.system == system and event.status]
    if not said or any(event.span_kind == "Consumer" for event in said):
        return False
    recorded = {event.trace_id for event in said if is_record(event)}
    processed = {event.trace_id for event in shown if not is_failure(event)}
    failed = {event.trace_id for event in events if event.system == system and is_failure(event)}
    return len(processed & recorded) >= _RECORDED_MIN and bool(processed - recorded - failed)


def _is_messaged(place: Place, watched: Watched, flow: Flow, now: datetime) -> bool:
    """Whether a message of the present status is to be expected, and would have been seen."""
    return _passes_on(place, watched, flow) and not _was_blind(place, watched, now)


def _passes_on(place: Place, watched: Watched, flow: Flow) -> bool:
    """Whether the present status is told to another system by a message."""
    step = flow.step(place.status)
    return step is not None and step.system != place.waits_for and place.status in watched.messaged


def _current(place: Place, watched: Watched) -> list[MessageLife]:
    """Messages that carry the present status; where none ever does, those that left after it was reached and say no other."""
    if place.status in watched.messaged:
        return [life for life in watched.lives if life.status == place.status]
    return [
        life
        for life in watched.lives
        if life.status == place.status
        or (not life.status and life.published_at and life.published_at >= place.since - _BEFORE)
    ]


def _was_blind(place: Place, watched: Watched, now: datetime) -> bool:
    start = place.since - _BEFORE
    return watched.since is None or start < watched.since or _was_blind_since(start, place, watched, now)


def _was_blind_since(start: datetime, place: Place, watched: Watched, now: datetime) -> bool:
    unseen = not watched.complete or any(life.state is MessageState.UNSEEN for life in _current(place, watched))
    return unseen or any(gap.start <= now and (gap.until is None or gap.until >= start) for gap in watched.gaps)


def _has_taken_over(place: Place, flow: Flow) -> bool:
    """Whether the next system shows the status itself: then the message had its effect, and the system is merely slow."""
    view = place.views.get(place.waits_for)
    return view is not None and not view.inferred and flow.rank(view.status) >= flow.rank(place.status)


def _facts(life: MessageLife, place: Place) -> dict[str, str]:
    facts = {
        "message_id": life.message_id,
        "exchange": life.exchange,
        "routing_key": life.routing_key,
        "queue": life.queue,
        "verdict": life.verdict.value if life.verdict else "",
        "publisher": life.publisher,
        "consumer": life.consumer,
        "status": place.status,
        "waits_for": place.waits_for,
        "message_key": life.key,
    }
    return {name: value for name, value in facts.items() if value}


def _evidence(life: MessageLife | None, place: Place, events: Sequence[OrderEvent]) -> tuple[str, ...]:
    """Events of the message itself, then those that show the present status."""
    message = [
        e.id
        for e in events
        if life and (e.message_id in (life.message_id, life.key) or e.span_id == life.span_id) and e.message_id
    ]
    shown = [e.id for e in events if e.status == place.status]
    return tuple(dict.fromkeys([*message, *shown]))[:_EVIDENCE_MAX] or tuple(e.id for e in events[-1:])
