"""Evidence in order: events of one order → sorted facts, each system's view, messages. Pure; takes no clock.

Results do not depend on the order in which events are given, nor on how often one is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ..model.flow import Flow
from ..model.message import MessageLife
from ..model.order import EventKind, JoinedBy, Message, OrderEvent, StatusView

_ECHO_WITHIN = timedelta(seconds=30)  # a tap that was held up tells late
_LOGGED_ERROR = 0.8  # how surely a logged exception of a lost span stopped what it was thrown in
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def build_events(events: Iterable[OrderEvent]) -> tuple[OrderEvent, ...]:
    """Each event once, earliest first; events of one moment in the order of their ids.

    What the watch of a broker saw of a message that a service's own span tells of, too, goes into that span's event.
    """
    once = {event.id: event for event in events}
    ordered = sorted(_with_logged_errors(list(once.values())), key=lambda event: (event.at, event.id))
    echoes = [event for event in ordered if is_told_by_broker(event)]
    if not echoes:
        return tuple(ordered)
    told = [event for event in ordered if not is_told_by_broker(event)]
    for echo in echoes:
        place = next((i for i, event in enumerate(told) if _tells_of(event, echo)), None)
        if place is None:
            told.append(echo)
        else:
            told[place] = _with_broker_facts(told[place], echo)
    return tuple(sorted(told, key=lambda event: (event.at, event.id)))


def end_of(event: OrderEvent) -> datetime:
    return event.at + timedelta(seconds=event.duration_seconds)


def build_views(events: Sequence[OrderEvent], flow: Flow) -> dict[str, StatusView]:
    """Each system's own view: the furthest status it has shown, since it first showed it.

    A closed system shows nothing itself; that another one tells of a status only it brings about is its (inferred) view.
    """
    views: dict[str, StatusView] = {}
    for event in events:
        if not event.status:
            continue
        _advance(views, event.system, StatusView(event.status, event.at), flow)
        step = flow.step(event.status)
        if step and step.system != event.system and flow.system(step.system).closed:
            _advance(views, step.system, StatusView(event.status, event.at, inferred=True), flow)
    return views


def furthest(views: Mapping[str, StatusView], flow: Flow) -> StatusView | None:
    """The furthest status over all systems, since the first of them showed it."""
    return max(views.values(), key=lambda view: (flow.rank(view.status), -view.at.timestamp()), default=None)


def begun(events: Sequence[OrderEvent], flow: Flow) -> StatusView | None:
    """An order of which no status is known has begun, since it is known at all: it stands at the flow's first step."""
    return StatusView(flow.steps[0].status, events[0].at, inferred=True) if flow.steps else None


def reached_at(events: Sequence[OrderEvent], flow: Flow) -> dict[str, datetime]:
    """When each known status was first shown by any system."""
    times: dict[str, datetime] = {}
    for event in events:
        if flow.rank(event.status):
            times.setdefault(event.status, event.at)
    return times


def build_messages(events: Sequence[OrderEvent], lives: Sequence[MessageLife] = ()) -> tuple[Message, ...]:
    """Messages in order of sending: as the watch of the brokers saw them, and as spans show those that it did not see.

    A receiving span belongs to the sending one that carries its message id, else to its parent. A span that names no message is
    taken for its system's account of one that the watch saw, if that had its routing key, its queue or its trace.
    """
    seen = {life.message_id or life.key for life in lives} | {life.span_id for life in lives if life.span_id}
    events = [event for event in events if not {event.message_id, event.span_id, event.parent_span_id} & seen]
    events = [event for event in events if not any(_is_account(event, life) for life in lives)]
    sent = [event for event in events if event.span_kind == "Producer"]
    received = [event for event in events if event.span_kind == "Consumer"]
    by_id = {event.message_id: event for event in sent if event.message_id}
    by_span = {event.span_id: event for event in sent if event.span_id}
    deliveries: dict[str, list[OrderEvent]] = defaultdict(list)
    alone: list[OrderEvent] = []
    for event in received:
        sender = (event.message_id and by_id.get(event.message_id)) or by_span.get(event.parent_span_id)
        if sender:
            deliveries[sender.id].append(event)
        else:
            alone.append(event)
    pairs: list[tuple[OrderEvent | None, OrderEvent | None]] = [
        (event, delivery) for event in sent for delivery in (*deliveries[event.id],) or (None,)
    ]
    pairs += [(None, event) for event in alone]
    messages = [*(_from_life(life) for life in lives), *(_message(send, receive) for send, receive in pairs)]
    return tuple(sorted(messages, key=lambda message: (_known_time(message), message.message_id, message.consumer)))


def _is_account(event: OrderEvent, life: MessageLife) -> bool:
    if is_told_by_broker(event):
        return True
    if event.message_id or event.system != (life.publisher if event.span_kind == "Producer" else life.consumer):
        return False
    same_trace = bool(life.trace_id) and life.trace_id == event.trace_id
    same_queue = bool(life.queue) and life.queue == event.queue
    return same_trace or same_queue or life.routing_key in event.destination.split(":")


def is_failure(event: OrderEvent) -> bool:
    return event.kind is EventKind.ERROR


def is_told_by_broker(event: OrderEvent) -> bool:
    """Whether the watch of a broker tells it; what a service's own span tells has its id, however it was joined."""
    return event.joined_by is JoinedBy.MESSAGE and not event.span_id


def is_record(event: OrderEvent) -> bool:
    """Whether a log record tells it: these have no length and no place in their trace."""
    return event.span_kind == "Internal" and not event.duration_seconds and not event.parent_span_id and not event.queue


def _with_logged_errors(events: list[OrderEvent]) -> list[OrderEvent]:
    """A logged exception is an error where no span of its trace arrived from that system; else these say how it ended."""
    spans = {(event.trace_id, event.system) for event in events if event.trace_id and not is_record(event)}
    return [
        replace(event, kind=EventKind.ERROR, confidence=event.confidence * _LOGGED_ERROR)
        if event.kind is EventKind.LOG
        and event.error
        and event.error.type
        and (event.trace_id, event.system) not in spans
        else event
        for event in events
    ]


def _tells_of(event: OrderEvent, echo: OrderEvent) -> bool:
    """Whether a span is a service's own account of what the broker showed: same end of the same message."""
    if is_told_by_broker(event) or (event.system, event.span_kind) != (echo.system, echo.span_kind):
        return False
    if event.message_id and echo.message_id:
        return event.message_id == echo.message_id and event.queue in ("", echo.queue)
    return bool(echo.trace_id) and event.trace_id == echo.trace_id and abs(event.at - echo.at) < _ECHO_WITHIN


def _with_broker_facts(event: OrderEvent, echo: OrderEvent) -> OrderEvent:
    says = echo.status if not event.status and not is_failure(event) else ""
    return replace(
        event,
        kind=EventKind.STATUS if says else event.kind,
        status=says or event.status,
        message_id=event.message_id or echo.message_id,
        queue=event.queue or echo.queue,
        destination=echo.destination or event.destination,
    )


def _advance(views: dict[str, StatusView], system: str, view: StatusView, flow: Flow) -> None:
    have = views.get(system)
    if have is None or (flow.rank(view.status), -view.at.timestamp()) > (flow.rank(have.status), -have.at.timestamp()):
        views[system] = view


def _message(send: OrderEvent | None, receive: OrderEvent | None) -> Message:
    known = send or receive
    assert known is not None
    failed = receive is not None and is_failure(receive)
    return Message(
        message_id=(send and send.message_id) or (receive and receive.message_id) or "",
        exchange=send.name.split(" ")[0] if send else "",
        routing_key=known.destination,
        queue=receive.queue if receive else "",
        published_at=send.at if send else None,
        delivered_at=receive.at if receive else None,
        settled_at=end_of(receive) if receive and not failed else None,
        state="published" if receive is None else "delivered" if failed else "settled",
        publisher=send.system if send else "",
        consumer=receive.system if receive else "",
    )


def _from_life(life: MessageLife) -> Message:
    return Message(
        message_id=life.message_id or life.key,
        exchange=life.exchange,
        routing_key=life.routing_key,
        queue=life.queue,
        published_at=life.published_at,
        delivered_at=life.delivered_at,
        settled_at=life.settled_at,
        state=life.state.value,
        verdict=life.verdict.value if life.verdict and life.cleared_at is None else "",
        publisher=life.publisher,
        consumer=life.consumer,
    )


def _known_time(message: Message) -> datetime:
    return message.published_at or message.delivered_at or _LONG_AGO
