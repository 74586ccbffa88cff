"""The watch of one broker: a session after another, a detector that outlives them, and a writer.

While no heartbeat comes back, nothing is judged; the span is kept as a gap, and what was in flight across it is left open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from aio_pika.abc import AbstractConnection

from ..errors import OrdertraceError
from ..metrics import Metrics
from ..model.message import BrokerSight, MessageLife, Republication, WatchGap
from ..settings.brokers import BrokerSettings
from ..store.messages import InFlight, MessageStore
from ..store.republications import RepublicationStore
from ..store.store import Store
from .dead_letters import DeadLetters
from .detector import Detector
from .events import BrokerEvents
from .horizon import Horizon
from .kept import Kept
from .link import LINK_ERRORS, end_if_cancelled, pause
from .lives import Bounds, Life
from .management import Management, vhost_of
from .peers import Peers
from .queues import QueueCounter, QueueLists
from .republisher import Republisher
from .session import Sources
from .tap import Tap
from .tap_record import DeadLetter, RecordReader, TapRecord
from .writer import MessageWriter

_log = structlog.get_logger(__name__)
_TICK_SECONDS = 0.2
_AGAIN_SECONDS = 0.2  # between two counts at least
_FIRST_RETRY_SECONDS = 0.25
_RETRY_SOON_SECONDS, _SOON_SECONDS = 1.0, 60.0
_SAMPLES_EVERY_SECONDS = 5.0
_STOP_SECONDS = 5.0


class BrokerWatch:
    """The watch of one broker; `run` it in a task."""

    def __init__(
        self,
        settings: BrokerSettings,
        reader: RecordReader,
        peers: Peers,
        management: Management | None,
        store: Store,
        writer: MessageWriter,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._messages = MessageStore(store)
        self._writer = writer
        self._management = management
        self.detector = Detector(Bounds(settings), expects_facts=management is not None)
        kept = Kept(settings.republish, reader)
        self._republisher = Republisher(settings, reader, kept, RepublicationStore(store), self._gaps_since)
        self._tap = Tap(
            settings, reader, peers, self._take_record, self._take_beat, self._take_drop, kept, self._republisher.see
        )
        self._dead_letters = DeadLetters(settings, reader, self._take_dead_letter)
        self._lists = (
            QueueLists(management, vhost_of(settings), self.detector, peers, settings.queues_max)
            if management is not None
            else None
        )
        events = BrokerEvents(
            settings,
            self.detector.queue_deleted,
            peers.name_connection,
            self._lists.look_again if self._lists else _pass,
        )
        counter = QueueCounter(settings, self.detector)
        self._counter = counter
        self._sources = Sources(
            settings, self.detector, self._tap, self._dead_letters, kept, events, counter, self._lists
        )
        self._connected_since: float | None = None
        self._changed_at = time.time()
        self._unanswered = 0
        self._horizon = Horizon(settings.name, self.detector, metrics)
        self._lag = 0.0
        self._sampled_at = time.monotonic()
        self._sampled: dict[str, tuple[int, int]] = {}
        self._sessions = 0
        self._missing = asyncio.Event()

    # Lifecycle

    async def run(self) -> None:
        """Watches until cancelled."""
        await self._restore()
        retry = _FIRST_RETRY_SECONDS
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._judge(), name=f"judge {self._settings.name}")
            tasks.create_task(self._keep(), name=f"keep {self._settings.name}")
            while True:
                try:
                    async with self._sources.session(self._on_connected):
                        retry = _FIRST_RETRY_SECONDS
                        await self._work()
                except OrdertraceError as error:
                    self._lose(str(error))
                except LINK_ERRORS as error:
                    self._lose(f"the connection ended: {type(error).__name__}")
                await pause(retry)
                retry = min(2 * retry, self._retry_max())

    def _retry_max(self) -> float:
        """A broker that has just gone comes back soon as a rule, and what it lost is to be told soon after that."""
        usual = self._settings.reconnect_max.total_seconds()
        return min(_RETRY_SOON_SECONDS, usual) if time.time() - self._changed_at < _SOON_SECONDS else usual

    async def stop(self) -> None:
        """Writes what is left."""
        try:
            await asyncio.wait_for(self._write(time.time()), _STOP_SECONDS)
        except (OrdertraceError, TimeoutError) as error:
            _log.error("the last messages were not written", broker=self._settings.name, reason=str(error))

    def sight(self) -> BrokerSight:
        """How well the broker is watched now."""
        return BrokerSight(
            broker=self._settings.name,
            connected=self._connected_since is not None,
            since=_time(self._changed_at),
            sources=tuple(self._sources.sights.values()),
            last_heartbeat=_time(self._horizon.seen_until) if self._horizon.seen_until else None,
            lag_seconds=round(self._lag, 3) if self._horizon.seen_until else None,
            gaps=self._horizon.gaps,
        )

    @property
    def name(self) -> str:
        return self._settings.name

    async def republish(self, life: MessageLife, by: str) -> Republication:
        """Sends a lost message again; see `Republisher.republish`."""
        sees = self._horizon.gap is None and self._horizon.seen_until > 0 and self._connected_since is not None
        return await self._republisher.republish(life, by, sees)

    # What the sources tell

    def _take_record(self, record: TapRecord) -> bool:
        """Whether that was news."""
        if news := self.detector.feed(record):
            self._writer.take_record(record)
        return news

    def _take_dead_letter(self, letter: DeadLetter) -> None:
        self._writer.take_dead_letter(letter)
        self.detector.dead_letter(letter)

    def _take_beat(self, sent: float) -> None:
        self._unanswered = 0
        now = time.time()
        self._lag = max(0.0, now - sent)
        self._metrics.tap_lag.labels(self._settings.name).set(self._lag)
        self._horizon.take_beat(sent, now)
        self._tick(now)  # counts may be compared now with what was read

    def _take_drop(self) -> None:
        """The tap overflowed: what was dropped was the oldest."""
        self._metrics.limits_hit.labels("tap_messages").inc()
        self._horizon.lose_sight("tap_overflow", time.time())

    # Sessions

    async def _on_connected(self, connection: AbstractConnection, tap_is_there: bool) -> None:
        now = time.time()
        self._connected_since = self._changed_at = now
        self._unanswered = 0
        self._republisher.connected(now)
        _log.info("watching", broker=self._settings.name)
        if not tap_is_there and self._horizon.seen_until:
            if self._sessions:
                await self._compare(connection)
            self._horizon.lose_sight("broker_restarted" if self._sessions else "ordertrace_stopped", now)
        elif self._horizon.gap is None and not self._horizon.seen_until:
            self._horizon.lose_sight("starting", now, start=now)
        self._sessions += 1

    async def _compare(self, connection: AbstractConnection) -> None:
        """What of the messages that waited before a restart is still there."""
        for queue in [book.queue for book in self.detector.books.values() if book.queue and book.pending]:
            found = await self._counter.count_one(connection, queue)
            self.detector.restarted(queue, found[0] if found else None, time.time())

    async def _work(self) -> None:
        """Until the connection ends."""
        end_if_cancelled()
        connection = self._sources.connection
        assert connection is not None
        closing = asyncio.ensure_future(connection.closed())
        loops = [
            asyncio.create_task(self._beat()),
            asyncio.create_task(self._count_queues()),
            asyncio.create_task(self._every(self._settings.poll.total_seconds(), self._sources.count_unacked)),
            asyncio.create_task(self._every(self._settings.management_poll.total_seconds(), self._sources.read_lists)),
        ]
        try:
            done, _ = await asyncio.wait([closing, *loops], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise ConnectionError("closed by the broker")
        finally:
            for task in (closing, *loops):
                task.cancel()
            await asyncio.gather(closing, *loops, return_exceptions=True)

    async def _beat(self) -> None:
        """Sends heartbeats, and calls the watch blind when none of several comes back although nothing else does."""
        interval, blind_after = self._settings.beat.total_seconds(), self._settings.blind_after.total_seconds()
        while True:
            if self._sources.sights["tap"].on:
                await self._tap.beat(time.time())
                self._unanswered += 1
                silent = time.time() - self._tap.read_at >= blind_after
                if self._unanswered * interval > blind_after and silent:
                    self._metrics.heartbeats_missed.labels(self._settings.name).inc()
                    self._horizon.lose_sight("tracing_off", time.time())
            await pause(interval)

    async def _count_queues(self) -> None:
        """Counts at the usual pace, and quicker where something seems to be missing and is to be counted once more."""
        poll = self._settings.poll.total_seconds()
        while True:
            self._missing.clear()
            await self._sources.count_queues()
            await pause(min(_AGAIN_SECONDS, poll))
            missing = asyncio.create_task(self._missing.wait())
            try:  # not by asyncio.wait_for, see end_if_cancelled
                await asyncio.wait([missing], timeout=max(0.0, poll - _AGAIN_SECONDS))
            finally:
                missing.cancel()

    async def _every(self, seconds: float, work: object) -> None:
        assert callable(work)
        while True:
            await work()
            await pause(seconds)

    def _lose(self, reason: str) -> None:
        if self._connected_since is not None or self._sessions == 0:
            _log.warning("not watching", broker=self._settings.name, reason=reason)
        if self._connected_since is not None:
            self._changed_at = time.time()
        self._connected_since = None

    # Judging and writing

    async def _judge(self) -> None:
        """Ticks, also while there is no connection and while something is being written."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._tick(time.time())

    def _tick(self, now: float) -> None:
        self._writer.take_findings(self.detector.tick(now))
        if any(book.suspects for book in self.detector.books.values()):
            self._missing.set()

    async def _keep(self) -> None:
        """Writes again and again; what cannot be written stays and is not acknowledged."""
        while True:
            await pause(_TICK_SECONDS)
            try:
                await self._write(time.time())
            except OrdertraceError as error:
                _log.error("messages are not written", broker=self._settings.name, reason=str(error))
                await asyncio.sleep(1.0)
            except LINK_ERRORS:  # the session notices
                pass

    async def _write(self, now: float) -> None:
        at = _time(now)
        marks = self._tap.mark(), self._dead_letters.mark()
        self._writer.take_findings(self.detector.tick(now))
        self._writer.take_settled(*self.detector.take_settled(), at)
        self._count()
        while unsaved := self._horizon.unsaved:
            await self._messages.save_gap(unsaved[0], at)
            del unsaved[0]
        await self._writer.flush(at)
        await self._republisher.flush(at)
        await self._sample(at)
        await self._tap.acknowledge(marks[0])
        await self._dead_letters.acknowledge(marks[1])
        if self._horizon.gap is None and self._connected_since is not None:
            await self._republisher.settle(self._horizon.seen_until, at)

    def _count(self) -> None:
        records, self._tap.records = self._tap.records, 0
        self._metrics.tap_records.labels(self._settings.name).inc(records)
        for limit, times in self.detector.limits_hit.items():
            self._metrics.limits_hit.labels(limit).inc(times)
        self.detector.limits_hit.clear()
        for name, source in self._sources.sights.items():
            self._metrics.watch_sources.labels(self._settings.name, name).set(source.on)

    async def _sample(self, now: datetime) -> None:
        """Queues as they stand, every few seconds."""
        passed = time.monotonic() - self._sampled_at
        if passed < _SAMPLES_EVERY_SECONDS or self._connected_since is None:
            return
        self._sampled_at = time.monotonic()
        listed = self._lists.ready if self._lists else {}
        names = {*listed, *(book.queue for book in self.detector.books.values() if book.queue)}
        rows = [self._sample_of(name, listed.get(name), now, passed) for name in names]
        if rows:
            await self._messages.save_queues(rows)

    def _sample_of(
        self, queue: str, listed: tuple[int, int, int] | None, now: datetime, passed: float
    ) -> tuple[object, ...]:
        book = self.detector.books.get(queue)
        published, delivered = (book.published_count, book.delivered_count) if book else (0, 0)
        before = self._sampled.get(queue, (published, delivered))
        self._sampled[queue] = published, delivered
        waiting = book.pending if book else {}
        counted = book.judged if book and waiting else None
        ready = counted.ready if counted else listed[0] if listed else len(waiting)
        oldest = next(iter(waiting.values())).waiting_since if waiting else 0.0
        consumers = listed[2] if listed else counted.consumers if counted else -1
        return (
            self._settings.name, queue, now, ready, listed[1] if listed else -1, consumers, _time(oldest),
            (published - before[0]) / passed, (delivered - before[1]) / passed,
        )  # fmt: skip

    async def _gaps_since(self, since: datetime) -> Sequence[WatchGap]:
        return await self._messages.gaps(since, self._settings.name)

    async def _restore(self) -> None:
        """Goes on with what an earlier process of ours had in flight."""
        while True:
            try:
                last = await self._messages.last_watched(self._settings.name)
                lives = await self._messages.in_flight(
                    self._settings.name, datetime.now(UTC), self._settings.in_flight_max
                )
                await self._republisher.restore()
                break
            except OrdertraceError as error:
                _log.error("cannot read what was in flight", broker=self._settings.name, reason=str(error))
                await asyncio.sleep(5.0)
        self._horizon.seen_until = last.timestamp() if last else 0.0
        for life in lives:
            self.detector.restore(_to_life(life))


def _to_life(known: InFlight) -> Life:
    return Life(
        key=known.key,
        queue=known.queue,
        order_id=known.order_id,
        exchange=known.exchange,
        routing_key=known.routing_key,
        published_at=known.published_at,
        waiting_since=known.published_at or 0.0,
        published=known.published,
        delivered_at=known.delivered_at,
        delivered=known.delivered,
        consumer=known.consumer,
        dead_taken=known.dead,
        finding=known.finding,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _pass() -> None:
    """Nobody reads bindings without the management API."""
