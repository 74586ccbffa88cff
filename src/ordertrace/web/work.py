"""Facts of an order gathered into pieces of work: what one system did in one go, with its messages and errors.

A piece of work is a bar in the picture. Work of systems that send no telemetry is inferred from what others say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.flow import Flow
from ..model.order import EventKind, OrderEvent


@dataclass(frozen=True, slots=True)
class Work:
    """One go of one system. `events` are in order of time; `inferred` work has only the event that tells of it."""

    system: str
    begin: datetime
    end: datetime
    events: tuple[OrderEvent, ...]
    status: str = ""
    inferred: bool = False

    @property
    def first(self) -> OrderEvent:
        return self.events[0]

    @property
    def error(self) -> OrderEvent | None:
        return next((e for e in self.events if is_error(e)), None)

    @property
    def shown(self) -> OrderEvent:
        """The event that a bar stands for: the error, else the status, else the first."""
        return self.error or next((e for e in self.events if e.status), self.first)


@dataclass(frozen=True, slots=True)
class Passing:
    """A message or call from one piece of work to another; either end may not have been seen."""

    event: OrderEvent
    sent: OrderEvent | None
    received: OrderEvent | None
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Calling:
    """A call to another system, with the first fact that it caused there, where that was seen."""

    event: OrderEvent
    peer: str
    answer: OrderEvent | None


def is_error(event: OrderEvent) -> bool:
    return event.kind is EventKind.ERROR or event.error is not None


def is_send(event: OrderEvent) -> bool:
    return event.kind is EventKind.SEND or event.span_kind == "Producer"


def is_receive(event: OrderEvent) -> bool:
    return event.kind is EventKind.RECEIVE or event.span_kind == "Consumer"


def end_of(event: OrderEvent) -> datetime:
    return event.at + timedelta(seconds=max(0.0, event.duration_seconds))


def gather_work(events: Sequence[OrderEvent]) -> tuple[Work, ...]:
    """Group the facts: a span goes with its ancestor in the same system; so does what overlaps in one trace."""
    by_span = {e.span_id: e for e in events if e.span_id}
    groups: dict[str, list[OrderEvent]] = {}
    for event in events:
        groups.setdefault(_root(event, by_span).id, []).append(event)
    open_by_trace: dict[tuple[str, str], list[OrderEvent]] = {}
    merged: list[list[OrderEvent]] = []
    for group in sorted(groups.values(), key=lambda g: min(e.at for e in g)):
        key = (group[0].system, group[0].trace_id)
        last = open_by_trace.get(key)
        if last and key[1] and min(e.at for e in group) <= max(end_of(e) for e in last):
            last.extend(group)
        else:
            merged.append(group)
            open_by_trace[key] = group
    return tuple(_to_work(group) for group in merged)


def infer_work(events: Sequence[OrderEvent], flow: Flow) -> tuple[Work, ...]:
    """Work that nobody reported himself: a status that another system tells of, although only its owner brings it."""
    first_seen: dict[str, OrderEvent] = {}
    own = {(e.system, e.status) for e in events if e.status}
    for event in events:
        if event.status and event.status not in first_seen:
            first_seen[event.status] = event
    found = []
    for status, event in first_seen.items():
        step = flow.step(status)
        if step is None or (step.system, status) in own:
            continue
        before = [e.at for s, e in first_seen.items() if 0 < flow.rank(s) < flow.rank(status) and e.at <= event.at]
        begin = max(before, default=event.at)
        found.append(Work(step.system, begin, event.at, (event,), status, inferred=True))
    return tuple(sorted(found, key=lambda w: w.begin))


def pair_messages(events: Sequence[OrderEvent]) -> tuple[Passing, ...]:
    """Sends with their receives: by message id, else by the span that the receiver continues. One send may have many."""
    sends = [e for e in events if is_send(e)]
    by_message = {e.message_id: e for e in sends if e.message_id}
    by_span = {e.span_id: e for e in sends if e.span_id}
    passings, answered = [], set()
    for event in (e for e in events if is_receive(e)):
        sent = by_message.get(event.message_id) if event.message_id else None
        sent = sent or by_span.get(event.parent_span_id)
        if sent and sent.at > event.at + timedelta(seconds=5):
            sent = None  # an id used twice; the clock may be off by seconds, not more
        if sent:
            answered.add(sent.id)
        passings.append(Passing(event, sent, event, event.message_id))
    passings += [Passing(e, e, None, e.message_id) for e in sends if e.id not in answered]
    return tuple(sorted(passings, key=lambda p: p.event.at))


def find_calls(events: Sequence[OrderEvent], flow: Flow) -> Iterable[Calling]:
    """Calls whose other end is a system of the flow or did something for the order itself."""
    caused = {e.parent_span_id: e for e in reversed(events) if e.parent_span_id}
    known = {system.name for system in flow.systems}
    for event in events:
        if event.kind is not EventKind.CALL and event.span_kind != "Client":
            continue
        answer = caused.get(event.span_id) if event.span_id else None
        if answer and (answer.system == event.system or is_receive(answer)):
            answer = None
        peer = answer.system if answer else flow.system_of_service.get(event.peer, event.peer)
        if peer != event.system and (answer or peer in known):
            yield Calling(event, peer, answer)


def _root(event: OrderEvent, by_span: dict[str, OrderEvent]) -> OrderEvent:
    seen = {event.id}
    while (parent := by_span.get(event.parent_span_id)) and parent.system == event.system and parent.id not in seen:
        seen.add(parent.id)
        event = parent
    return event


def _to_work(group: Iterable[OrderEvent]) -> Work:
    events = tuple(sorted(group, key=lambda e: (e.at, e.id)))
    # The last status of its own; a receiver's status is news from another system.
    statuses = [e.status for e in events if e.status]
    return Work(
        events[0].system, events[0].at, max(end_of(e) for e in events), events, statuses[-1] if statuses else ""
    )
