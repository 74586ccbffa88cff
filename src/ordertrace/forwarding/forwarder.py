"""Passes stored groups on, one after another, outside the way in: a backend that is slow or away delays nobody here.

What is to be passed on is remembered as one empty file a group, so that it survives a restart; the rows themselves are read
back from the store. Too many groups, or one that is too old, are dropped and counted. A group may be sent twice after a crash.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from ..errors import Invalid, OrdertraceError, Overloaded, Unavailable
from ..metrics import Metrics
from ..model.forwarding import ForwardingState
from ..settings import Settings, data_directory
from ..store.store import Store
from ..store.to_otlp import to_log_request, to_trace_request
from .receiving import Backend, build_backend

_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_TRACES, _LOGS = "traces", "logs"

_log = structlog.get_logger(__name__)


class Forwarder:
    """Works while entered. `take` is told of groups that are in the store."""

    def __init__(self, settings: Settings, metrics: Metrics, store: Store) -> None:
        """Raises Invalid for settings that cannot be used."""
        self._bounds = settings.forward
        self._metrics = metrics
        self._store = store
        self._directory = data_directory(settings) / "forward"
        self._backend: Backend = build_backend(settings.forward)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._state = ForwardingState(settings.forward.url, 0)

    async def __aenter__(self) -> Self:
        """Takes up what an earlier run left. Raises Unavailable."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(f"cannot open {self._directory}: {error.strerror}") from None
        await self._backend.__aenter__()
        self._wake.set()
        self._task = asyncio.create_task(self._working(), name="forwarding")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._backend.__aexit__(kind, error, trace)

    def take(self, spans: Iterable[datetime], logs: Iterable[datetime]) -> None:
        """Groups by their times of insertion, which are to be passed on. Telling of one again changes nothing."""
        for signal, groups in ((_TRACES, spans), (_LOGS, logs)):
            for group in groups:
                try:
                    (self._directory / f"{round(group.timestamp() * 1000):015d}-{signal}").touch(0o600)
                except OSError:
                    self._note_dropped("disk")
        self._wake.set()

    def state(self) -> ForwardingState:
        """What waits, what came through, and what is in the way."""
        files = sorted(self._directory.iterdir())
        since = _group_of(files[0]) if files else None
        return replace(self._state, queued_groups=len(files), queued_since=since)

    def waiting(self) -> list[Path]:
        """Groups that are still to be passed on, oldest first; beyond the bound the oldest are dropped."""
        files = sorted(self._directory.iterdir())
        for file in files[: max(0, len(files) - self._bounds.groups_max)]:
            self._drop(file, "queue")
        return files[max(0, len(files) - self._bounds.groups_max) :]

    async def _working(self) -> None:
        attempt = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            while files := self.waiting():
                try:
                    await self._pass_on(files[0])
                except Invalid as error:
                    _log.error("a group is not passed on", group=files[0].name, error=str(error))
                    self._note_failure(error)
                    self._drop(files[0], "refused")
                except OrdertraceError as error:
                    _log.warning("cannot pass on, trying again", error=str(error))
                    self._metrics.forward_retries.inc()
                    self._note_failure(error)
                    await asyncio.sleep(_pause(error, attempt))
                    attempt += 1
                    if _age_seconds(files[0]) > self._bounds.age_max.total_seconds():
                        self._drop(files[0], "age")
                else:
                    files[0].unlink(missing_ok=True)
                    attempt = 0

    async def _pass_on(self, file: Path) -> None:
        group, signal = _group_of(file), file.name.partition("-")[2]
        limit, offset = self._bounds.request_records_max, 0
        while rows := await self._read(signal, group, limit, offset):
            build = to_trace_request if signal == _TRACES else to_log_request
            rejected = await self._backend.send(signal, build(rows))
            self._metrics.forwarded.labels(signal).inc(len(rows) - rejected)
            self._note_success(len(rows) - rejected, rejected)
            if rejected:
                self._metrics.forward_dropped.labels("rejected").inc(rejected)
            offset += len(rows)
            if len(rows) < limit:
                break

    async def _read(self, signal: str, group: datetime, limit: int, offset: int) -> Sequence[Sequence[object]]:
        statement = "group_spans" if signal == _TRACES else "group_logs"
        return await self._store.query(statement, {"group": group, "limit": limit, "offset": offset})

    def _drop(self, file: Path, reason: str) -> None:
        self._note_dropped(reason)
        file.unlink(missing_ok=True)

    def _note_dropped(self, reason: str) -> None:
        self._metrics.forward_dropped.labels(reason).inc()
        dropped = self._state.dropped_groups
        self._state = replace(self._state, dropped_groups=dropped | {reason: dropped.get(reason, 0) + 1})

    def _note_success(self, sent: int, rejected: int) -> None:
        state = self._state
        self._state = replace(
            state,
            sent=state.sent + sent,
            rejected=state.rejected + rejected,
            last_sent_at=datetime.now(UTC),
            failing_since=None,
        )

    def _note_failure(self, error: OrdertraceError) -> None:
        now = datetime.now(UTC)
        since = self._state.failing_since or now
        self._state = replace(self._state, failing_since=since, last_error=str(error), last_error_at=now)


def _pause(error: OrdertraceError, attempt: int) -> float:
    if isinstance(error, Overloaded):
        return min(error.retry_after_seconds, _PAUSES_SECONDS[-1])
    return _PAUSES_SECONDS[min(attempt, len(_PAUSES_SECONDS) - 1)]


def _group_of(file: Path) -> datetime:
    """The time of insertion of the group that a file stands for."""
    return datetime.fromtimestamp(int(file.name[:15]) / 1000, UTC)


def _age_seconds(file: Path) -> float:
    return time.time() - int(file.name[:15]) / 1000
