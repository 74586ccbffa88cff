"""An order and the evidence about it. All times are timezone-aware UTC, to the microsecond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .message import MessageLife, WatchGap


class OrderState(StrEnum):
    """What a support agent needs to know first."""

    OPEN = "open"
    STUCK = "stuck"  # past its deadline, or held up by something that does not resolve by itself
    FAILED = "failed"  # an error that nothing has made good
    CLOSED = "closed"
    CANCELLED = "cancelled"


class DiagnosisKind(StrEnum):
    """Why an order does not move; the words of `/api/v1`."""

    PROCESSING_ERROR = "processing_error"
    MESSAGE_LOST = "message_lost"
    MESSAGE_STUCK = "message_stuck"
    NEVER_PUBLISHED = "never_published"
    NO_EFFECT = "no_effect"
    STATUS_MISMATCH = "status_mismatch"
    TRANSFER_ERROR = "transfer_error"
    TOO_SLOW = "too_slow"
    SOURCE_SILENT = "source_silent"


class DeviationKind(StrEnum):
    """How the course of an order differs from the flow."""

    SKIPPED = "skipped"  # a status was left out
    REPEATED = "repeated"  # a status was brought about twice
    BACK = "back"  # a status came after a further one
    ILLEGAL = "illegal"  # the flow knows no way to the status


class EventKind(StrEnum):
    """What a fact about an order is, in the terms of OpenTelemetry's span kinds."""

    STATUS = "status"  # a system took the order to a status
    OPERATION = "operation"  # a system worked on the order (server or internal span)
    CALL = "call"  # a system called another one (client span)
    SEND = "send"  # a message was published
    RECEIVE = "receive"  # a message was received or processed
    ERROR = "error"  # any of these, failed
    LOG = "log"


class JoinedBy(StrEnum):
    """How a fact was found to belong to its order, surest first."""

    ATTRIBUTE = "attribute"
    PATTERN = "pattern"
    TRACE = "trace"
    LOG = "log"  # a log record names the order in its text
    INFERRED = "inferred"  # nobody saw it; it follows from what went in and out of a system
    MESSAGE = "message"  # the watch of the broker saw a message that names the order
    CORRELATION = "correlation"  # a message or span refers to a message or conversation that is known to be the order's
    LINK = "link"  # a span of the order's links to the trace, or is linked from it
    KEY = "key"  # it holds a key that is known to be the order's
    SEQUENCE = "sequence"  # deliveries on a channel and spans of a thread come in the same order
    TIME = "time"  # nothing but time and a key fit


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """An exception or failed answer, after privacy rules."""

    type: str
    message: str
    stack: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One fact about an order; one span gives at most one.

    `at` is when it began; `peer` is the system or address at the other end of a call, where known.
    """

    id: str
    order_id: str
    at: datetime
    system: str
    kind: EventKind
    name: str
    span_kind: str = "Internal"  # Server, Client, Producer, Consumer or Internal
    status: str = ""
    duration_seconds: float = 0.0
    response_code: str = ""
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    message_id: str = ""
    destination: str = ""  # exchange or routing key, as the span says it
    queue: str = ""
    peer: str = ""
    error: ErrorDetail | None = None
    joined_by: JoinedBy = JoinedBy.ATTRIBUTE
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class StatusView:
    """The furthest status that one system has shown for an order, and since when.

    `inferred` marks the view of a system that said nothing itself: another one told of a status that only it brings about.
    """

    status: str
    at: datetime
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class NextStep:
    """What is expected next, from whom and until when."""

    status: str
    system: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why an order does not move. The sentence is made from `kind` and `facts` in the reader's language.

    `facts` are the named values of the sentence (message id, key, error type …); `evidence` lists event ids in the
    order in which they speak; `confidence` is 0…1.
    """

    kind: DiagnosisKind
    since: datetime
    system: str
    confidence: float
    evidence: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One way in which an order left its flow: `status` skipped, repeated or come to, `previous` where it was before.

    `evidence` lists ids of the events that show it; `confidence` is 0…1.
    """

    kind: DeviationKind
    status: str
    previous: str
    at: datetime
    system: str
    confidence: float
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands at one moment: what the board shows of it and the order page begins with.

    `system` is where it is now: the system expected to act next, or the one that ended it; `owner` answers for it.
    """

    id: str
    state: OrderState
    status: str
    status_since: datetime
    system: str
    owner: str
    started_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None
    age_seconds: float
    deadline_at: datetime | None
    deadline_seconds: float | None
    next: NextStep | None
    diagnosis: Diagnosis | None
    statuses: Mapping[str, StatusView]
    deviations: tuple[Deviation, ...] = ()  # earliest first


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One trace that served an order."""

    trace_id: str
    started_at: datetime
    duration_seconds: float
    systems: tuple[str, ...]
    spans: int
    errors: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message about an order, as far as its life is known; the watch of the broker tells more than spans do."""

    message_id: str
    exchange: str
    routing_key: str
    queue: str
    published_at: datetime | None
    delivered_at: datetime | None
    settled_at: datetime | None
    state: str
    verdict: str = ""
    publisher: str = ""
    consumer: str = ""


@dataclass(frozen=True, slots=True)
class OrderTimeline:
    """Everything about one order; page, API and command line show this same object."""

    order: Order
    events: tuple[OrderEvent, ...]
    messages: tuple[Message, ...]
    traces: tuple[TraceSummary, ...]
    lives: tuple[MessageLife, ...] = ()  # its messages as the watch of the brokers saw them
    gaps: tuple[WatchGap, ...] = ()  # spans of its life in which the watch saw nothing


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders to list. Empty fields do not restrict; `q` is a part of an order id."""

    state: str = ""
    status: str = ""
    system: str = ""
    owner: str = ""
    q: str = ""
    deviation: str = ""  # a kind of deviation, or any
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "harm"  # harm, age, deadline, started or id
    limit: int = 100
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of orders; `counts` are over all states that the other filters let through."""

    orders: tuple[Order, ...]
    next_cursor: str | None
    counts: Mapping[str, int]
