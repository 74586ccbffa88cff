"""From a request to durable rows: checked, journaled, answered; then written to the store in groups and joined to orders.

    admit → journal thread (one sync for all that wait) → answer
            └ a full or old enough segment → store thread (one INSERT a segment) → join → segment removed

Everything is in order and bounded by bytes; each kind of request has a lane of its own up to the store. What the store
refuses is split until the bad request stands alone. A request that was acknowledged lately is not written again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from ..errors import Invalid, OrdertraceError, Overloaded, TooLarge, Unavailable
from ..metrics import Metrics
from ..privacy.keys import open_key_ring
from ..settings import Settings, data_directory
from ..store.log_writer import LogWriter
from ..store.span_writer import SpanWriter
from ..store.store import Store
from ..store.zipkin_writer import ZipkinWriter
from .backlog import Backlog, Join
from .check import Checked, LogCheck, TraceCheck
from .demand import Demand
from .journal import Journal, Segment
from .kinds import Kind
from .repeats import Repeats
from .searching import may_mention
from .storing import Check, GroupStorer, too_little_left
from .zipkin import ZipkinCheck

_DRAIN_SECONDS, _DRAIN_TROUBLED_SECONDS = 30.0, 3.0
_GUARD_SECONDS = 0.5
_CLOCK_GRAIN_SECONDS = 0.002  # uvloop's clock counts whole milliseconds: a timer may ring before its time

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """An acknowledged request: how many of its spans or log records are kept, how many not, and why not (empty if all are)."""

    count: int
    refused: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    checked: Checked
    digest: bytes
    answer: asyncio.Future[None]


@dataclass(slots=True)
class _Lane:
    """The way of one kind of request as far as the store."""

    check: Check
    waiting: list[_Waiting] = field(default_factory=list)


class Intake:
    """Takes requests while entered; leaving it stores and joins all that was acknowledged.

    `join` derives the order facts of groups just inserted, named by their times of insertion; it is never called twice
    at a time, and may be called again with a group after a crash.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, store: Store, join: Join, demand: Demand | None = None
    ) -> None:
        self._bounds = settings.journal
        self._request_bytes_max = settings.listen.request_bytes_max
        self._settings = settings
        self._metrics = metrics
        self._store = store
        self._join = join
        self._demand = demand or Demand(settings.journal)
        self._lanes = {
            Kind.SPANS: _Lane(TraceCheck(settings.privacy)),
            Kind.LOGS: _Lane(LogCheck(settings.privacy)),
            Kind.ZIPKIN: _Lane(ZipkinCheck()),
        }
        self._journal_thread = ThreadPoolExecutor(1, "journal")
        self._store_thread = ThreadPoolExecutor(1, "store-writer")
        self._in_flight: dict[bytes, asyncio.Future[None]] = {}
        self._wake = asyncio.Event()
        self._flushes: list[asyncio.Future[None]] = []
        self._queued_bytes = 0
        self._problems: dict[str, str] = {"intake": "the intake has not started"}
        self._started = self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Opens the journal and takes up what an earlier run left in it. Raises Unavailable."""
        directory = data_directory(self._settings)
        ring = open_key_ring(directory)
        place = Path(self._bounds.directory) if self._bounds.directory else directory / "journal"
        self._journal = Journal(place, ring)
        self._repeats = Repeats(
            place, ring.derive(b"repeats"), self._bounds.repeats_age, self._bounds.repeats_requests_max
        )
        left = self._journal.prepare()
        self._places = (place, directory) if directory.is_dir() else (place,)
        await asyncio.to_thread(self._recall, left)
        self._rings_at = 0.0  # uvloop's handles do not tell
        self._timer = asyncio.get_running_loop().call_later(0, self._wake.set)
        client = await asyncio.to_thread(self._store.connect)
        writers = {
            Kind.SPANS: SpanWriter(client, self._settings, self._metrics),
            Kind.LOGS: LogWriter(client, self._settings, self._metrics),
            Kind.ZIPKIN: ZipkinWriter(client, self._settings, self._metrics),
        }
        checks: dict[Kind, Check] = {kind: lane.check for kind, lane in self._lanes.items()}
        storer = GroupStorer(
            self._journal, writers, checks, self._metrics, self._places, self._bounds.free_bytes_min // 2
        )
        self._backlog = Backlog(
            self._journal,
            storer,
            self._repeats,
            self._join,
            self._metrics,
            self._problems,
            self._note_stored,
            self._store_thread,
            self._journal_thread,
        )
        for path in left:
            self._backlog.put(path)
        self._demand.serve(self._opened, self.flush, self._wake.set, self._mentions)
        self._started = True
        self._problems.clear()
        self._tasks = [
            asyncio.create_task(self._running(work(), name), name=name)
            for name, work in (
                ("journaling", self._journaling),
                ("storing", self._backlog.storing),
                ("joining", self._backlog.joining),
                ("guarding", self._guarding),
            )
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(_DRAIN_TROUBLED_SECONDS if self._problems else _DRAIN_SECONDS):
                drained = self.flush()
                self._stopping = True
                await drained
        except TimeoutError:
            _log.warning("stopped with requests in the journal; they are stored at the next start")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for answer in self._in_flight.values():
            answer.set_exception(Unavailable("the server is stopping; send again"))
        self._journal_thread.shutdown()
        self._store_thread.shutdown()
        for lane in self._lanes:
            self._journal.close_segment(lane)

    def ready(self) -> tuple[bool, str]:
        """Whether requests are taken and become rows, and what is in the way if not."""
        return not self._problems, "; ".join(self._problems.values())

    async def admit(self, payload: bytes, protocol: str, kind: Kind = Kind.SPANS) -> Admission:
        """Returns once the request survives a crash.

        Raises TooLarge or Invalid for the request itself, Overloaded when too much waits for the store, Unavailable
        when the journal cannot be written or the server is stopping.
        """
        if len(payload) > self._request_bytes_max:
            self._metrics.limits_hit.labels("request_bytes").inc()
            raise TooLarge(
                f"the request has {len(payload)} bytes, {self._request_bytes_max} are allowed; send less at a time"
            )
        checked = self._checked(payload, kind)
        if checked.count and await self._journaled(checked, kind):
            received = self._metrics.logs_received if kind is Kind.LOGS else self._metrics.spans_received
            received.labels(protocol).inc(checked.count)
        return Admission(checked.count, sum(checked.refused.values()), checked.message)

    async def flush(self) -> None:
        """Returns once all that was acknowledged before is stored and joined."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(done)
        self._wake.set()
        await done

    def _checked(self, payload: bytes, kind: Kind) -> Checked:
        refused = self._metrics.logs_refused if kind is Kind.LOGS else self._metrics.spans_refused
        try:
            checked = self._lanes[kind].check.check(payload)
        except Invalid:
            refused.labels("malformed").inc()
            raise
        for reason, count in checked.refused.items():
            refused.labels(reason).inc(count)
        if checked.refused and not checked.count:
            raise Invalid(checked.message)
        return checked

    async def _journaled(self, checked: Checked, kind: Kind) -> bool:
        """Returns once the request is in the journal: true for the first time, false where it was there before."""
        if self._stopping or not self._started:
            raise Unavailable("the server is stopping; send again")
        if full := self._problems.get("disk"):
            self._metrics.limits_hit.labels("free_bytes").inc()
            raise Unavailable(full)
        digest = self._repeats.digest(kind, checked.request)
        if digest in self._repeats or digest in self._in_flight:
            self._metrics.requests_repeated.inc()
            if answer := self._in_flight.get(digest):
                await asyncio.shield(answer)
            return False
        await self._queue(checked, kind, digest)
        return True

    async def _queue(self, checked: Checked, kind: Kind, digest: bytes) -> None:
        size = len(checked.request)
        if self._queued_bytes + size > self._bounds.queued_bytes_max:
            self._metrics.limits_hit.labels("queued_bytes").inc()
            raise Overloaded(
                f"{self._queued_bytes} bytes wait for the store, {self._bounds.queued_bytes_max} are allowed; send again later"
            )
        self._count_queued(size)
        answer = self._in_flight[digest] = asyncio.get_running_loop().create_future()
        self._lanes[kind].waiting.append(_Waiting(checked, digest, answer))
        self._wake.set()
        await asyncio.shield(answer)

    def _answer(self, batch: list[_Waiting], error: OrdertraceError | None) -> None:
        """Answers what waits for these requests; those that are not in the journal are forgotten."""
        for waiting in batch:
            self._in_flight.pop(waiting.digest, None)
            if error is None:
                self._repeats.add(waiting.digest)
            else:
                self._count_queued(-len(waiting.checked.request))
            if waiting.answer.done():
                continue
            if error is None:
                waiting.answer.set_result(None)
            else:
                waiting.answer.set_exception(Unavailable(str(error)))
                waiting.answer.exception()  # the sender may have left: then nobody asks

    def _count_queued(self, size: int) -> None:
        self._queued_bytes += size
        self._metrics.queued_bytes.set(self._queued_bytes)

    async def _running(self, work: Coroutine[None, None, None], name: str) -> None:
        """A task that ends by a fault of ours takes nothing more, and says so, instead of letting senders wait for ever."""
        try:
            await work
        except Exception as error:
            self._problems[name] = (
                f"{name} has stopped ({type(error).__name__}); start ordertrace again, nothing is lost"
            )
            self._stopping = True
            _log.critical("a part of the intake has stopped", part=name, exc_info=error)
            for answer in self._in_flight.values():
                answer.set_exception(Unavailable(self._problems[name]))
                answer.exception()
            self._in_flight.clear()

    async def _guarding(self) -> None:
        """Refuses requests while the disk is about to be full, and tries a journal that could not be written again."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                if too_little := await loop.run_in_executor(
                    self._journal_thread, too_little_left, self._places, self._bounds.free_bytes_min
                ):
                    self._problems["disk"] = too_little
                else:
                    self._problems.pop("disk", None)
                if "journal" in self._problems:
                    await loop.run_in_executor(self._journal_thread, self._journal.probe)
                    self._problems.pop("journal", None)
            except (OrdertraceError, OSError) as error:
                self._problems["journal"] = str(error)
            await asyncio.sleep(_GUARD_SECONDS)

    # Journal

    def _recall(self, left: Sequence[Path]) -> None:
        """Makes known what earlier runs have acknowledged, and what of it is still in the journal."""
        self._repeats.load()
        for path in left:
            try:
                kind = Kind(path.name.split("-")[1])
                for request in self._journal.requests_of(path):
                    self._repeats.add(self._repeats.digest(kind, request))
            except (OrdertraceError, ValueError, IndexError):
                continue  # said when it is its turn to be stored

    async def _journaling(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for kind, lane in self._lanes.items():
                while batch := self._next_batch(kind, lane):
                    await self._journal_batch(kind, batch)
                    if (segment := self._journal.segment(kind)) and self._is_full(segment):
                        self._hand_over(kind)
            flushes, self._flushes = self._flushes, []
            for kind in self._lanes:
                if flushes or self._is_due(kind):
                    self._hand_over(kind)
            for done in flushes:
                self._backlog.put(done)

    def _next_batch(self, kind: Kind, lane: _Lane) -> list[_Waiting]:
        """What fits into the open segment, at least one request."""
        segment, batch = self._journal.segment(kind), list[_Waiting]()
        count, size = (segment.count, segment.size) if segment else (0, 0)
        for waiting in lane.waiting:
            count, size = count + waiting.checked.count, size + len(waiting.checked.request)
            batch.append(waiting)
            if count >= self._bounds.group_spans_max or size >= self._bounds.group_bytes_max:
                break
        del lane.waiting[: len(batch)]
        return batch

    async def _journal_batch(self, kind: Kind, batch: list[_Waiting]) -> None:
        requests = [waiting.checked.request for waiting in batch]
        count = sum(waiting.checked.count for waiting in batch)
        loop = asyncio.get_running_loop()
        try:
            with self._metrics.journal_seconds.time():
                segment = await loop.run_in_executor(self._journal_thread, self._journal.append, kind, requests, count)
        except OrdertraceError as error:
            self._problems["journal"] = str(error)
            self._hand_over(kind)
            self._answer(batch, error)
            return
        segment.digests += [waiting.digest for waiting in batch]
        self._problems.pop("journal", None)
        self._answer(batch, None)

    def _is_full(self, segment: Segment) -> bool:
        return segment.count >= self._bounds.group_spans_max or segment.size >= self._bounds.group_bytes_max

    def _is_due(self, kind: Kind) -> bool:
        """Whether the open group is old enough; if not yet, looks again when it is.

        While the store is busy a group goes on growing, however old: fewer and larger ones cost less.
        """
        segment = self._journal.segment(kind)
        if segment is None or self._backlog.is_storing:
            return False
        left = segment.opened + self._demand.age_max(segment.size, self._queued_bytes) - time.monotonic()
        if left > 0:
            loop = asyncio.get_running_loop()
            if not loop.time() < self._rings_at <= loop.time() + left:
                self._timer.cancel()
                self._rings_at = loop.time() + left
                self._timer = loop.call_later(left + _CLOCK_GRAIN_SECONDS, self._wake.set)
        return left <= 0

    def _opened(self) -> float | None:
        """When the oldest group was opened that waits for nothing but its age."""
        open_now = [segment.opened for kind in self._lanes if (segment := self._journal.segment(kind))]
        return None if self._backlog.is_storing else min(open_now, default=None)

    async def _mentions(self, words: Sequence[bytes]) -> bool:
        open_now = [segment for kind in self._lanes if (segment := self._journal.segment(kind))]
        return await may_mention(open_now, words)

    def _hand_over(self, kind: Kind) -> None:
        if segment := self._journal.close_segment(kind):
            self._metrics.group_spans.observe(segment.count)
            self._backlog.put(segment)

    def _note_stored(self, segment: Segment) -> None:
        self._count_queued(-segment.size)
        stored = self._metrics.logs_stored if segment.kind is Kind.LOGS else self._metrics.spans_stored
        stored.inc(segment.count)
        self._wake.set()
