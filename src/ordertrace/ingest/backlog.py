"""Closed groups on their way: written to the store one after another, then joined to orders, then let go.

In order, and retried until it succeeds. Does not know how groups come about, nor how one is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path

import structlog

from ..errors import Invalid, OrdertraceError, Unavailable
from ..metrics import Metrics
from .journal import Journal, Segment
from .kinds import Kind
from .repeats import Repeats
from .storing import GroupStorer

Join = Callable[[Sequence[datetime], Sequence[datetime]], Awaitable[None]]
"""Takes the times of insertion of groups of spans and of groups of log records."""

Stored = Segment | asyncio.Future[None]
"""A future is resolved once all that was put before it is stored and joined."""

_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_UNJOINED_MAX = 64  # groups in the store whose order facts are not derived yet
_GROUPS_JOINED_MAX = 16  # at once
_SPANS_JOINED_MIN = 300_000  # at once, while more are being stored

_log = structlog.get_logger(__name__)


class Backlog:
    """Run `storing` and `joining` in a task each. What is in the way stands in `problems`, by the part that it stops.

    `stored` is told of each group that is in the store. Blocking work is done in the two threads, which others use, too.
    """

    def __init__(
        self,
        journal: Journal,
        storer: GroupStorer,
        repeats: Repeats,
        join: Join,
        metrics: Metrics,
        problems: dict[str, str],
        stored: Callable[[Segment], None],
        store_thread: Executor,
        journal_thread: Executor,
    ) -> None:
        self._journal = journal
        self._storer = storer
        self._repeats = repeats
        self._join = join
        self._metrics = metrics
        self._problems = problems
        self._tell_stored = stored
        self._store_thread = store_thread
        self._journal_thread = journal_thread
        self._closed: asyncio.Queue[Stored | Path] = asyncio.Queue()
        self._stored: asyncio.Queue[Stored] = asyncio.Queue(_UNJOINED_MAX)
        self._unstored = 0

    @property
    def is_storing(self) -> bool:
        """Whether groups wait for the store or are being written."""
        return self._unstored > 0

    def put(self, item: Stored | Path) -> None:
        """Takes a closed group, the file of one that an earlier run has left, or a future to resolve after them."""
        self._unstored += isinstance(item, Segment)
        self._closed.put_nowait(item)

    async def storing(self) -> None:
        """Writes group after group, until cancelled."""
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
                await self._persist("store", loop.run_in_executor, self._store_thread, self._storer.write, item)
                self._unstored -= 1
                self._tell_stored(item)
            await self._stored.put(item)

    async def joining(self) -> None:
        """Derives order facts of what is stored, until cancelled."""
        while True:
            items = await self._next_stored()
            segments = [item for item in items if isinstance(item, Segment)]
            spans = [segment.inserted_at for segment in segments if segment.requests and segment.kind is not Kind.LOGS]
            logs = [segment.inserted_at for segment in segments if segment.requests and segment.kind is Kind.LOGS]
            if spans or logs:
                await self._persist("orders", self._join, spans, logs)
            if segments:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._journal_thread, self._let_go, segments)
            for item in items:
                if isinstance(item, asyncio.Future) and not item.done():
                    item.set_result(None)

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
        """Calls until it succeeds; meanwhile `problems` tell why not."""
        attempt = 0
        while True:
            try:
                await call(*arguments)
            except (OrdertraceError, OSError) as error:
                self._problems[part] = str(error)
                _log.error("cannot go on, trying again", part=part, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                self._problems.pop(part, None)
                return

    async def _next_stored(self) -> list[Stored]:
        """All that is stored; while a group is being stored, that one too, since fewer and larger joins cost less."""
        items, spans = list[Stored](), 0
        while not items or not self._stored.empty() or (self._unstored and 0 < spans < _SPANS_JOINED_MIN):
            items.append(item := await self._stored.get())
            spans = spans + item.count if isinstance(item, Segment) else _SPANS_JOINED_MIN
            if len(items) == _GROUPS_JOINED_MAX:
                break
        return items

    def _let_go(self, segments: Sequence[Segment]) -> None:
        """Forgets segments that are stored and joined, but not which requests were in them; in the journal's thread.

        On a full disk a repeat may be written twice: better than keeping what would make room.
        """
        try:
            self._repeats.keep(digest for segment in segments for digest in segment.digests)
        except Unavailable as error:
            _log.warning("requests that are sent again after a restart may be stored twice", error=str(error))
        for segment in segments:
            self._journal.remove(segment)
