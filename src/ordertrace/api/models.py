"""The JSON of `/api/v1`: response models, and pure conversions from the model's objects. No store, no clock.

Times are RFC 3339 in UTC, durations seconds; what is not known is null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from ..model import order as order_model
from .system_models import Advice

Sentence = Callable[[order_model.Diagnosis | order_model.Deviation, order_model.Order], str]

State = Literal["open", "stuck", "failed", "closed", "cancelled"]


class NextStep(BaseModel):
    """What is expected next."""

    status: str
    system: str
    due_at: datetime | None


class Diagnosis(BaseModel):
    """Why an order does not move; `text` is the same in a sentence, in the reader's language."""

    kind: str
    text: str
    since: datetime
    system: str
    confidence: float
    evidence: list[str] = Field(description="Ids of events, in the order in which they speak")


class StatusView(BaseModel):
    """The furthest status that a system has shown."""

    status: str
    at: datetime
    inferred: bool = Field(description="The system said nothing itself; another one told of it")


class Deviation(BaseModel):
    """A status skipped, repeated, gone back to, or reached though the flow knows no way to it."""

    kind: Literal["skipped", "repeated", "back", "illegal"]
    status: str
    previous: str = Field(description="Where the order was before")
    at: datetime
    system: str
    text: str
    confidence: float
    evidence: list[str] = Field(description="Ids of events")


class Order(BaseModel):
    """An order as it stands now."""

    id: str
    state: State
    status: str
    status_since: datetime
    system: str = Field(description="Where the order is: the system expected to act next, or that ended it")
    owner: str
    started_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None
    age_seconds: float
    deadline_at: datetime | None
    deadline_seconds: float | None
    next: NextStep | None
    diagnosis: Diagnosis | None
    statuses: dict[str, StatusView] = Field(description="Each system's own view")
    deviations: list[Deviation] = Field(description="Where it left the flow, earliest first")


class ErrorDetail(BaseModel):
    """An exception or failed answer."""

    type: str
    message: str
    stack: str


class Event(BaseModel):
    """One fact about an order, and how it was found to belong to it.

    `joined_by` "inferred" marks an operation of a system that sends no telemetry: it follows from what went in and out.
    """

    id: str
    at: datetime
    system: str
    kind: str
    status: str | None
    name: str
    duration_seconds: float
    response_code: str | None
    trace_id: str | None
    span_id: str | None
    message_id: str | None
    queue: str | None
    error: ErrorDetail | None
    joined_by: str
    confidence: float


class Message(BaseModel):
    """A message about an order, as far as its life is known."""

    message_id: str | None
    exchange: str | None
    routing_key: str | None
    queue: str | None
    published_at: datetime | None
    delivered_at: datetime | None
    settled_at: datetime | None
    state: str
    verdict: str | None


class Trace(BaseModel):
    """A trace that served an order."""

    trace_id: str
    started_at: datetime
    duration_seconds: float
    systems: list[str]
    spans: int
    errors: int


class OrderTimeline(Order):
    """An order with everything that is known about it."""

    events: list[Event]
    messages: list[Message]
    traces: list[Trace]
    surer: Advice | None = Field(description="What to change so that such a diagnosis would be surer")


class OrderList(BaseModel):
    """One page of orders; `next` is the cursor of the page after it, `counts` are over all pages, by state."""

    orders: list[Order]
    next: str | None
    counts: dict[str, int]


def to_order(order: order_model.Order, sentence: Sentence) -> Order:
    """An order as the list shows it; `sentence` words its diagnosis."""
    return Order(
        id=order.id,
        state=order.state.value,
        status=order.status,
        status_since=_utc(order.status_since),
        system=order.system,
        owner=order.owner,
        started_at=_utc(order.started_at),
        last_seen_at=_utc(order.last_seen_at),
        closed_at=_utc_or_none(order.closed_at),
        age_seconds=order.age_seconds,
        deadline_at=_utc_or_none(order.deadline_at),
        deadline_seconds=order.deadline_seconds,
        next=order.next
        and NextStep(status=order.next.status, system=order.next.system, due_at=_utc_or_none(order.next.due_at)),
        diagnosis=order.diagnosis and to_diagnosis(order.diagnosis, sentence(order.diagnosis, order)),
        statuses={
            name: StatusView(status=view.status, at=_utc(view.at), inferred=view.inferred)
            for name, view in order.statuses.items()
        },
        deviations=[_to_deviation(one, sentence(one, order)) for one in order.deviations],
    )


def _to_deviation(deviation: order_model.Deviation, text: str) -> Deviation:
    return Deviation(
        kind=deviation.kind.value,
        status=deviation.status,
        previous=deviation.previous,
        at=_utc(deviation.at),
        system=deviation.system,
        text=text,
        confidence=deviation.confidence,
        evidence=list(deviation.evidence),
    )


def to_diagnosis(diagnosis: order_model.Diagnosis, text: str) -> Diagnosis:
    """A diagnosis with its sentence."""
    return Diagnosis(
        kind=diagnosis.kind.value,
        text=text,
        since=_utc(diagnosis.since),
        system=diagnosis.system,
        confidence=diagnosis.confidence,
        evidence=list(diagnosis.evidence),
    )


def to_timeline(
    timeline: order_model.OrderTimeline,
    sentence: Sentence,
    inferred: Sequence[order_model.OrderEvent] = (),
    surer: Advice | None = None,
) -> OrderTimeline:
    """Everything about one order; `inferred` are operations of systems that send nothing, shown among the events."""
    events = sorted([*timeline.events, *inferred], key=lambda event: (event.at, event.id))
    return OrderTimeline(
        **dict(to_order(timeline.order, sentence)),
        events=[to_event(event) for event in events],
        messages=[to_message(message) for message in timeline.messages],
        traces=[to_trace(trace) for trace in timeline.traces],
        surer=surer,
    )


def to_event(event: order_model.OrderEvent) -> Event:
    """One fact of a timeline."""
    error = event.error
    return Event(
        id=event.id,
        at=_utc(event.at),
        system=event.system,
        kind=event.kind.value,
        status=event.status or None,
        name=event.name,
        duration_seconds=event.duration_seconds,
        response_code=event.response_code or None,
        trace_id=event.trace_id or None,
        span_id=event.span_id or None,
        message_id=event.message_id or None,
        queue=event.queue or None,
        error=error and ErrorDetail(type=error.type, message=error.message, stack=error.stack),
        joined_by=event.joined_by.value,
        confidence=event.confidence,
    )


def to_message(message: order_model.Message) -> Message:
    """One message of a timeline."""
    return Message(
        message_id=message.message_id or None,
        exchange=message.exchange or None,
        routing_key=message.routing_key or None,
        queue=message.queue or None,
        published_at=_utc_or_none(message.published_at),
        delivered_at=_utc_or_none(message.delivered_at),
        settled_at=_utc_or_none(message.settled_at),
        state=message.state,
        verdict=message.verdict or None,
    )


def to_trace(trace: order_model.TraceSummary) -> Trace:
    """One trace of a timeline."""
    return Trace(
        trace_id=trace.trace_id,
        started_at=_utc(trace.started_at),
        duration_seconds=trace.duration_seconds,
        systems=list(trace.systems),
        spans=trace.spans,
        errors=trace.errors,
    )


def to_list(page: order_model.OrderPage, sentence: Sentence) -> OrderList:
    """One page of orders."""
    orders = [to_order(order, sentence) for order in page.orders]
    return OrderList(orders=orders, next=page.next_cursor, counts=dict(page.counts))


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _utc_or_none(at: datetime | None) -> datetime | None:
    return at and at.astimezone(UTC)
