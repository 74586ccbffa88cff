"""What systems that send no telemetry did for an order, inferred from what went in and what came out. Pure.

A closed system's operation is the time from the message or call that reached it to the message that it sent about the
order next; what it sends after that without being asked again are operations that began with what it sent before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from ..model.flow import Flow
from ..model.message import MessageLife
from ..model.order import EventKind, JoinedBy, OrderEvent

CONFIDENCE = 0.8


def infer_operations(events: Sequence[OrderEvent], lives: Sequence[MessageLife], flow: Flow) -> tuple[OrderEvent, ...]:
    """Operations of closed systems, earliest first; none of them says a status, since the messages do."""
    closed = {system.name for system in flow.systems if system.closed}
    found = [each for system in sorted(closed) for each in _from_messages(system, lives)]
    found += _from_calls(events, closed, flow)
    return tuple(sorted(found, key=lambda event: (event.at, event.id)))


def _from_messages(system: str, lives: Sequence[MessageLife]) -> Iterator[OrderEvent]:
    taken = [
        (life.delivered_at, life.status or life.routing_key, life)
        for life in lives
        if life.consumer == system and life.delivered_at
    ]
    begun: tuple[datetime, str, MessageLife] | None = None
    for at, life in _sendings(system, lives):
        came = max((each for each in taken if each[0] <= at), key=lambda each: each[0], default=None)
        begun = came if came and (begun is None or came[0] > begun[0]) else begun
        told = life.status or life.routing_key
        if begun is not None:
            yield _operation(system, begun, at, told, life)
        begun = (at, told, life)


def _sendings(system: str, lives: Sequence[MessageLife]) -> list[tuple[datetime, MessageLife]]:
    """What the system sent, once however many queues took it."""
    once: dict[str, tuple[datetime, MessageLife]] = {}
    for life in lives:
        if life.publisher == system and life.published_at:
            once.setdefault(life.key, (life.published_at, life))
    return sorted(once.values(), key=lambda each: (each[0], each[1].key))


def _operation(
    system: str, begun: tuple[datetime, str, MessageLife], ended: datetime, told: str, life: MessageLife
) -> OrderEvent:
    began, heard, source = begun
    return OrderEvent(
        id=f"inferred:{system}:{life.key}",
        order_id=life.order_id,
        at=began,
        system=system,
        kind=EventKind.OPERATION,
        name=f"{heard} → {told}",
        duration_seconds=max(0.0, (ended - began).total_seconds()),
        message_id=source.message_id or source.key,
        queue=source.queue if source.consumer == system else "",
        joined_by=JoinedBy.INFERRED,
        confidence=CONFIDENCE,
    )


def _from_calls(events: Sequence[OrderEvent], closed: set[str], flow: Flow) -> Iterator[OrderEvent]:
    """Calls that others made to a closed system: it worked at most as long as they took."""
    for event in events:
        peer = flow.system_of_service.get(event.peer, event.peer)
        if peer in closed and peer != event.system and event.span_kind == "Client":
            yield OrderEvent(
                id=f"inferred:{peer}:{event.id}",
                order_id=event.order_id,
                at=event.at,
                system=peer,
                kind=EventKind.OPERATION,
                name=event.name,
                duration_seconds=event.duration_seconds,
                response_code=event.response_code,
                trace_id=event.trace_id,
                joined_by=JoinedBy.INFERRED,
                confidence=CONFIDENCE,
            )
