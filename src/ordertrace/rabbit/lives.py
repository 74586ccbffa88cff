"""What the detector remembers: messages in flight, queue by queue, and what is known of the queues. No judgement, no clock.

Times are seconds since 1970.
"""

from __future__ import annotations

import fnmatch
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from ..model.message import MessageFinding
from ..settings.brokers import BrokerSettings
from .tap_record import OWN

_RECENT_SECONDS = 10.0
_RECENT_MAX = 5_000
_ENDED_MAX = 5_000


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What the management API says of a queue; policies are taken into account.

    `forwards` says that dead letters of it go into a delay queue and come back: a retry, not a loss. `delays` marks such
    a delay queue itself. `ours` says that its dead letters come to us, `parking` is the queue that takes them.
    """

    name: str
    kind: str = "classic"
    durable: bool = True
    temporary: bool = False  # exclusive or deleted with its last consumer
    priorities: bool = False
    rejects: bool = False  # refuses new messages when it is full
    length_max: int | None = None
    ttl_seconds: float | None = None
    dead_letter_exchange: str | None = None
    parking: str = ""
    forwards: bool = False
    delays: bool = False
    ours: bool = False
    alone: bool = False  # no other queue's dead letters go where this one's go

    @property
    def parks_alone(self) -> bool:
        """Whether what the parking queue gets can only come from here, and we get no copy of it."""
        return bool(self.parking) and self.alone and not (self.ours or self.forwards or self.delays)


@dataclass(frozen=True, slots=True)
class QueueSample:
    """What a passive declare answered, between `sent` and `received`."""

    sent: float
    received: float
    ready: int
    consumers: int


@dataclass(frozen=True, slots=True)
class UnackedCount:
    """What the queue itself told, between `sent` and `received`, of messages delivered and not acknowledged."""

    sent: float
    received: float
    unacked: int
    ready: int


@dataclass(slots=True)
class Life:
    """One message in one queue. `waiting_since` is its last publication; identical twins share a life and are counted."""

    key: str
    queue: str
    order_id: str = ""
    exchange: str = ""
    routing_key: str = ""
    user: str = ""
    channel: str = ""
    persistent: bool = True
    expires_seconds: float | None = None
    published_at: float | None = None
    waiting_since: float = 0.0
    published: int = 0
    ahead: int = 0  # how many waited in the queue when it was published
    delivered_at: float | None = None
    delivered: int = 0
    consumer: str = ""
    redeliveries: int = 0
    dead_waiting: int = 0  # dead-lettered before it was delivered
    dead_taken: int = 0  # after
    deaths_max: int = 0
    reborn: bool = False
    finding: MessageFinding | None = None

    @property
    def waits(self) -> bool:
        """Whether the queue should still hold it."""
        return self.published > max(self.delivered, self.dead_taken) + self.dead_waiting


@dataclass(slots=True)
class Book:
    """One queue's messages: waiting ones in order of publication, delivered ones that are not known to be settled."""

    queue: str
    facts: QueueFacts | None = None
    lives: dict[str, Life] = field(default_factory=dict)
    pending: dict[str, Life] = field(default_factory=dict)
    unsettled: dict[str, Life] = field(default_factory=dict)
    ended: OrderedDict[str, None] = field(default_factory=OrderedDict)
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_RECENT_MAX))
    samples: deque[QueueSample] = field(default_factory=lambda: deque(maxlen=4))
    judged: QueueSample | None = None
    suspects: frozenset[str] = frozenset()  # missing at the last count
    suspects_at: float = 0.0
    blind: set[str] = field(default_factory=set)  # waiting ones that may have been taken while nobody looked
    unacked: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=2_000))
    counts: deque[UnackedCount] = field(default_factory=lambda: deque(maxlen=4))
    counted_at: float = 0.0  # when the queue itself last told how many are unacknowledged
    present_until: float = 0.0  # all that were published before stood in the queue when it was last counted
    newest_delivered: float = 0.0  # publication of the newest message that was delivered
    delivered_at: float = 0.0
    missed: deque[Life] = field(default_factory=lambda: deque(maxlen=1_000))  # found to be gone lately
    idle_since: float = 0.0  # when the count first found no consumer, or as many as now
    gone_at: float | None = None
    deleted_at: float = 0.0  # when the broker last told that the queue was deleted; it may be there again
    unacked_judged: float = 0.0
    followed: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))  # when effects were seen
    published_count: int = 0
    delivered_count: int = 0
    parked: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))

    def note_delivery(self, life: Life, at: float) -> None:
        """Keeps what a count of the queue at about this time must be compared with."""
        self.delivered_at = max(self.delivered_at, at)
        self.delivered_count += 1
        if life.published_at is not None:
            self.newest_delivered = max(self.newest_delivered, life.waiting_since)
            self.recent.append((life.waiting_since, at))
        while self.recent and self.recent[0][1] < at - _RECENT_SECONDS:
            self.recent.popleft()

    def place(self, life: Life) -> None:
        """Puts a life where its counts say."""
        if life.waits:
            self.pending[life.key] = life
        else:
            self.pending.pop(life.key, None)
            self.blind.discard(life.key)

    def end(self, life: Life) -> None:
        """The life is over, or nothing more is expected of it; it is remembered for a while, for what comes late."""
        self.pending.pop(life.key, None)
        self.blind.discard(life.key)
        self.unsettled.pop(life.key, None)
        self.ended[life.key] = None
        self.ended.move_to_end(life.key)
        while len(self.ended) > _ENDED_MAX:
            key, _ = self.ended.popitem(last=False)
            if key not in self.pending and key not in self.unsettled:
                self.lives.pop(key, None)

    def newer(self, than: float) -> Iterator[Life]:
        """Waiting messages published at or after this time, newest first."""
        for life in reversed(self.pending.values()):
            if life.waiting_since < than:
                return
            yield life


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivered message whose acknowledgement or effect was seen."""

    key: str
    queue: str
    order_id: str
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is allowed in a broker's queues, and what is nothing to report."""

    settings: BrokerSettings

    def wait_seconds(self, queue: str) -> float:
        return _wait(self.settings, queue)

    def unacked_seconds(self, queue: str) -> float:
        return _unacked(self.settings, queue)

    def mutes(self, queue: str, exchange: str, verdict: str) -> bool:
        return verdict in (muted := _muted(self.settings, queue, exchange)) or "*" in muted


def forget_oldest(books: Iterable[Book], which: Literal["pending", "unsettled"], limit: int) -> tuple[int, int]:
    """Keeps nine tenths of what is allowed, taking from the fullest queues first; (how many are left, were forgotten)."""
    fullest = sorted(books, key=lambda book: -len(getattr(book, which)))
    total = sum(len(getattr(book, which)) for book in fullest)
    surplus = total - limit * 9 // 10 if total > limit else 0
    forgotten = 0
    for book in fullest if surplus else ():
        lives: dict[str, Life] = getattr(book, which)
        for life in list(lives.values())[: surplus - forgotten]:
            forgotten += 1
            book.end(life)
    return total - forgotten, forgotten


def is_watched(queue: str) -> bool:
    """Queues of ours and the broker's own reply queues are not."""
    return not queue.startswith((OWN, "amq.rabbitmq.", "amq.gen-"))


@lru_cache(maxsize=4096)
def _wait(settings: BrokerSettings, queue: str) -> float:
    found = (q.wait for q in settings.queue if q.wait is not None and fnmatch.fnmatchcase(queue, q.name))
    return next(found, settings.wait).total_seconds()


@lru_cache(maxsize=4096)
def _unacked(settings: BrokerSettings, queue: str) -> float:
    found = (q.unacked for q in settings.queue if q.unacked is not None and fnmatch.fnmatchcase(queue, q.name))
    return next(found, settings.unacked).total_seconds()


@lru_cache(maxsize=4096)
def _muted(settings: BrokerSettings, queue: str, exchange: str) -> frozenset[str]:
    queues = [set(q.mute) for q in settings.queue if queue and fnmatch.fnmatchcase(queue, q.name)]
    exchanges = [set(e.mute) for e in settings.exchange if fnmatch.fnmatchcase(exchange, e.name)]
    return frozenset().union(*queues, *exchanges)
