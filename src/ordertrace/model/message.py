"""A message's life in a broker, and what is held against it. All times are timezone-aware UTC.

One life a message and queue; a message that reached no queue has one with queue ''.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class MessageState(StrEnum):
    """Where a message is, as far as it was seen."""

    PUBLISHED = "published"  # sent; which queue took it is not known
    QUEUED = "queued"
    DELIVERED = "delivered"  # given to a consumer
    SETTLED = "settled"  # acknowledged, or its effect was seen
    LOST = "lost"
    UNSEEN = "unseen"  # the watch was blind for a part of its life: not observed is not lost


class Verdict(StrEnum):
    """Why a message is lost or does not move; the words of `/api/v1`."""

    UNROUTABLE = "unroutable"
    EXPIRED = "expired"
    MAXLEN = "maxlen"
    OVERFLOW_REJECTED = "overflow_rejected"
    REJECTED = "rejected"
    DELIVERY_LIMIT = "delivery_limit"
    DEAD_LETTERED = "dead_lettered"  # the reason is not known
    QUEUE_DELETED = "queue_deleted"
    REMOVED = "removed"  # purged or otherwise gone
    BROKER_RESTART = "broker_restart"
    STUCK_IN_QUEUE = "stuck_in_queue"
    UNACKED = "unacked"
    REDELIVERY_LOOP = "redelivery_loop"
    NO_EFFECT = "no_effect"
    NEVER_PUBLISHED = "never_published"


STUCK = frozenset({Verdict.STUCK_IN_QUEUE, Verdict.UNACKED, Verdict.REDELIVERY_LOOP})
"""Verdicts of messages that still exist; all others are of lost ones."""

REPUBLISHABLE = frozenset(
    {Verdict.UNROUTABLE, Verdict.EXPIRED, Verdict.MAXLEN, Verdict.REJECTED, Verdict.DELIVERY_LIMIT}
)
"""Verdicts of lost messages of which the broker can keep a copy for us."""

CERTAIN, LIKELY, INFERRED = 1.0, 0.8, 0.6


@dataclass(frozen=True, slots=True)
class MessageFact:
    """One piece of evidence: its kind and named values, such as `queue_depth` {ready: "3", consumers: "0"}."""

    kind: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageFinding:
    """A verdict on one message in one queue; `cleared_at` says that it holds no longer."""

    key: str
    queue: str
    verdict: Verdict
    confidence: float
    evidence: tuple[MessageFact, ...]
    since: datetime  # when it happened, as far as known
    known_at: datetime  # when the evidence existed
    detected_at: datetime
    cleared_at: datetime | None = None
    order_id: str = ""


@dataclass(frozen=True, slots=True)
class MessageLife:
    """Everything known of one message in one queue."""

    broker: str
    key: str
    message_id: str
    exchange: str
    routing_key: str
    queue: str
    order_id: str
    status: str
    published_at: datetime | None
    delivered_at: datetime | None
    settled_at: datetime | None
    publisher: str  # systems, or broker users that are none
    consumer: str
    redeliveries: int
    state: MessageState
    verdict: Verdict | None = None
    confidence: float = 0.0
    since: datetime | None = None
    detected_at: datetime | None = None
    cleared_at: datetime | None = None
    evidence: tuple[MessageFact, ...] = ()
    trace_id: str = ""
    span_id: str = ""  # of the sending span, where the message carries its context

    @property
    def held(self) -> Verdict | None:
        """The verdict in force; `verdict` also names one that was cleared."""
        return self.verdict if self.cleared_at is None else None


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """One step of a message's life: published, delivered, redelivered, dead_lettered or settled."""

    at: datetime
    kind: str
    queue: str
    system: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Republication:
    """A message that somebody had sent again. `result`: claimed (the end is open), seen (the broker showed it, the end is
    open), published, returned, refused, not_published or unknown; `reason` says more.
    """

    attempt: str
    broker: str
    key: str
    queue: str
    order_id: str
    verdict: str
    exchange: str  # where it was sent to
    routing_key: str
    by: str
    began_at: datetime
    ended_at: datetime
    result: str = "claimed"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which lives to list; empty fields do not restrict. `since` bounds when they were published."""

    state: str = ""
    verdict: str = ""
    queue: str = ""
    order: str = ""
    broker: str = ""
    since: datetime | None = None
    cleared: bool = False  # also those whose verdict was cleared
    limit: int = 100
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """One page of lives, newest first."""

    messages: tuple[MessageLife, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class WatchGap:
    """A span of time in which a broker was not, or not completely, watched; `until` None means still."""

    broker: str
    start: datetime
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class QueueSight:
    """A queue at one moment; rates are messages a second since the sample before; `oldest_at` as far as watched."""

    broker: str
    queue: str
    at: datetime
    ready: int
    unacked: int | None
    consumers: int | None
    oldest_at: datetime | None
    published_rate: float
    delivered_rate: float
    stuck: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class FailedGroup:
    """Messages with the same verdict in the same queue, in force; those that reached none also by their routing key.

    Where asked for, also by routing key in general and by the exception that their reader threw at them.
    """

    broker: str
    queue: str
    verdict: Verdict
    messages: int
    orders: int
    first_since: datetime
    last_since: datetime
    order_ids: tuple[str, ...]
    routing_key: str = ""
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class SourceSight:
    """One source of a watch: on, or why not."""

    name: str  # tap, beat, dead_letters, events, queues or management
    on: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BrokerSight:
    """How well a broker is watched now."""

    broker: str
    connected: bool
    since: datetime | None  # connected, or not, since
    sources: tuple[SourceSight, ...]
    last_heartbeat: datetime | None
    lag_seconds: float | None
    gaps: tuple[WatchGap, ...] = ()
