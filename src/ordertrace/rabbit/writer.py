"""Collects what a watch learns and writes it in batches: steps of messages, findings, and facts about orders.

Bounded by what may be unacknowledged at the broker: nothing is acknowledged there before it is written here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from ..metrics import Metrics
from ..model.flow import Flow
from ..model.message import STUCK, MessageFinding
from ..store.messages import MessageStore
from ..store.store import Row, Store
from .lives import Life, Settled
from .tap_record import DeadLetter, TapRecord

Tell = Callable[[Sequence[datetime]], None]
Review = Callable[[Iterable[str]], None]

_FACT_COLUMNS = (
    "order_id", "at", "event_id", "system", "kind", "span_kind", "name", "status", "rank", "trace_id", "span_id",
    "message_id", "destination", "queue", "joined_by", "confidence", "inserted_at",
)  # fmt: skip
_DELIVERY_COLUMNS = (
    "broker", "channel", "at", "key", "queue", "exchange", "routing_key", "order_id", "system", "found", "inserted_at",
)  # fmt: skip
_FACT_CONFIDENCE = 0.95
_AFTERWARDS = ("settled", "unseen")


class MessageWriter:
    """Rows of one broker on their way into the store."""

    def __init__(
        self, broker: str, flow: Flow, store: Store, metrics: Metrics, tell: Tell, review: Review | None
    ) -> None:
        self._broker = broker
        self._flow = flow
        self._systems = {system.name for system in flow.systems}
        self._store = store
        self._messages = MessageStore(store)
        self._metrics = metrics
        self._tell = tell
        self._review = review
        self._events: list[Row] = []
        self._facts: list[Row] = []
        self._findings: list[MessageFinding] = []
        self._deliveries: list[Row] = []
        self._inserted_at = datetime.fromtimestamp(0, UTC)

    @property
    def rows(self) -> int:
        """How many rows wait to be written."""
        return len(self._events) + len(self._facts) + len(self._findings)

    def take_record(self, record: TapRecord) -> None:
        """A message that was published or delivered."""
        published = record.kind == "published"
        kind = "redelivered" if record.redelivered else record.kind
        system, status = self._publisher(record) if published else (record.peer, "")
        at, found = _time(record.at), {**record.found, "peer": record.peer}
        for queue in record.queues or ("",):
            self._events.append(
                (self._broker, record.key, queue, at, kind, record.message_id, record.exchange, record.routing_key,
                 record.order_id, record.status, system, "", record.trace_id, record.span_id, record.correlation_id, found)
            )  # fmt: skip
            state = "delivered" if not published else "queued" if queue else "published"
            self._metrics.messages.labels(queue, state).inc()
        if not published and system in self._systems:  # whatever it is about: sequences are compared
            self._deliveries.append(
                (
                    self._broker,
                    record.channel,
                    at,
                    record.key,
                    record.queues[0],
                    record.exchange,
                    record.routing_key,
                    record.order_id,
                    system,
                    found,
                )
            )
        if record.order_id and not record.redelivered:
            self._facts.append(self._fact(record, at, system, status))

    def take_dead_letter(self, letter: DeadLetter) -> None:
        """A message that the broker took out of a queue."""
        self._events.append(
            (self._broker, letter.key, letter.queue, _time(letter.at), "dead_lettered", letter.message_id,
             letter.exchange, letter.routing_key, letter.order_id, letter.status, "", letter.reason, letter.trace_id,
             letter.span_id, letter.correlation_id, {**letter.found, "exchange": letter.exchange})
        )  # fmt: skip

    def take_settled(self, settled: Sequence[Settled], vanished: Sequence[Life], now: datetime) -> None:
        """Messages that are done with, and those that are gone without anybody having seen how."""
        for done in settled:
            self._events.append(_step(self._broker, done.key, done.queue, _time(done.at), "settled", done.why))
            self._metrics.messages.labels(done.queue, "settled").inc()
        for life in vanished:
            self._events.append(_step(self._broker, life.key, life.queue, now, "unseen", ""))
            self._metrics.messages.labels(life.queue, "unseen").inc()

    def take_findings(self, findings: Sequence[MessageFinding]) -> None:
        """Verdicts raised and cleared, in order."""
        self._findings.extend(findings)
        for finding in findings:
            if finding.cleared_at is not None:
                continue
            self._metrics.messages_lost.labels(finding.queue, finding.verdict.value).inc()
            if finding.verdict not in STUCK:
                self._metrics.messages.labels(finding.queue, "lost").inc()
            delay = (finding.detected_at - finding.known_at).total_seconds()
            self._metrics.detection_delay.labels(finding.verdict.value).observe(max(0.0, delay))

    async def flush(self, now: datetime) -> None:
        """Writes everything, synced, and tells of changed orders; what cannot be written now stays. Raises as the store."""
        if not self.rows:
            return
        events, facts, findings = (
            self._events[:],
            self._facts[:],
            self._findings[:],
        )  # more come while these are written
        inserted_at = self._next_insertion(now)
        writing: list[Awaitable[None]] = []
        if findings:
            writing.append(self._messages.save_findings(self._broker, findings, inserted_at))
        if facts:
            rows = [(*row, inserted_at) for row in facts]
            writing.append(self._store.insert("told_events", _FACT_COLUMNS, rows))
        if events:
            steps, found = [(*row[:-1], inserted_at) for row in events], [row[-1] for row in events]
            writing.append(self._messages.save_events(steps, found))
        if deliveries := self._deliveries[:]:
            rows = [(*row, inserted_at) for row in deliveries]
            writing.append(self._store.insert("channel_deliveries", _DELIVERY_COLUMNS, rows))
        await asyncio.gather(*writing)  # what is written twice after a failure is one row
        del self._events[: len(events)], self._findings[: len(findings)], self._facts[: len(facts)]
        del self._deliveries[: len(deliveries)]
        if facts or any(row[4] not in _AFTERWARDS for row in events):  # an answer may name its order by what it answers
            self._tell([inserted_at])
        if self._review and (orders := {finding.order_id for finding in findings if finding.order_id}):
            self._review(orders)

    def _publisher(self, record: TapRecord) -> tuple[str, str]:
        """(system, status): the status only where the publisher is the system that brings it about, not one that repeats it."""
        step = self._flow.step(record.status)
        system = record.peer
        if system not in self._systems and step and self._flow.system(step.system).closed:
            system = step.system
        own = system in self._systems and step and step.system == system
        return system, record.status if own else ""

    def _fact(self, record: TapRecord, at: datetime, system: str, status: str) -> Row:
        published = record.kind == "published"
        queue = "" if published else record.queues[0]
        told = f"{self._broker}\0{record.key}\0{queue}\0{record.kind}"
        return (
            record.order_id, at, hashlib.sha256(told.encode()).hexdigest()[:16], system,
            "send" if published else "receive", "Producer" if published else "Consumer",
            f"{record.exchange} send" if published else f"{queue} receive",
            status, self._flow.rank(status), record.trace_id, "", record.message_id,
            f"{record.exchange}:{record.routing_key}", queue, "message", _FACT_CONFIDENCE,
        )  # fmt: skip

    def _next_insertion(self, now: datetime) -> datetime:
        """A time of insertion, in whole ms, that no other batch of ours has."""
        rounded = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._inserted_at = max(rounded, self._inserted_at + timedelta(milliseconds=1))
        return self._inserted_at


def _step(broker: str, key: str, queue: str, at: datetime, kind: str, reason: str) -> Row:
    return broker, key, queue, at, kind, "", "", "", "", "", "", reason, "", "", "", {}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
