"""What follows from counting: which waiting messages are gone, stand still or hang at their consumer. Pure.

A queue is counted by a passive declare. Fewer messages than must be in it, twice in a row, means that some are gone;
which ones follows from their order (first in, first out), from what an earlier count had still found, and from the
queue's arguments. What cannot be told apart is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..model.message import CERTAIN, INFERRED, LIKELY, MessageFact, Verdict
from .lives import Book, Bounds, Life, QueueFacts, QueueSample, UnackedCount

MARGIN_SECONDS = 0.15  # what a busy broker may take from counting a message to showing it
_LAG_SECONDS = 1.5  # who reads the traces later than this cannot compare them with a count
_ANSWERING_SECONDS = 2.0  # from the effect of a message to its acknowledgement
STALE_SECONDS = 10.0  # figures of the management API are up to 5 s old, and a busy broker keeps its answers for longer
_PARKING_SECONDS = 0.5  # from a rejection to the arrival in the queue for dead letters
_TOLD_SECONDS = 18.0  # a busy broker tells much later whether a channel is transactional
_CHANNEL_SECONDS = 30.0
_EVENT_SECONDS = 30.0
_SECOND_LOOK_SECONDS = 10.0
THERE = "there_after_all"
_RULINGS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done about a life: a verdict, or (without one) its settlement, or its quiet end."""

    life: Life
    verdict: Verdict | None = None
    confidence: float = 0.0
    evidence: tuple[MessageFact, ...] = ()
    since: float = 0.0
    known_at: float = 0.0
    ends: bool = False
    settled_at: float | None = None
    why: str = ""


@dataclass(slots=True)
class ChannelSight:
    """What the management API told of a publisher's channel; `transactional` is told up to 5 s late."""

    first_seen: float
    last_seen: float
    transactional: bool
    confirms: bool


class Judge:
    """The rules; holds what is known of channels."""

    def __init__(self, bounds: Bounds, expects_facts: bool) -> None:
        self._bounds = bounds
        self._expects_facts = expects_facts
        self.channels: dict[str, ChannelSight] = {}

    def judge(
        self, book: Book, seen_until: float, proofs: Iterable[tuple[float, float]], now: float
    ) -> Iterator[Ruling]:
        """Rulings on one queue's messages, from what was told up to `seen_until`.

        `proofs` say that all from before the one time had been read at the other. Who is behind with reading cannot tell
        what was delivered before a count from what was delivered after it.
        """
        if book.facts and book.facts.kind == "stream":  # reading takes nothing out
            yield from (Ruling(life) for life in list(book.pending.values())[:_RULINGS_MAX])
            return
        if book.gone_at is not None and book.gone_at + MARGIN_SECONDS < seen_until:
            yield from self._gone(book, book.gone_at)
            book.gone_at = None
        while book.samples and book.samples[0].received + MARGIN_SECONDS < seen_until:
            sample = book.samples.popleft()
            if _is_comparable(sample.received, proofs):
                yield from self._counted(book, sample, now)
        while book.counts and book.counts[0].received + MARGIN_SECONDS < seen_until:
            count = book.counts.popleft()
            book.counted_at = count.received
            if book.unsettled and _is_comparable(count.received, proofs):
                yield from self._unanswered(book, count)
        if book.unacked and book.unsettled:
            yield from self._hanging(book, *book.unacked[-1])

    def after_restart(self, book: Book, ready: int | None, at: float, seen_until: float) -> Iterator[Ruling]:
        """What a restart of the broker took along; `ready` is the queue's count after it, None where it is gone."""
        durable = ready is not None and (book.facts is None or book.facts.durable)
        waiting = [life for life in book.pending.values() if life.key not in book.blind]
        surviving = sum(life.persistent for life in waiting) if durable else 0
        served = book.delivered_at > seen_until - 5.0
        for life in waiting:
            if (durable and life.persistent) or (served and life.waiting_since > seen_until - _LAG_SECONDS):
                continue
            values = {"kept": "transient" if durable else "queue_not_durable"}
            values |= {"ready": str(ready)} if ready is not None else {}
            confidence = CERTAIN if ready is None or ready == surviving else LIKELY
            fact = MessageFact("broker_restarted", values)
            yield Ruling(life, Verdict.BROKER_RESTART, confidence, (fact,), seen_until, at, ends=True)

    def _gone(self, book: Book, at: float) -> Iterator[Ruling]:
        """The queue was deleted, or was never there."""
        never = book.facts is None and not book.delivered_count and book.judged is None
        for life in [life for life in book.pending.values() if life.waiting_since < at]:
            if life.key in book.blind or (book.facts and book.facts.temporary):
                yield Ruling(life)
            elif never and not life.exchange:  # the default exchange names queues that do not exist, too
                fact = MessageFact("no_such_queue", {"routing_key": life.routing_key})
                yield Ruling(life, Verdict.UNROUTABLE, CERTAIN, (fact,), life.waiting_since, at, ends=True)
            else:
                fact = MessageFact("queue_deleted", {"queue": book.queue})
                yield Ruling(life, Verdict.QUEUE_DELETED, CERTAIN, (fact,), at, at, ends=True)
        for life in book.missed:  # the broker's events may be slower than the count that missed these
            if life.finding and life.finding.verdict is Verdict.REMOVED and _since(life) > at - _EVENT_SECONDS:
                fact = MessageFact("queue_deleted", {"queue": book.queue})
                yield Ruling(life, Verdict.QUEUE_DELETED, CERTAIN, (fact,), at, at, ends=True)
        book.missed.clear()
        book.samples.clear()
        book.suspects = frozenset()

    def _counted(self, book: Book, sample: QueueSample, now: float) -> Iterator[Ruling]:
        before = sample.sent - MARGIN_SECONDS
        if book.blind and sample.ready == 0:  # taken while nobody looked
            yield from [Ruling(book.pending[key]) for key in list(book.blind) if key in book.pending]
        sure = [life for life in book.pending.values() if life.waiting_since < before and life.key not in book.blind]
        later = sum(1 for published, at in book.recent if published < before and at > sample.received + _LAG_SECONDS)
        missing = len(sure) + later - sample.ready
        gone: list[Life] = []
        if missing > 0 and sure:
            gone = _which(book, sample, sure, missing)
            confirmed = [life for life in gone if life.key in book.suspects]
            book.suspects_at = sample.sent if not book.suspects else book.suspects_at
            for life in confirmed[:_RULINGS_MAX]:
                yield from self._absent(book, life, sample, len(sure), now)
        elif missing <= 0 and _all_stand(book, sample, len(sure)):
            book.present_until = before
            yield from self._there_after_all(book, sample, len(sure))
        book.suspects = frozenset(life.key for life in gone)
        if book.judged is None or (book.judged.consumers == 0) != (sample.consumers == 0):
            book.idle_since = sample.sent
        book.judged = sample
        yield from self._standing(book, sample, missing, now)

    def _there_after_all(self, book: Book, sample: QueueSample, sure: int) -> Iterator[Ruling]:
        """What was missed a moment ago is there if the queue holds so many more than were expected."""
        missed = [life for life in book.missed if life.finding and _since(life) > sample.sent - _SECOND_LOOK_SECONDS]
        if missed and sample.ready >= sure + len(missed) + sum(1 for _ in book.newer(sample.sent - MARGIN_SECONDS)):
            yield from (Ruling(life, why=THERE) for life in missed)
            book.missed.clear()

    def _absent(self, book: Book, life: Life, sample: QueueSample, sure: int, now: float) -> Iterator[Ruling]:
        """Why a message is not where it should be; nothing where it may never have been there."""
        facts, present = book.facts, life.waiting_since < book.present_until
        if facts and (facts.delays or facts.forwards):
            yield Ruling(life)
            return
        if not present and self._expects_facts:
            real = _was_refused(facts, life) or self._surely_published(life)
            if real is None and now < life.waiting_since + _CHANNEL_SECONDS:
                return
            if not real:
                yield Ruling(life)
                return
        verdict, confidence = _reason(book, life, present, sure, now)
        if life.waiting_since < book.deleted_at + _LAG_SECONDS:  # read late, so perhaps sent before
            verdict, confidence = Verdict.QUEUE_DELETED, LIKELY
        if not present and not self._expects_facts:
            confidence = INFERRED
        values = {"ready": str(sample.ready), "consumers": str(sample.consumers), "expected": str(sure)}
        facts_found = [MessageFact("missing_in_queue", values)]
        if life.waiting_since < book.newest_delivered:
            facts_found.append(MessageFact("overtaken", {"queue": book.queue}))
        book.missed.append(life)
        yield Ruling(life, verdict, confidence, tuple(facts_found), sample.sent, book.suspects_at, ends=True)

    def _surely_published(self, life: Life) -> bool | None:
        """False: in a transaction, which may have been rolled back, or on a channel nobody knew; None: not yet known."""
        channel = self.channels.get(life.channel)
        if channel is None:
            return None
        if channel.transactional:
            return False
        told = max(channel.last_seen - life.waiting_since, life.waiting_since - channel.first_seen)
        return True if channel.confirms or told > _TOLD_SECONDS else None

    def _standing(self, book: Book, sample: QueueSample, missing: int, now: float) -> Iterator[Ruling]:
        """Messages that wait longer than allowed in a queue that nobody serves."""
        wait = self._bounds.wait_seconds(book.queue)
        if not sample.ready or (book.facts and book.facts.delays):
            return
        served_at = max(book.delivered_at, book.idle_since)
        if sample.consumers and now - served_at < wait:
            return
        all_there = sample.ready >= len(book.pending) - sum(1 for _ in book.newer(sample.sent - MARGIN_SECONDS))
        long_idle = now - book.idle_since >= wait  # after a gap, consumers get time to come back
        values = {"ready": str(sample.ready), "consumers": str(sample.consumers)}
        for life in list(book.pending.values())[:_RULINGS_MAX]:
            if now - life.waiting_since < wait:
                break
            if life.key in book.suspects or (life.key in book.blind and not (all_there and long_idle)) or missing > 0:
                continue
            if life.finding is None:
                known_at = max(life.waiting_since + wait, book.idle_since)
                confidence = LIKELY if sample.consumers else CERTAIN
                fact = MessageFact("queue_depth", values)
                yield Ruling(life, Verdict.STUCK_IN_QUEUE, confidence, (fact,), life.waiting_since, known_at)

    def _hanging(self, book: Book, at: float, unacked: int) -> Iterator[Ruling]:
        """Delivered messages: all settled where none is unacked; hanging where the old ones must be the unacked ones."""
        if at == book.unacked_judged:
            return
        book.unacked_judged = at
        fresh = at - STALE_SECONDS
        if unacked == 0:
            for life in [life for life in book.unsettled.values() if (life.delivered_at or at) < fresh]:
                yield Ruling(life, settled_at=at, why="none_unacked")
            return
        if book.counted_at > at - STALE_SECONDS:
            return  # the queue itself says more
        limit = max(self._bounds.unacked_seconds(book.queue), STALE_SECONDS)
        old = [life for life in book.unsettled.values() if (life.delivered_at or at) < at - limit]
        young = len(book.unsettled) - len(old) + sum(1 for settled_at in book.followed if settled_at > fresh)
        if not old or unacked - young < len(old):
            return
        fact = MessageFact("unacked", {"unacked": str(unacked), "consumer": old[0].consumer})
        for life in old:
            if life.finding is None:
                since = life.delivered_at or at
                known_at = max(since + limit, at - 1.0)
                yield Ruling(life, Verdict.UNACKED, CERTAIN, (fact,), since, known_at)

    def _unanswered(self, book: Book, count: UnackedCount) -> Iterator[Ruling]:
        """The same, from what the queue told itself: at once where nothing of it went back into the queue."""
        if count.unacked == 0:
            if count.ready <= len(book.pending):
                yield from self._answered(book, count)
            return
        limit = self._bounds.unacked_seconds(book.queue)
        old = [life for life in book.unsettled.values() if (life.delivered_at or count.sent) < count.sent - limit]
        answering = sum(1 for at in book.followed if at > count.sent - _ANSWERING_SECONDS)
        if not old or count.unacked - (len(book.unsettled) - len(old) + answering) < len(old):
            return
        fact = MessageFact("unacked", {"unacked": str(count.unacked), "consumer": old[0].consumer})
        for life in old:
            if life.finding is None:
                since = life.delivered_at or count.sent
                yield Ruling(life, Verdict.UNACKED, CERTAIN, (fact,), since, since + limit)

    def _answered(self, book: Book, count: UnackedCount) -> Iterator[Ruling]:
        """Settled, unless the queue that takes this one's dead letters alone grew by as many: then these are they."""
        before = count.sent - (_PARKING_SECONDS if book.facts and book.facts.parks_alone else 0.0)
        done = [life for life in book.unsettled.values() if (life.delivered_at or count.sent) < before]
        if not done:
            return
        grown = _growth(book, min(life.delivered_at or before for life in done)) if book.facts else 0
        if book.facts and book.facts.parks_alone and grown >= len(done):
            fact = MessageFact("parking_grew", {"queue": book.facts.parking, "messages": str(grown)})
            for life in done:
                since = life.delivered_at or before
                yield Ruling(life, Verdict.DEAD_LETTERED, INFERRED, (fact,), since, count.sent, ends=True)
        else:
            yield from (Ruling(life, settled_at=count.sent, why="none_unacked") for life in done)


def _is_comparable(received: float, proofs: Iterable[tuple[float, float]]) -> bool:
    """Whether all that was traced before a count had been read soon after it."""
    read_at = next((at for until, at in proofs if until > received + MARGIN_SECONDS), None)
    return read_at is not None and read_at <= received + _LAG_SECONDS


def _all_stand(book: Book, sample: QueueSample, sure: int) -> bool:
    """Whether the count covers these messages and all others that may have been counted: then each of these was there."""
    others = len(book.pending) - sure + sum(1 for _, at in book.recent if at > sample.sent)
    return sample.ready >= sure + others and (sample.consumers == 0 or not book.unsettled)


def _since(life: Life) -> float:
    return life.finding.since.timestamp() if life.finding else 0.0


def _was_refused(facts: QueueFacts | None, life: Life) -> bool | None:
    """Whether the queue was full when the message came, and refuses what comes then; None: not known."""
    full = facts and facts.rejects and facts.length_max is not None and life.ahead >= facts.length_max
    return True if full else None


def _which(book: Book, sample: QueueSample, sure: list[Life], missing: int) -> list[Life]:
    """Which messages are the missing ones, as far as that can be told; `sure` must be in the queue, oldest first."""
    if sample.ready == 0:
        return sure
    facts = book.facts
    full = bool(facts and facts.length_max is not None and sample.ready >= facts.length_max)
    if full and facts and facts.rejects and sample.consumers == 0:
        return sure[-missing:]
    if full and facts and not facts.rejects and not facts.priorities:
        return sure[:missing]
    found: dict[str, Life] = {}
    if facts is None or not facts.priorities:
        overtaken = [life for life in sure if life.waiting_since < book.newest_delivered]
        if len(overtaken) <= missing:
            found |= {life.key: life for life in overtaken}
        present = [life for life in sure if life.waiting_since < book.present_until]
        dropped = missing - (len(sure) - len(present))  # the others may never have been there
        found |= {life.key: life for life in present[: max(0, dropped)]}
    return list(found.values())


def _reason(book: Book, life: Life, present: bool, sure: int, now: float) -> tuple[Verdict, float]:
    facts = book.facts or QueueFacts(book.queue)
    if facts.rejects and not present:
        return Verdict.OVERFLOW_REJECTED, LIKELY
    lifetimes = [seconds for seconds in (facts.ttl_seconds, life.expires_seconds) if seconds is not None]
    if lifetimes and now - life.waiting_since > min(lifetimes):
        return Verdict.EXPIRED, LIKELY
    if facts.length_max is not None and not facts.rejects and sure > facts.length_max:
        return Verdict.MAXLEN, LIKELY
    if facts.dead_letter_exchange and not facts.ours and _growth(book, life.waiting_since) > 0:
        return Verdict.DEAD_LETTERED, INFERRED
    return Verdict.REMOVED, LIKELY


def _growth(book: Book, since: float) -> int:
    """By how much the queue that takes this one's dead letters has grown since then."""
    earlier = [ready for at, ready in book.parked if at <= since]
    later = [ready for at, ready in book.parked if at > since]
    return max(later) - earlier[-1] if earlier and later else 0
