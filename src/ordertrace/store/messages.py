"""Reading and writing what is known of messages: rows ↔ model. Judges nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..errors import NotFound
from ..model.message import (
    FailedGroup,
    MessageEvent,
    MessageFact,
    MessageFilter,
    MessageFinding,
    MessageLife,
    MessagePage,
    MessageState,
    QueueSight,
    Verdict,
    WatchGap,
)
from .cursor import offset_of
from .store import Row, Store

_EPOCH = datetime.fromtimestamp(0, UTC)
_RECENT = timedelta(hours=1)
_JUDGED = timedelta(days=30)
LIVES_AN_ORDER, _ORDERS_A_QUERY = 200, 100

EVENT_COLUMNS = (
    "broker", "key", "queue", "at", "kind", "message_id", "exchange", "routing_key", "order_id", "status", "system",
    "reason", "trace_id", "span_id", "correlation_id", "inserted_at",
)  # fmt: skip
FINDING_COLUMNS = (
    "broker", "key", "queue", "order_id", "verdict", "confidence", "evidence", "since", "detected_at", "cleared_at",
    "inserted_at",
)  # fmt: skip
SAMPLE_COLUMNS = (
    "broker", "queue", "at", "ready", "unacked", "consumers", "oldest_at", "published_rate", "delivered_rate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InFlight:
    """A life to go on with after a restart of ours; times in seconds since 1970, None where it did not happen."""

    key: str
    queue: str
    exchange: str
    routing_key: str
    order_id: str
    published_at: float | None
    delivered_at: float | None
    published: int
    delivered: int
    consumer: str
    finding: MessageFinding | None
    dead: int


class MessageStore:
    """Messages, findings, gaps and queues of all watched brokers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find_messages(self, query: MessageFilter, now: datetime) -> MessagePage:
        """One page of lives, newest first. Without `since`, those of the last hour, or of 30 days with a verdict."""
        judged = bool(query.verdict or query.state == MessageState.LOST)
        since = query.since or now - (_JUDGED if judged or query.order else _RECENT)
        offset = offset_of(query.cursor)
        lives = await self._lives(
            query, since, judged, [], [query.order] if query.order else [], query.limit + 1, offset
        )
        following = str(offset + query.limit) if len(lives) > query.limit else None
        return MessagePage(tuple(lives[: query.limit]), following)

    async def get_message(self, message: str) -> tuple[MessageLife, ...]:
        """All lives of one message, by its key or message id. Raises NotFound."""
        keys = [row[0] for row in await self._store.query("message_keys", {"id": message})]
        lives = await self._lives(MessageFilter(cleared=True), _EPOCH, False, keys, [], 100, 0) if keys else []
        if not lives:
            raise NotFound(f"no message {message[:80]!r} was seen")
        return tuple(lives)

    async def steps(self, key: str) -> tuple[MessageEvent, ...]:
        """Every step of one message, earliest first."""
        return tuple(MessageEvent(*row) for row in await self._store.query("message_steps", {"key": key}))

    async def messages_of_orders(self, order_ids: Sequence[str]) -> dict[str, list[MessageLife]]:
        """The messages about each of these orders, earliest first; orders without any are left out.

        Of an order with more than LIVES_AN_ORDER, those that say a status or have a verdict, and the newest of the others.
        """
        found: dict[str, list[MessageLife]] = defaultdict(list)
        for first in range(0, len(order_ids), _ORDERS_A_QUERY):
            some = order_ids[first : first + _ORDERS_A_QUERY]
            most = len(some) * LIVES_AN_ORDER
            for life in await self._lives(MessageFilter(), _EPOCH, False, [], some, most, 0, each=LIVES_AN_ORDER):
                found[life.order_id].append(life)
        for lives in found.values():
            lives.sort(
                key=lambda life: (life.published_at or life.delivered_at or life.since or _EPOCH, life.key, life.queue)
            )
        return {order_id: found[order_id] for order_id in order_ids if order_id in found}

    async def queues(self, now: datetime) -> tuple[QueueSight, ...]:
        """Every queue that was seen in the last minutes, as it stood last."""
        rows = await self._store.query("queues_seen", {"since": now - timedelta(minutes=10)})
        return tuple(_queue(row) for row in rows)

    async def queue_courses(self, since: datetime, until: datetime, spans: int) -> Sequence[Row]:
        """(broker, queue, start, ready, published a second, delivered a second) of all queues in equal spans, oldest first."""
        seconds = max(5, int((until - since).total_seconds() / max(1, spans)))
        return await self._store.query("queue_courses", {"since": since, "until": until, "seconds": seconds})

    async def gaps(self, since: datetime, broker: str = "") -> tuple[WatchGap, ...]:
        """Spans that lasted at some time since then, newest first."""
        rows = await self._store.query("watch_gaps", {"since": since, "broker": broker})
        return tuple(WatchGap(row[0], row[1], _time(row[2]), row[3]) for row in rows)

    async def covered_statuses(self) -> tuple[datetime | None, frozenset[str]]:
        """Since when messages are seen, and the statuses that they have carried lately."""
        ((since, statuses),) = await self._store.query("covered_statuses")
        return (since, frozenset(statuses)) if statuses else (None, frozenset())

    async def failed_groups(self, now: datetime) -> tuple[FailedGroup, ...]:
        """Messages with a verdict in force, by queue and verdict, newest first."""
        rows = await self._store.query("failed_messages", {"since": now - _JUDGED})
        return tuple(
            FailedGroup(r[0], r[1], Verdict(r[2]), r[3], r[4], r[5], r[6], tuple(sorted(r[7])), r[8]) for r in rows
        )

    async def failed_groups_by_error(self, now: datetime) -> tuple[FailedGroup, ...]:
        """The same, also by routing key and by the exception of their reader, where one was seen."""
        rows = await self._store.query("failed_groups", {"since": now - _JUDGED})
        return tuple(
            FailedGroup(r[0], r[1], Verdict(r[2]), r[3], r[4], r[5], r[6], tuple(sorted(r[7])), r[8], r[9])
            for r in rows
        )

    async def in_flight(self, broker: str, now: datetime, limit: int) -> list[InFlight]:
        """What a watch goes on with after a restart of ours, earliest first."""
        parameters = {
            "broker": broker, "since": now - timedelta(days=3), "recent": now - timedelta(minutes=15), "limit": limit,
        }  # fmt: skip
        return [_in_flight(row) for row in reversed(await self._store.query("messages_in_flight", parameters))]

    async def last_watched(self, broker: str) -> datetime | None:
        """Until when the broker was surely watched by an earlier process."""
        rows = await self._store.query("watch_last", {"broker": broker})
        return _time(rows[0][0]) if rows else None

    async def save_events(self, rows: Sequence[Row], found: Sequence[Mapping[str, str]] = ()) -> None:
        """Rows of EVENT_COLUMNS, and what each rule for messages found in each of them (none: nothing)."""
        whole = [(*row, dict(each)) for row, each in zip(rows, found or [{}] * len(rows), strict=True)]
        await self._store.insert("message_events", (*EVENT_COLUMNS, "found"), whole)

    async def save_findings(self, broker: str, findings: Sequence[MessageFinding], now: datetime) -> None:
        """Puts these in force, in place of earlier ones about the same messages; later ones of the list win."""
        newest = {(finding.key, finding.queue): finding for finding in findings}
        rows = [_finding_row(broker, finding, now) for finding in newest.values()]
        await self._store.insert("message_findings", FINDING_COLUMNS, rows)

    async def save_gap(self, gap: WatchGap, now: datetime) -> None:
        """A span, or its end: the same broker and start is the same span."""
        row = (gap.broker, gap.start, gap.until or _EPOCH, gap.reason, now)
        await self._store.insert("watch_gaps", ["broker", "start", "until", "reason", "inserted_at"], [row])

    async def save_queues(self, rows: Sequence[Row]) -> None:
        """Rows of SAMPLE_COLUMNS."""
        await self._store.insert("queue_samples", SAMPLE_COLUMNS, rows)

    async def _lives(
        self,
        query: MessageFilter,
        since: datetime,
        judged: bool,
        keys: Sequence[str],
        orders: Sequence[str],
        limit: int,
        offset: int,
        each: int = 0,
    ) -> list[MessageLife]:
        parameters = {
            "broker": query.broker, "queue": query.queue, "state": query.state, "verdict": query.verdict,
            "cleared": query.cleared, "since": since, "judged": judged, "keys": list(keys), "orders": list(orders),
            "limit": limit, "offset": offset, "each": each or limit + offset, "telling": bool(each),
        }  # fmt: skip
        return [_life(row) for row in await self._store.query("find_messages", parameters)]


def _time(microseconds: int) -> datetime | None:
    return datetime.fromtimestamp(microseconds / 1e6, UTC) if microseconds else None


def _life(row: Row) -> MessageLife:
    said = row[23]
    broker, key, message_id, exchange, routing_key, queue, order_id, status = row[:8]
    return MessageLife(
        broker=broker,
        key=key,
        message_id=message_id,
        exchange=exchange,
        routing_key=routing_key,
        queue=queue,
        order_id=order_id,
        status=status,
        published_at=_time(row[8]),
        delivered_at=_time(row[9]),
        settled_at=_time(row[10]),
        publisher=row[11],
        consumer=row[12],
        redeliveries=row[13],
        state=MessageState(row[14]),
        verdict=Verdict(said) if said else None,
        confidence=round(row[16], 3),
        since=_time(row[17]),
        detected_at=_time(row[18]),
        cleared_at=_time(row[19]),
        evidence=_facts(row[20]),
        trace_id=row[21],
        span_id=row[22],
    )


def _facts(evidence: Sequence[tuple[str, dict[str, str]] | dict[str, object]]) -> tuple[MessageFact, ...]:
    return tuple(
        MessageFact(str(fact["kind"]), fact["facts"]) if isinstance(fact, dict) else MessageFact(fact[0], fact[1])  # type: ignore[arg-type]
        for fact in evidence
    )


def _queue(row: Row) -> QueueSight:
    broker, queue, at, ready, unacked, consumers, oldest, published, delivered, stuck, lost = row
    return QueueSight(
        broker,
        queue,
        at,
        ready,
        unacked if unacked >= 0 else None,
        consumers if consumers >= 0 else None,
        _time(oldest * 1000),
        round(published, 3),
        round(delivered, 3),
        stuck,
        lost,
    )


def _in_flight(row: Row) -> InFlight:
    finding = None
    if row[10]:
        finding = MessageFinding(
            row[0],
            row[1],
            Verdict(row[10]),
            round(row[11], 3),
            _facts(row[14]),
            row[12],
            row[12],
            row[13],
            None,
            row[4],
        )
    return InFlight(
        key=row[0],
        queue=row[1],
        exchange=row[2],
        routing_key=row[3],
        order_id=row[4],
        published_at=row[5] / 1e6 or None,
        delivered_at=row[6] / 1e6 or None,
        published=row[7],
        delivered=row[8],
        consumer=row[9],
        finding=finding,
        dead=row[15],
    )


def _finding_row(broker: str, finding: MessageFinding, now: datetime) -> Row:
    return (
        broker,
        finding.key,
        finding.queue,
        finding.order_id,
        finding.verdict.value,
        finding.confidence,
        [(fact.kind, dict(fact.values)) for fact in finding.evidence],
        finding.since,
        finding.detected_at,
        finding.cleared_at or _EPOCH,
        now,
    )
