"""Orders with their facts and messages → an object-centric event log (OCEL 2.0). Pure.

Ids begin with the type of what they name, since a log has one space of ids. A fact told of several orders is an event of
each. Messages of errors are left out: a log is made to be passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ..model.flow import Flow
from ..model.ocel import (
    AttributeType,
    Event,
    EventAttribute,
    EventLog,
    Object,
    ObjectAttribute,
    Relationship,
    Type,
    Value,
)
from ..model.order import EventKind, Order, OrderEvent
from ..store.exports import MessageStep
from .variants import build_path

STEP_KINDS = ("published", "delivered", "redelivered", "dead_lettered", "settled", "unseen")
_UNKNOWN = "status unknown to the flow"
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_FACT = (
    ("name", "string"), ("system", "string"), ("duration_seconds", "float"), ("response_code", "string"),
    ("error_type", "string"), ("joined_by", "string"), ("confidence", "float"),
)  # fmt: skip
_STEP = (("system", "string"), ("exchange", "string"), ("routing_key", "string"), ("reason", "string"))
_OBJECTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "order": (("state", "string"), ("status", "string"), ("diagnosis", "string"), ("owner", "string")),
    "message": (("message_id", "string"), ("exchange", "string"), ("routing_key", "string")),
    "trace": (),
    "system": (("title", "string"),),
    "queue": (("broker", "string"),),
}


def build_event_log(
    orders: Sequence[Order], facts: Mapping[str, Sequence[OrderEvent]], steps: Sequence[MessageStep], flow: Flow
) -> EventLog:
    """The log of these orders; `facts` by order id, each fact once (see `build_events`)."""
    events: list[Event] = []
    objects: dict[str, Object] = {}
    queues = {step.queue: _queue_id(step) for step in steps if step.queue}
    messages = {step.message_id: _message_id(step) for step in steps if step.message_id}
    for order in orders:
        told = facts.get(order.id, ())
        reached = {step.event_id for step in build_path(told, flow)}
        events += [_fact_event(fact, fact.id in reached, flow, queues, messages) for fact in told]
        _add(objects, _order(order, told, [step for step in steps if step.order_id == order.id]))
        _add(objects, *(Object(f"trace:{fact.trace_id}", "trace") for fact in told if fact.trace_id))
        _add(objects, *(_system(fact.system, flow) for fact in told))
    events += [_step_event(step) for step in steps]
    _add(objects, *_messages(steps), *(_queue(step) for step in steps if step.queue))
    _add(objects, *(_system(step.system, flow) for step in steps if step.system))
    types = tuple(Type(name, _attributes(attributes)) for name, attributes in _OBJECTS.items())
    return EventLog(types, event_types(flow), tuple(objects.values()), tuple(events))


def event_types(flow: Flow) -> tuple[Type, ...]:
    """All types of events that a log of this flow may hold: the activities."""
    statuses = list(flow.ranks)
    names = [*statuses, *(f"{status} seen" for status in statuses), _UNKNOWN]
    names += [kind.value for kind in EventKind if kind is not EventKind.STATUS]
    facts = [Type(name, _attributes(_FACT)) for name in names]
    return (*facts, *(Type(f"message {kind}", _attributes(_STEP)) for kind in STEP_KINDS))


def _fact_event(
    fact: OrderEvent, reached: bool, flow: Flow, queues: Mapping[str, str], messages: Mapping[str, str]
) -> Event:
    told: Mapping[str, Value] = {
        "name": fact.status or fact.name if fact.kind is not EventKind.LOG else "",
        "system": fact.system,
        "duration_seconds": fact.duration_seconds,
        "response_code": fact.response_code,
        "error_type": fact.error.type if fact.error else "",
        "joined_by": fact.joined_by.value,
        "confidence": fact.confidence,
    }
    related = [Relationship(f"order:{fact.order_id}", "reaches" if reached else "concerns")]
    related.append(Relationship(f"system:{fact.system}", "by"))
    if fact.trace_id:
        related.append(Relationship(f"trace:{fact.trace_id}", "in"))
    if fact.message_id in messages:
        related.append(Relationship(messages[fact.message_id], "sends" if fact.span_kind == "Producer" else "receives"))
    if fact.queue in queues:
        related.append(Relationship(queues[fact.queue], "from"))
    name = f"fact:{fact.order_id}:{fact.id}"
    return Event(name, _activity(fact, reached, flow), fact.at, _values(told), tuple(related))


def _activity(fact: OrderEvent, reached: bool, flow: Flow) -> str:
    """A status by its name where the order reaches it, as seen where others tell of it, else the kind of the fact."""
    if not fact.status:
        return fact.kind.value
    if not flow.rank(fact.status):
        return _UNKNOWN
    return fact.status if reached else f"{fact.status} seen"


def _step_event(step: MessageStep) -> Event:
    told: Mapping[str, Value] = {
        "system": step.system,
        "exchange": step.exchange,
        "routing_key": step.routing_key,
        "reason": step.reason,
    }
    related = [Relationship(_message_id(step), step.kind)]
    if step.order_id:
        related.append(Relationship(f"order:{step.order_id}", "concerns"))
    if step.queue:
        related.append(Relationship(_queue_id(step), "into" if step.kind == "published" else "from"))
    if step.system:
        related.append(Relationship(f"system:{step.system}", "by"))
    name = f"step:{step.broker}:{step.key}:{step.queue}:{step.kind}:{int(step.at.timestamp() * 1e6)}"
    return Event(name, f"message {step.kind}", step.at, _values(told), tuple(related))


def _order(order: Order, facts: Sequence[OrderEvent], steps: Sequence[MessageStep]) -> Object:
    values = [
        ObjectAttribute("owner", _ALWAYS, order.owner),
        ObjectAttribute("state", order.last_seen_at, order.state.value),
        ObjectAttribute("diagnosis", order.last_seen_at, order.diagnosis.kind.value if order.diagnosis else ""),
    ]
    values += [ObjectAttribute("status", fact.at, fact.status) for fact in facts if fact.status]
    traces = dict.fromkeys(f"trace:{fact.trace_id}" for fact in facts if fact.trace_id)
    related = [Relationship(name, "served by") for name in traces]
    related += [Relationship(name, "told by") for name in dict.fromkeys(_message_id(step) for step in steps)]
    return Object(f"order:{order.id}", "order", tuple(value for value in values if value.value), tuple(related))


def _messages(steps: Iterable[MessageStep]) -> Iterable[Object]:
    """Each message with the queues that it was in."""
    lives: dict[str, list[MessageStep]] = {}
    for step in steps:
        lives.setdefault(_message_id(step), []).append(step)
    for name, life in lives.items():
        first = life[0]
        told = {"message_id": first.message_id, "exchange": first.exchange, "routing_key": first.routing_key}
        queues = dict.fromkeys(_queue_id(step) for step in life if step.queue)
        yield Object(
            name,
            "message",
            tuple(ObjectAttribute(key, _ALWAYS, value) for key, value in told.items() if value),
            tuple(Relationship(queue, "in") for queue in queues),
        )


def _system(name: str, flow: Flow) -> Object:
    return Object(f"system:{name}", "system", (ObjectAttribute("title", _ALWAYS, flow.system(name).title or name),))


def _queue(step: MessageStep) -> Object:
    return Object(_queue_id(step), "queue", (ObjectAttribute("broker", _ALWAYS, step.broker),))


def _queue_id(step: MessageStep) -> str:
    return f"queue:{step.broker}/{step.queue}"


def _message_id(step: MessageStep) -> str:
    return f"message:{step.broker}/{step.key}"


def _values(told: Mapping[str, Value]) -> tuple[EventAttribute, ...]:
    return tuple(EventAttribute(name, value) for name, value in told.items() if value != "")


def _attributes(named: Iterable[tuple[str, str]]) -> tuple[AttributeType, ...]:
    return tuple(AttributeType(name, kind) for name, kind in named)


def _add(objects: dict[str, Object], *more: Object) -> None:
    for one in more:
        objects.setdefault(one.id, one)
