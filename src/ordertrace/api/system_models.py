"""The JSON of `/api/v1` about systems: the flow, how well each is seen, and the intake. Pure conversions; no store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field

from ..model import coverage as coverage_model
from ..model import flow as flow_model

WordAdvice = Callable[[coverage_model.Advice, str], tuple[str, str]]  # sentence, and where its lines go


class Step(BaseModel):
    """A status of the flow, who brings it about, what may follow and until when."""

    status: str
    system: str
    next: list[str]
    deadline_seconds: float | None


class System(BaseModel):
    """A participant of the flow; a closed one sends no telemetry of its own."""

    name: str
    title: str
    services: list[str]
    closed: bool
    owner: str


class Flow(BaseModel):
    """The expected life of an order."""

    steps: list[Step]
    systems: list[System]
    deadline_seconds: float
    closed: list[str]
    cancelled: list[str]


class Coverage(BaseModel):
    """How much of a system's recent telemetry can be used. All but `received` is counted over a sample of whole traces."""

    window_seconds: float = Field(description="How far back this looks")
    received: int = Field(description="Spans received in that time")
    spans: int = Field(description="Spans looked at; the numbers below are of these")
    with_order: int = Field(description="Joined to a known order, in whatever way")
    naming_order: int = Field(description="Joined because they name the order themselves")
    messages: int = Field(description="Spans that send or receive a message")
    with_message_id: int
    with_status: int
    errors: int
    errors_without_stack: int
    logs: int
    watched_messages: int = Field(description="Messages that the watch of the brokers saw it publish")
    watched_with_order: int
    watched_with_message_id: int
    watched_with_status: int


class Advice(BaseModel):
    """The one change that would help most: `change` are its exact lines, which go where `place` says."""

    kind: str
    text: str
    share: float = Field(description="Of the telemetry that gains by it")
    place: str
    change: list[str]


class SystemSight(BaseModel):
    """How well a system is seen."""

    name: str
    title: str
    closed: bool
    owner: str
    last_seen_at: datetime | None
    lag_seconds: float | None = Field(description="How late its telemetry usually is")
    skew_seconds: float | None = Field(description="How far its clock is ahead of ours; null: not known")
    coverage: Coverage
    advice: Advice | None


class SystemList(BaseModel):
    """All systems, seen or expected."""

    systems: list[SystemSight]


class Receivers(BaseModel):
    """Where telemetry is taken, as host:port."""

    otlp_grpc: str
    otlp_http: str
    zipkin: str


class Forwarding(BaseModel):
    """What was passed on to another backend since the start, and what is in the way: nothing where `failing_since` is null."""

    target: str
    queued_groups: int
    queued_since: datetime | None
    sent: int = Field(description="Spans and log records that were taken over there")
    rejected: int = Field(description="Those that were not, though their request was")
    dropped_groups: dict[str, int] = Field(description="By reason: refused, queue, age, disk")
    last_sent_at: datetime | None
    failing_since: datetime | None
    last_error: str
    last_error_at: datetime | None


class Intake(BaseModel):
    """What came in since the start, and what of it waits to be stored. Everything sent is stored and judged when
    `queued_bytes` has been 0 for `settle_seconds`, `sweeps` has grown by two in that time, and `joined_until` has passed the `at`
    of its beginning.
    """

    receivers: Receivers
    spans_received: int
    spans_stored: int
    spans_refused: int
    log_records_received: int
    log_records_stored: int
    queued_bytes: int
    sweeps: int
    at: datetime
    joined_until: datetime = Field(description="What was stored until then is joined, by sequence and presence too")
    settle_seconds: float
    forwarding: Forwarding | None = Field(description="Null where nothing is passed on")


def to_flow(flow: flow_model.Flow) -> Flow:
    """The flow in force."""
    return Flow(
        steps=[
            Step(status=step.status, system=step.system, next=list(step.next), deadline_seconds=_seconds(step.deadline))
            for step in flow.steps
        ],
        systems=[
            System(name=s.name, title=s.title, services=list(s.services), closed=s.closed, owner=s.owner)
            for s in flow.systems
        ],
        deadline_seconds=flow.deadline.total_seconds(),
        closed=sorted(flow.closed),
        cancelled=sorted(flow.cancelled),
    )


def to_systems(systems: Iterable[coverage_model.SystemCoverage], word: WordAdvice) -> SystemList:
    """All systems and how well they are seen; `word` gives the sentence of an advice and where its lines go."""
    return SystemList(systems=[_to_sight(system, word) for system in systems])


def _to_sight(system: coverage_model.SystemCoverage, word: WordAdvice) -> SystemSight:
    sight, seen = system.sight, system.coverage
    return SystemSight(
        name=sight.name,
        title=sight.title,
        closed=sight.closed,
        owner=sight.owner,
        last_seen_at=_utc_or_none(sight.last_seen_at),
        lag_seconds=sight.lag_seconds,
        skew_seconds=system.skew_seconds,
        coverage=Coverage(
            window_seconds=seen.window_seconds,
            received=seen.received,
            spans=seen.spans,
            with_order=seen.joined,
            naming_order=seen.naming,
            messages=seen.messages,
            with_message_id=seen.with_message_id,
            with_status=seen.with_status,
            errors=seen.errors,
            errors_without_stack=seen.errors_without_stack,
            logs=seen.logs,
            watched_messages=seen.watched,
            watched_with_order=seen.watched_with_order,
            watched_with_message_id=seen.watched_with_id,
            watched_with_status=seen.watched_with_status,
        ),
        advice=to_advice(system, word),
    )


def to_advice(system: coverage_model.SystemCoverage, word: WordAdvice) -> Advice | None:
    """The advice for a system, worded."""
    if system.advice is None:
        return None
    text, place = word(system.advice, system.sight.name)
    return Advice(
        kind=system.advice.kind.value,
        text=text,
        share=round(system.advice.share, 4),
        place=place,
        change=list(system.advice.change),
    )


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _utc_or_none(at: datetime | None) -> datetime | None:
    return at and at.astimezone(UTC)
