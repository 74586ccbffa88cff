"""Takes what the sources of one broker tell, in any order, and says which messages are lost or stuck. Pure: no clock, no I/O.

Certain signals speak at once. What follows from absence is judged only up to `seen_until`, the moment up to which a
heartbeat proved that every trace was read; nothing is judged while the watch is blind, and what was in flight across
a gap is left open. See `judging` for the rules.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ..model.message import CERTAIN, STUCK, MessageFact, MessageFinding, Verdict
from .judging import THERE, ChannelSight, Judge, Ruling
from .lives import (
    Book,
    Bounds,
    Life,
    QueueFacts,
    QueueSample,
    Settled,
    UnackedCount,
    forget_oldest,
    is_watched,
)
from .tap_record import DeadLetter, TapRecord

_REASONS = {
    "expired": Verdict.EXPIRED,
    "maxlen": Verdict.MAXLEN,
    "rejected": Verdict.REJECTED,
    "delivery_limit": Verdict.DELIVERY_LIMIT,
}
_WAITING = frozenset({Verdict.EXPIRED, Verdict.MAXLEN})  # reasons that strike messages that nobody has taken
_FACTS_SECONDS = 3.0
_CHANNELS_KEPT_SECONDS = 60.0
_REPLY_TO = "amq.rabbitmq.reply-to"
_AFTER_DEATH = frozenset(_REASONS.values()) | {Verdict.DEAD_LETTERED}
_FOLLOW_UPS_MAX = 20_000
_BOOKS_MAX = 10_000
_PROOFS_MAX = 128


class Detector:
    """The messages of one broker in flight, and the findings in force. Memory is bounded; limits hit are counted."""

    def __init__(self, bounds: Bounds, *, expects_facts: bool = False) -> None:
        self._bounds = bounds
        self._expects_facts = expects_facts
        self.books: dict[str, Book] = {}
        self.limits_hit: Counter[str] = Counter()
        self.settled: list[Settled] = []
        self.vanished: list[Life] = []  # gone without a loss: rolled back, or beyond what can be told
        self._judge = Judge(bounds, expects_facts)
        self._out: list[MessageFinding] = []
        self._by_order: dict[tuple[str, str], list[Life]] = defaultdict(list)
        self._unsettled_count = 0
        self._pending_count = 0
        self._dead_waiting: list[DeadLetter] = []
        self._seen_until = 0.0
        self._proofs: deque[tuple[float, float]] = deque(maxlen=_PROOFS_MAX)  # heartbeats: when sent, when back
        self._blind_since: float | None = None

    # What the sources tell

    def feed(self, record: TapRecord) -> bool:
        """One message published or delivered; says whether that was news."""
        if record.kind == "published":
            return self._publish(record)
        return bool(record.queues) and is_watched(record.queues[0]) and self._deliver(record)

    def dead_letter(self, letter: DeadLetter) -> None:
        """A copy of a message that the broker took out of a queue."""
        if not is_watched(letter.queue):
            return
        book = self._book(letter.queue)
        if self._expects_facts and book.facts is None and letter.at + _FACTS_SECONDS > self._seen_until:
            self._dead_waiting.append(letter)
        else:
            self._bury(book, letter)

    def queue_facts(self, facts: QueueFacts) -> None:
        """How a queue is set up."""
        if is_watched(facts.name):
            self._book(facts.name).facts = facts

    def queue_seen(self, queue: str, sample: QueueSample) -> None:
        """A passive declare's answer."""
        self._book(queue).samples.append(sample)

    def queue_unacked(self, queue: str, at: float, unacked: int) -> None:
        """Delivered and not acknowledged messages of a queue, as the management API told at `at`: up to 5 s old."""
        self._book(queue).unacked.append((at, unacked))

    def unacked_counted(self, queue: str, count: UnackedCount) -> None:
        """The same, as the queue itself told just now."""
        self._book(queue).counts.append(count)

    def parking_seen(self, at: float, ready: Mapping[str, int]) -> None:
        """How much lies in queues that take others' dead letters."""
        for book in self.books.values():
            if book.facts and book.facts.parking in ready:
                book.parked.append((at, ready[book.facts.parking]))

    def parkings(self) -> set[str]:
        """Queues that take dead letters of which no copy comes to us."""
        known = [book.facts for book in self.books.values() if book.facts and (book.pending or book.unsettled)]
        return {facts.parking for facts in known if facts.parking and not facts.ours}

    def queue_deleted(self, queue: str, at: float) -> None:
        """The queue went away with all that was in it."""
        if is_watched(queue):
            book = self._book(queue)
            book.gone_at = book.deleted_at = at

    def channels_seen(self, at: float, channels: Mapping[str, tuple[bool, bool]]) -> None:
        """The channels that are open: whether each is transactional (what it publishes may be rolled back unseen) or
        confirms. Those that closed a while ago are forgotten.
        """
        known = self._judge.channels
        for name, (transactional, confirms) in channels.items():
            first = known[name].first_seen if name in known else at
            known[name] = ChannelSight(first, at, transactional, confirms)
        for name in [name for name, sight in known.items() if sight.last_seen < at - _CHANNELS_KEPT_SECONDS]:
            del known[name]

    def seen(self, until: float, at: float | None = None) -> None:
        """A heartbeat sent at this time came back, at `at`: all traces from before have been read."""
        self._seen_until = max(self._seen_until, until)
        self._proofs.append((until, until if at is None else at))
        self._blind_since = None

    def blind(self, start: float, until: float) -> None:
        """Nothing, or not everything, was seen in this span: what was in flight then is left open."""
        self._blind_since = start
        for book in self.books.values():
            book.blind.update(life.key for life in book.pending.values() if life.waiting_since < until)
            book.samples.clear()
            book.judged, book.suspects, book.present_until = None, frozenset(), 0.0
            book.unacked.clear()
            book.counts.clear()

    def restarted(self, queue: str, ready: int | None, at: float) -> None:
        """The broker came back after a restart with so many messages in the queue; None: the queue is gone.

        To be told before `blind` of the span in which the broker was away.
        """
        book = self._book(queue)
        for ruling in list(self._judge.after_restart(book, ready, at, self._seen_until)):
            self._apply(book, ruling, at)

    def restore(self, life: Life) -> None:
        """Takes over a message in flight, or a finding in force, from before our own restart."""
        book = self._book(life.queue)
        book.lives[life.key] = life
        life.reborn = life.finding is not None and life.finding.verdict in _AFTER_DEATH and life.waits
        if life.finding is None or life.finding.verdict is Verdict.STUCK_IN_QUEUE or life.reborn:
            book.place(life)
        if life.delivered and not life.waits:
            book.unsettled[life.key] = life

    # What comes out

    def tick(self, now: float) -> list[MessageFinding]:
        """Judges what can be judged; findings raised or cleared since the last tick."""
        self._work_dead_letters(now)
        if self._blind_since is None:
            for book in self.books.values():
                for ruling in list(self._judge.judge(book, self._seen_until, self._proofs, now)):
                    self._apply(book, ruling, now)
        self._keep_bounds()
        found, self._out = self._out, []
        return [replace(finding, detected_at=_time(now)) for finding in found]

    def take_settled(self) -> tuple[list[Settled], list[Life]]:
        """Messages that were settled, and those that vanished without a loss, since the last call."""
        taken = self.settled, self.vanished
        self.settled, self.vanished = [], []
        return taken

    # Below: what each signal does

    def _publish(self, record: TapRecord) -> bool:
        self._follow_up(record)
        if not record.queues:
            return self._unroutable(record)
        news = False
        if "" in self.books and (astray := self.books[""].lives.get(record.key)):
            self._clear(astray, record.at)  # sent again, and now a queue took it
        for queue in filter(is_watched, record.queues):
            book = self._book(queue)
            life = book.lives.get(record.key)
            if life is None:
                life = book.lives[record.key] = Life(record.key, queue)
            elif record.repeated and life.published and not (record.again and _is_dead(life)):
                continue
            elif life.finding and life.published >= 1 and life.published + 1 > max(life.delivered, life.dead_waiting):
                life.reborn = True
            _take_over(life, record)
            life.ahead = len(book.pending)
            book.published_count += 1
            self._pending_count += 1
            book.place(life)
            news = True
        return news

    def _unroutable(self, record: TapRecord) -> bool:
        if record.routing_key.startswith(_REPLY_TO) or self._bounds.mutes("", record.exchange, Verdict.UNROUTABLE):
            return False
        book = self._book("")
        life = book.lives.setdefault(record.key, Life(record.key, ""))
        _take_over(life, record)
        book.end(life)
        fact = MessageFact("published_to_no_queue", {"exchange": record.exchange, "routing_key": record.routing_key})
        self._raise(life, Verdict.UNROUTABLE, CERTAIN, (fact,), record.at, record.at)
        return True

    def _deliver(self, record: TapRecord) -> bool:
        book = self._book(record.queues[0])
        life = book.lives.get(record.key)
        if life is None:
            life = book.lives[record.key] = Life(record.key, book.queue, record.order_id)
        again = record.redelivered and life.delivered > 0
        if record.repeated and life.delivered and not record.redelivered:
            return False
        life.order_id = record.order_id or life.order_id
        life.delivered_at, life.consumer = record.at, record.peer
        life.redeliveries += record.redelivered
        life.delivered += not again
        life.deaths_max = max([life.deaths_max, *(d.count for d in record.deaths if d.queue == book.queue)])
        book.note_delivery(life, record.at)
        book.place(life)
        self._came_through(book, life, record)
        self._end_elsewhere(record)
        self._check_loop(book, life, record.at)
        return True

    def _came_through(self, book: Book, life: Life, record: TapRecord) -> None:
        """A delivery disproves what absence or waiting spoke for; a certain loss only if the message came back."""
        finding = life.finding
        came_back = life.reborn or any(death.queue == book.queue for death in record.deaths)
        if finding and finding.verdict in _AFTER_DEATH and finding.confidence >= CERTAIN and not came_back:
            return
        if finding and finding.verdict not in (Verdict.REDELIVERY_LOOP, Verdict.UNACKED):
            self._clear(life, record.at)
            life.reborn = False
        elif finding and finding.verdict is Verdict.UNACKED and record.redelivered:
            self._clear(life, record.at)
        if life.key not in book.unsettled:
            self._unsettled_count += 1
        book.unsettled.pop(life.key, None)  # newest last
        book.unsettled[life.key] = life
        if life.order_id and len(self._by_order) < _FOLLOW_UPS_MAX:
            self._by_order[record.peer, life.order_id].append(life)

    def _end_elsewhere(self, record: TapRecord) -> None:
        """A message that comes with deaths has left the queues that it died in."""
        for death in record.deaths:
            book = self.books.get(death.queue)
            life = book.lives.get(record.key) if book and death.queue != record.queues[0] else None
            if book and life and life.waits and life.finding is None:
                life.dead_waiting = life.published
                book.end(life)

    def _check_loop(self, book: Book, life: Life, at: float) -> None:
        limit = self._bounds.settings.redeliveries_max
        times = max(life.redeliveries, life.deaths_max)
        if times >= limit and (life.finding is None or life.finding.verdict is not Verdict.REDELIVERY_LOOP):
            kind = "redelivered" if life.redeliveries >= limit else "dead_lettered_again"
            fact = MessageFact(kind, {"times": str(times), "consumer": life.consumer})
            self._raise(life, Verdict.REDELIVERY_LOOP, CERTAIN, (fact,), life.published_at or at, at)

    def _follow_up(self, record: TapRecord) -> None:
        """A publication about an order by a system that was given a message about it: that message had an effect."""
        lives = self._by_order.get((record.peer, record.order_id)) if record.order_id else None
        for life in list(lives or ()):
            told_on = bool(record.status) or record.exchange == life.exchange  # a mere note about the order is none
            if lives and told_on and life.delivered_at is not None and life.delivered_at <= record.at:
                lives.remove(life)
                if life.queue in self.books:
                    self._settle(self.books[life.queue], life, record.at, "follow_up")
        if lives == []:
            del self._by_order[record.peer, record.order_id]

    def _settle(self, book: Book, life: Life, at: float, why: str) -> None:
        if life.key not in book.unsettled:
            return
        if life.finding and life.finding.verdict in (Verdict.UNACKED, Verdict.REDELIVERY_LOOP):
            self._clear(life, at)
        del book.unsettled[life.key]
        if why == "follow_up":
            book.followed.append(at)
        self.settled.append(Settled(life.key, life.queue, life.order_id, at, why))
        if not life.waits:
            book.end(life)

    def _work_dead_letters(self, now: float) -> None:
        waiting, self._dead_waiting = self._dead_waiting, []
        for letter in waiting:
            book = self._book(letter.queue)
            if book.facts is None and now < letter.at + _FACTS_SECONDS:
                self._dead_waiting.append(letter)
            else:
                self._bury(book, letter)

    def _bury(self, book: Book, letter: DeadLetter) -> None:
        life = book.lives.setdefault(letter.key, Life(letter.key, letter.queue, letter.order_id))
        life.order_id = letter.order_id or life.order_id
        life.exchange, life.routing_key = letter.exchange, letter.routing_key
        life.deaths_max = max(life.deaths_max, letter.count)
        verdict = _REASONS.get(letter.reason, Verdict.DEAD_LETTERED)
        if verdict in _WAITING:
            life.dead_waiting = max(life.dead_waiting + (life.published > life.dead_waiting), 1)
        else:
            life.dead_taken = max(life.dead_taken, life.delivered, 1)
        if life.reborn:
            self._clear(life, letter.at)  # what comes now is another loss
        life.reborn = False
        book.end(life)
        book.place(life)
        forwards = book.facts is not None and (book.facts.forwards or book.facts.delays)
        if forwards:
            self._check_loop(book, life, letter.at)
        elif not self._bounds.mutes(book.queue, letter.exchange, verdict):
            values = {"reason": letter.reason, "queue": letter.queue, "times": str(letter.count)}
            fact = MessageFact("dead_letter", values | ({"consumer": life.consumer} if life.consumer else {}))
            self._raise(life, verdict, CERTAIN, (fact,), letter.at, letter.at)

    def _apply(self, book: Book, ruling: Ruling, now: float) -> None:
        life = ruling.life
        if ruling.why == THERE:
            self._clear(life, now)
            book.place(life)
        elif ruling.verdict is None:
            if ruling.settled_at is not None:
                self._settle(book, life, ruling.settled_at, ruling.why)
            else:
                self._clear(life, now)
                book.end(life)
                self.vanished.append(life)
        else:
            if not self._bounds.mutes(book.queue, life.exchange, ruling.verdict):
                self._raise(life, ruling.verdict, ruling.confidence, ruling.evidence, ruling.since, ruling.known_at)
            if ruling.ends:
                book.end(life)

    def _raise(
        self,
        life: Life,
        verdict: Verdict,
        confidence: float,
        evidence: tuple[MessageFact, ...],
        since: float,
        known_at: float,
    ) -> None:
        """Puts a finding in force, unless a surer one is, or the same."""
        have = life.finding
        moves_on = have is not None and have.verdict in STUCK and verdict not in STUCK
        if have and not moves_on and (have.verdict is verdict or have.confidence > confidence):
            return
        at = _time(known_at)
        life.finding = MessageFinding(
            life.key, life.queue, verdict, confidence, evidence, _time(since), at, at, None, life.order_id
        )
        self._out.append(life.finding)

    def _clear(self, life: Life, at: float) -> None:
        if life.finding:
            self._out.append(replace(life.finding, cleared_at=_time(at)))
            life.finding = None

    def _book(self, queue: str) -> Book:
        book = self.books.get(queue)
        if book is None:
            book = self.books[queue] = Book(queue)
        return book

    def _keep_bounds(self) -> None:
        """Forgets the oldest where there are too many."""
        limits = self._bounds.settings
        if self._unsettled_count > limits.unsettled_max:
            self._unsettled_count, forgotten = forget_oldest(self.books.values(), "unsettled", limits.unsettled_max)
            self.limits_hit["messages_unsettled"] += forgotten
        if self._pending_count > limits.in_flight_max:
            self._pending_count, forgotten = forget_oldest(self.books.values(), "pending", limits.in_flight_max)
            self.limits_hit["messages_pending"] += forgotten
        if len(self._by_order) >= _FOLLOW_UPS_MAX:
            for oldest in list(self._by_order)[: _FOLLOW_UPS_MAX // 2]:
                del self._by_order[oldest]
            self.limits_hit["message_follow_ups"] += 1
        if len(self.books) > _BOOKS_MAX:
            self.limits_hit["message_queues"] += 1
            self.books = {name: book for name, book in self.books.items() if book.pending or book.unsettled}


def _is_dead(life: Life) -> bool:
    return life.finding is not None and life.finding.verdict in _AFTER_DEATH and not life.reborn


def _take_over(life: Life, record: TapRecord) -> None:
    life.published += 1
    life.order_id = record.order_id or life.order_id
    life.exchange, life.routing_key = record.exchange, record.routing_key
    life.user, life.channel, life.persistent = record.user, record.channel, record.persistent
    life.expires_seconds = record.expiration_seconds
    life.published_at = record.at if life.published_at is None else life.published_at
    life.waiting_since = record.at


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
