"""From a request to durable rows: checked, journaled, answered; then written to the store in groups and joined to orders.

    admit → journal thread (one sync for all that wait) → answer
            └ a full or old enough segment → store thread (one INSERT a segment) → join → segment removed

Everything is in order and bounded by bytes. What the store refuses is split until the bad request stands alone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from ..errors import Invalid, OrdertraceError, Overloaded, TooLarge, Unavailable
from ..metrics import Metrics
from ..privacy.keys import open_key_ring
from ..settings import Settings, data_directory
from ..store.span_writer import Group, SpanWriter
from ..store.store import Store
from .check import Checked, TraceCheck
from .journal import Journal, Segment, requests_of
from .records import from_delimited, to_delimited

Join = Callable[[Sequence[datetime]], Awaitable[None]]

_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_UNJOINED_MAX = 64  # groups in the store whose order facts are not derived yet
_GROUPS_JOINED_MAX = 16  # at once
_DRAIN_SECONDS = 30.0
_CLOCK_GRAIN_SECONDS = 0.002  # uvloop's clock counts whole milliseconds: a timer may ring before its time

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """An acknowledged request: how many of its spans are kept, how many not, and why not (empty if all are)."""

    spans: int
    refused: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    checked: Checked
    answer: asyncio.Future[None]


class Intake:
    """Takes requests while entered; leaving it stores and joins all that was acknowledged.

    `join` derives the order facts of groups just inserted, named by their times of insertion; it is never called twice
    at a time, and may be called again with a group after a crash.
    """

    def __init__(self, settings: Settings, metrics: Metrics, store: Store, join: Join) -> None:
        self._bounds = settings.journal
        self._request_bytes_max = settings.listen.request_bytes_max
        self._settings = settings
        self._metrics = metrics
        self._store = store
        self._join = join
        self._check = TraceCheck(settings.privacy)
        self._writer: SpanWriter | None = None
        self._journal_thread = ThreadPoolExecutor(1, "journal")
        self._store_thread = ThreadPoolExecutor(1, "span-writer")
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closed: asyncio.Queue[Segment | Path | asyncio.Future[None]] = asyncio.Queue()
        self._stored: asyncio.Queue[Segment | asyncio.Future[None]] = asyncio.Queue(_UNJOINED_MAX)
        self._flushes: list[asyncio.Future[None]] = []
        self._queued_bytes = 0
        self._unstored = 0  # groups handed over and not in the store yet
        self._problems: dict[str, str] = {"intake": "the intake has not started"}
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Opens the journal and takes up what an earlier run left in it. Raises Unavailable."""
        directory = data_directory(self._settings)
        ring = open_key_ring(directory)
        self._journal = Journal(Path(self._bounds.directory) if self._bounds.directory else directory / "journal", ring)
        for path in self._journal.prepare():
            self._closed.put_nowait(path)
        self._timer = asyncio.get_running_loop().call_later(0, self._wake.set)
        self._writer = SpanWriter(await asyncio.to_thread(self._store.connect), self._settings, self._metrics)
        self._tasks = [
            asyncio.create_task(self._journaling(), name="journal"),
            asyncio.create_task(self._storing(), name="store spans"),
            asyncio.create_task(self._joining(), name="join orders"),
        ]
        self._problems.clear()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                drained = self.flush()
                self._stopping = True
                await drained
        except TimeoutError:
            _log.warning("stopped with requests in the journal; they are stored at the next start")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._waiting:
            waiting.answer.set_exception(Unavailable("the server is stopping; send again"))
        self._journal_thread.shutdown()
        self._store_thread.shutdown()
        self._journal.close_segment()

    def ready(self) -> tuple[bool, str]:
        """Whether requests are taken and become rows, and what is in the way if not."""
        return not self._problems, "; ".join(self._problems.values())

    async def admit(self, payload: bytes, protocol: str) -> Admission:
        """Returns once the request survives a crash.

        Raises TooLarge or Invalid for the request itself, Overloaded when too much waits for the store, Unavailable
        when the journal cannot be written or the server is stopping.
        """
        if len(payload) > self._request_bytes_max:
            self._metrics.limits_hit.labels("request_bytes").inc()
            raise TooLarge(
                f"the request has {len(payload)} bytes, {self._request_bytes_max} are allowed; send fewer spans at a time"
            )
        checked = self._checked(payload)
        refused = sum(checked.refused.values())
        if checked.spans:
            await self._queue(checked)
            self._metrics.spans_received.labels(protocol).inc(checked.spans)
        return Admission(checked.spans, refused, checked.message)

    async def flush(self) -> None:
        """Returns once all that was acknowledged before is stored and joined."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(done)
        self._wake.set()
        await done

    def _checked(self, payload: bytes) -> Checked:
        try:
            checked = self._check.check(payload)
        except Invalid:
            self._metrics.spans_refused.labels("malformed").inc()
            raise
        for reason, count in checked.refused.items():
            self._metrics.spans_refused.labels(reason).inc(count)
        if checked.refused and not checked.spans:
            raise Invalid(checked.message)
        return checked

    async def _queue(self, checked: Checked) -> None:
        size = len(checked.request)
        if self._stopping or self._writer is None:
            raise Unavailable("the server is stopping; send again")
        if self._queued_bytes + size > self._bounds.queued_bytes_max:
            self._metrics.limits_hit.labels("queued_bytes").inc()
            raise Overloaded(
                f"{self._queued_bytes} bytes wait for the store, {self._bounds.queued_bytes_max} are allowed; send again later"
            )
        self._count_queued(size)
        waiting = _Waiting(checked, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        try:
            await asyncio.shield(waiting.answer)
        except OrdertraceError:
            self._count_queued(-size)
            raise

    def _count_queued(self, size: int) -> None:
        self._queued_bytes += size
        self._metrics.queued_bytes.set(self._queued_bytes)

    # Journal

    async def _journaling(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while batch := self._next_batch():
                await self._journal_batch(batch)
                if (segment := self._journal.segment) and self._is_full(segment):
                    self._hand_over()
            flushes, self._flushes = self._flushes, []
            if flushes or self._is_due():
                self._hand_over()
            for done in flushes:
                self._closed.put_nowait(done)

    def _next_batch(self) -> list[_Waiting]:
        """What fits into the open segment, at least one request."""
        segment, batch = self._journal.segment, list[_Waiting]()
        spans, size = (segment.spans, segment.size) if segment else (0, 0)
        for waiting in self._waiting:
            spans, size = spans + waiting.checked.spans, size + len(waiting.checked.request)
            batch.append(waiting)
            if spans >= self._bounds.group_spans_max or size >= self._bounds.group_bytes_max:
                break
        del self._waiting[: len(batch)]
        return batch

    async def _journal_batch(self, batch: list[_Waiting]) -> None:
        requests, spans = (
            [waiting.checked.request for waiting in batch],
            sum(waiting.checked.spans for waiting in batch),
        )
        try:
            with self._metrics.journal_seconds.time():
                await asyncio.get_running_loop().run_in_executor(
                    self._journal_thread, self._journal.append, requests, spans
                )
        except OrdertraceError as error:
            self._problems["journal"] = str(error)
            self._hand_over()
            for waiting in batch:
                waiting.answer.set_exception(Unavailable(str(error)))
            return
        self._problems.pop("journal", None)
        for waiting in batch:
            waiting.answer.set_result(None)

    def _is_full(self, segment: Segment) -> bool:
        return segment.spans >= self._bounds.group_spans_max or segment.size >= self._bounds.group_bytes_max

    def _is_due(self) -> bool:
        """Whether the open group is old enough; if not yet, looks again when it is.

        While the store is busy a group goes on growing, however old: fewer and larger ones cost less.
        """
        segment = self._journal.segment
        if segment is None or self._unstored:
            return False
        left = segment.opened + self._bounds.group_age_max.total_seconds() - time.monotonic()
        if left > 0:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(left + _CLOCK_GRAIN_SECONDS, self._wake.set)
        return left <= 0

    def _hand_over(self) -> None:
        if segment := self._journal.close_segment():
            self._metrics.group_spans.observe(segment.spans)
            self._unstored += 1
            self._closed.put_nowait(segment)

    # Store

    async def _storing(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            item = await self._closed.get()
            if isinstance(item, Path):
                segment = await self._left_behind(item)
                if segment is None:
                    continue
                self._unstored += 1
                item = segment
            if isinstance(item, Segment):
                await self._persist("store", loop.run_in_executor, self._store_thread, self._write, item)
                self._count_queued(-item.size)
                self._metrics.spans_stored.inc(item.spans)
                self._unstored -= 1
                self._wake.set()
            await self._stored.put(item)

    async def _left_behind(self, path: Path) -> Segment | None:
        """Reads a segment of an earlier run; what is damaged in it is set aside and counted."""
        try:
            segment, damaged = await asyncio.to_thread(self._journal.read, path)
        except Invalid:
            segment, damaged = None, 1
            self._journal.set_file_aside(path)
        except OrdertraceError as error:
            self._problems[path.name] = str(error)
            return None
        if damaged:
            self._metrics.groups_set_aside.inc(damaged)
            _log.error("records of the journal are damaged and set aside", segment=path.name, records=damaged)
        return segment

    async def _persist(self, part: str, call: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Calls until it succeeds; meanwhile `ready` tells why not."""
        attempt = 0
        while True:
            try:
                await call(*arguments)
            except OrdertraceError as error:
                self._problems[part] = str(error)
                _log.error("cannot go on, trying again", part=part, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                self._problems.pop(part, None)
                return

    def _write(self, segment: Segment) -> None:
        """Writes a whole group, or in parts once the store has refused it; in the store's thread."""
        assert self._writer is not None
        if segment.requests == 0:
            os.close(segment.file)
            return
        if not self._journal.is_split(segment):
            try:
                self._writer.write(segment.group)
            except Invalid:
                self._journal.mark_split(segment)
        if self._journal.is_split(segment):
            self._write_parts(segment, from_delimited(requests_of(segment)), 0)
        os.close(segment.file)

    def _write_parts(self, segment: Segment, requests: list[bytes], first: int) -> None:
        """Halves until a refused request stands alone. Names depend on the place only, so that a repetition changes nothing."""
        assert self._writer is not None
        name = f"{segment.name}-{first}-{len(requests)}"
        file = os.memfd_create("part")
        try:
            os.write(file, b"".join(to_delimited(request) + request for request in requests))
            self._writer.write(Group(name, segment.inserted_at, file))
        except Invalid as error:
            if len(requests) == 1:
                self._journal.set_aside(name, requests[0])
                self._metrics.groups_set_aside.inc()
                _log.error("a request is set aside", name=name, error=str(error))
                return
            half = len(requests) // 2
            self._write_parts(segment, requests[:half], first)
            self._write_parts(segment, requests[half:], first + half)
        finally:
            os.close(file)

    # Orders

    async def _joining(self) -> None:
        while True:
            items = [await self._stored.get()]
            while len(items) < _GROUPS_JOINED_MAX and not self._stored.empty():
                items.append(self._stored.get_nowait())
            segments = [item for item in items if isinstance(item, Segment)]
            if groups := [segment.inserted_at for segment in segments if segment.requests]:
                await self._persist("orders", self._join, groups)
            for segment in segments:
                self._journal.remove(segment)
            for item in items:
                if isinstance(item, asyncio.Future) and not item.done():
                    item.set_result(None)
