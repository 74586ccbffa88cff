"""The JSON of messages and incidents, and pure conversions from the model's objects. No store, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from ..model import incident as incident_model
from ..model import message as message_model
from ..model.flow import Flow
from ..texts import fact_words, incident_sentence, message_sentence
from .models import Message

State = Literal["published", "queued", "delivered", "settled", "lost", "unseen"]
Verdict = Literal[
    "unroutable", "expired", "maxlen", "overflow_rejected", "rejected", "delivery_limit", "dead_lettered",
    "queue_deleted", "removed", "broker_restart", "stuck_in_queue", "unacked", "redelivery_loop", "no_effect",
    "never_published",
]  # fmt: skip


class Fact(BaseModel):
    """One piece of evidence: its kind and named values, and the same in a sentence."""

    kind: str
    values: dict[str, str]
    text: str


class WatchedMessage(Message):
    """A message in one queue, as the watch of a broker saw it; `text` says what became of it."""

    key: str = Field(description="Names the message where it has no id of its own; `/messages/{id}` takes either")
    broker: str
    order_id: str | None
    status: str | None = Field(description="The order status that the message carries")
    publisher: str | None
    consumer: str | None
    redeliveries: int
    since: datetime | None = Field(description="When that happened which the verdict is about")
    detected_at: datetime | None
    cleared_at: datetime | None = Field(description="The verdict holds no longer since then")
    confidence: float | None
    evidence: list[Fact]
    trace_id: str | None
    text: str


class MessageList(BaseModel):
    """One page of messages, newest first; `next` is the cursor of the page after it."""

    messages: list[WatchedMessage]
    next: str | None


class FailedGroup(BaseModel):
    """Messages with the same verdict, queue, routing key and exception of their reader, in force."""

    broker: str
    queue: str | None
    verdict: Verdict
    routing_key: str | None
    error_type: str | None = Field(description="The exception that the reader threw at them, where one was seen")
    messages: int
    orders: int
    first_at: datetime
    last_at: datetime
    order_ids: list[str] = Field(description="Some of the orders affected")


class FailedGroups(BaseModel):
    """Failed messages in groups, the newest first."""

    groups: list[FailedGroup]


class Step(BaseModel):
    """One step of a message's life that was seen."""

    at: datetime
    kind: str
    queue: str | None
    system: str | None
    reason: str | None


class Republication(BaseModel):
    """A message that somebody had sent again, to the queue that lost it or as it was sent at first, and what came of it."""

    attempt: str
    queue: str | None = Field(description="The queue that had lost it; null where it had come to none")
    verdict: str
    exchange: str
    routing_key: str
    by: str
    began_at: datetime
    ended_at: datetime | None
    result: Literal["claimed", "seen", "published", "returned", "refused", "not_published", "unknown"] = Field(
        description="claimed, seen: the end is not known yet; unknown: it cannot be known, so it is not sent again"
    )
    reason: str | None


class MessageDetail(WatchedMessage):
    """A message with its life in every queue that took it; the fields of its own are those of the most troubled one."""

    queues: list[WatchedMessage]
    steps: list[Step]
    republications: list[Republication] = Field(description="Each time that somebody had it sent again, earliest first")


class IncidentEntry(BaseModel):
    """One line of an incident's history; `by` is null for what happened by itself."""

    at: datetime
    kind: str
    by: str | None
    text: str


class Incident(BaseModel):
    """What is broken, since when, who is on it. `orders` suffered from it in all, `affected` still do."""

    id: str
    state: Literal["open", "acknowledged", "resolved"]
    kind: str
    system: str | None
    facts: dict[str, str]
    text: str
    began_at: datetime
    detected_at: datetime
    last_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None = Field(description="null while it goes on, and where it ended by itself")
    orders: int
    affected: int
    messages: int
    times: int = Field(description="How often the cause has come up")
    order_ids: list[str] = Field(description="Orders affected now, the first ones")
    entries: list[IncidentEntry]


class IncidentList(BaseModel):
    """Incidents that are not resolved, and those resolved lately."""

    incidents: list[Incident]


class Wording:
    """Says messages and incidents in one reader's language, as of one moment."""

    def __init__(self, flow: Flow, language: str, now: datetime) -> None:
        self.flow, self.language, self.now = flow, language, now

    def to_message(self, life: message_model.MessageLife) -> WatchedMessage:
        """A message in one queue."""
        judged = life.verdict is not None
        return WatchedMessage(
            message_id=life.message_id or None,
            exchange=life.exchange or None,
            routing_key=life.routing_key or None,
            queue=life.queue or None,
            published_at=_utc(life.published_at),
            delivered_at=_utc(life.delivered_at),
            settled_at=_utc(life.settled_at),
            state=life.state.value,
            verdict=life.verdict.value if life.verdict else None,
            key=life.key,
            broker=life.broker,
            order_id=life.order_id or None,
            status=life.status or None,
            publisher=life.publisher or None,
            consumer=life.consumer or None,
            redeliveries=life.redeliveries,
            since=_utc(life.since),
            detected_at=_utc(life.detected_at),
            cleared_at=_utc(life.cleared_at),
            confidence=life.confidence if judged else None,
            evidence=[
                Fact(kind=fact.kind, values=dict(fact.values), text=fact_words(fact, self.language))
                for fact in life.evidence
            ],
            trace_id=life.trace_id or None,
            text=message_sentence(life, self.flow, self.language, self.now),
        )

    def to_detail(
        self,
        lives: Sequence[message_model.MessageLife],
        steps: Sequence[message_model.MessageEvent],
        republications: Sequence[message_model.Republication] = (),
    ) -> MessageDetail:
        """One message in all its queues; `lives` is not empty."""
        ordered = sorted(lives, key=lambda life: (life.verdict is None or life.cleared_at is not None, life.queue))
        messages = [self.to_message(life) for life in ordered]
        return MessageDetail(
            **dict(messages[0]),
            queues=messages,
            steps=[
                Step(
                    at=step.at.astimezone(UTC),
                    kind=step.kind,
                    queue=step.queue or None,
                    system=step.system or None,
                    reason=step.reason or None,
                )
                for step in steps
            ],
            republications=[self.to_republication(each) for each in republications],
        )

    def to_republication(self, attempt: message_model.Republication) -> Republication:
        """One attempt to send a message again."""
        is_open = attempt.result in ("claimed", "seen")
        return Republication(
            attempt=attempt.attempt,
            queue=attempt.queue or None,
            verdict=attempt.verdict,
            exchange=attempt.exchange,
            routing_key=attempt.routing_key,
            by=attempt.by,
            began_at=attempt.began_at.astimezone(UTC),
            ended_at=None if is_open else attempt.ended_at.astimezone(UTC),
            result=attempt.result,
            reason=attempt.reason or None,
        )

    def to_group(self, group: message_model.FailedGroup) -> FailedGroup:
        """A group of failed messages."""
        return FailedGroup(
            broker=group.broker,
            queue=group.queue or None,
            verdict=group.verdict.value,
            routing_key=group.routing_key or None,
            error_type=group.error_type or None,
            messages=group.messages,
            orders=group.orders,
            first_at=group.first_since.astimezone(UTC),
            last_at=group.last_since.astimezone(UTC),
            order_ids=list(group.order_ids),
        )

    def to_incident(self, view: incident_model.IncidentView) -> Incident:
        """An incident with its history."""
        incident = view.incident
        return Incident(
            id=incident.id,
            state=incident.state.value,
            kind=incident.cause.kind,
            system=incident.cause.system or None,
            facts=dict(incident.cause.facts),
            text=incident_sentence(incident, self.flow, self.language),
            began_at=incident.began_at.astimezone(UTC),
            detected_at=incident.detected_at.astimezone(UTC),
            last_at=incident.last_at.astimezone(UTC),
            acknowledged_at=_utc(incident.acknowledged_at),
            acknowledged_by=incident.acknowledged_by or None,
            resolved_at=_utc(incident.resolved_at),
            resolved_by=incident.resolved_by or None,
            orders=incident.orders,
            affected=incident.affected,
            messages=incident.messages,
            times=incident.times,
            order_ids=list(view.order_ids),
            entries=[
                IncidentEntry(at=e.at.astimezone(UTC), kind=e.kind.value, by=e.by or None, text=e.text)
                for e in view.entries
            ],
        )


def _utc(at: datetime | None) -> datetime | None:
    return at and at.astimezone(UTC)
