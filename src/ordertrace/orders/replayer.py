"""Works history through again after a change of rules or of the flow, while telemetry comes in and people look.

Order ids and statuses are found anew in stored spans and log records. Then joiner and linker go through all evidence, day by
day in the order of its keys, and write into tables beside those in force; what came meanwhile follows. At the end the new
rows are put in force at once: until then readers see the old ones, whole. The course is kept in the store, so that it goes
on after a crash where it was.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import structlog

from ..errors import OrdertraceError
from ..metrics import Metrics
from ..model.flow import Flow
from ..model.replay import Replay, ReplayPhase
from ..settings import Settings
from ..store.clocks import ClockStore
from ..store.columns import MESSAGES, SPANS, ColumnStore
from ..store.joiner import Joiner
from ..store.linking import LinkStore
from ..store.replays import ROWS_A_PART, SOURCES, Part, ReplayStore, arrived_condition
from ..store.shadow import Shadow
from ..store.store import Store
from .fingerprint import MESSAGE_COLUMNS, TELEMETRY_COLUMNS, build_prints, differing
from .linker import Linker
from .skew import Skews

_log = structlog.get_logger(__name__)
_APART = timedelta(milliseconds=50)  # stamps of two parts: a part's own rounds lie between
_LOOK_SECONDS = 0.2
_RETRY_SECONDS = 5.0
_ROWS_ARRIVED_MAX = 200_000
_ROWS_LEFT_MAX = 50_000  # so little is caught up with while joining waits
_SAID_EVERY = timedelta(seconds=10)
_FIVE_MINUTES = timedelta(minutes=5)
_MESSAGES_UNDER_WAY = timedelta(minutes=1)  # a batch is stamped before it is written
_FIRST_DAY = date(1970, 1, 1)
_EPOCH = datetime.fromtimestamp(0, UTC)


class Replayer:
    """Compares what the rows in force were made by with the settings, once at start, and makes them anew where it differs.

    `linker` is the one that joins what comes in.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        store: Store,
        flow: Flow,
        linker: Linker,
        rows_a_part: int = ROWS_A_PART,
    ) -> None:
        self._prints = build_prints(settings)
        self._metrics = metrics
        self._live_linker = linker
        self._shadow = Shadow(settings, metrics, store)
        self._replays = ReplayStore(store, self._shadow, flow, rows_a_part)
        self._columns = ColumnStore(store, settings, flow)
        self._joiner = Joiner(self._shadow, flow)
        self._links = LinkStore(self._shadow, settings.order, flow)
        self._skews = Skews(ClockStore(store, flow))
        self._flow = flow
        self._watches_brokers = bool(settings.broker)
        self._linker = self._build_linker()
        self._delivered_since = _EPOCH
        self._changed = TELEMETRY_COLUMNS | MESSAGE_COLUMNS  # as long as nothing says what has stayed
        self._replay: Replay | None = None
        self._problem = ""
        self._said_at = _EPOCH
        self.in_force = asyncio.Event()
        """Set once all rows are made by the rules of the settings."""

    def progress(self) -> tuple[Replay | None, str]:
        """The replay that runs or ran last, and what keeps it from going on."""
        return self._replay, self._problem

    async def recover(self) -> None:
        """Finishes a switch that a crash has interrupted: before it, tables may be of different rules. Raises as the store."""
        latest = await self._replays.find_latest()
        self._replay = latest[0] if latest else None
        self._metrics.replay_share.set(1.0)
        if self._replay and self._replay.phase is ReplayPhase.SWITCHING:
            await self._shadow.open(anew=False)
            await self._switch()

    async def run(self, settled: Callable[[], Awaitable[None]], switched: Callable[[], Awaitable[None]]) -> None:
        """Works history through again if that is due, then ends; what fails is tried again.

        `settled` returns once all that was acknowledged before is stored and joined; `switched` is called when other rows have
        come in force.
        """
        while True:
            try:
                if await self._begin(settled):
                    await self._work()
                    await switched()
                self._problem = ""
                self.in_force.set()
                return
            except OrdertraceError as error:
                self._problem = str(error)
                _log.error("history is not worked through again yet", reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def close(self) -> None:
        """Lets go of the tables beside; what is in them stays for the next start."""
        await asyncio.to_thread(self._shadow.close)

    async def _begin(self, settled: Callable[[], Awaitable[None]]) -> bool:
        """Takes up a replay, or begins one; whether there is anything to do."""
        latest = await self._replays.find_latest()
        in_force = next((one.prints for one in latest if one.phase is ReplayPhase.DONE), {})
        newest = latest[0] if latest else None
        if newest and newest.prints == self._prints:
            self._replay = newest
            if newest.phase is ReplayPhase.DONE:
                return False
            await self._shadow.open(anew=False)
            _log.info("history is worked through again, from where it was", done=f"{newest.share:.0%}")
            return True
        asked_at = datetime.now(UTC)
        await settled()
        total, _ = await self._replays.count(asked_at)
        reasons = differing(self._prints, in_force)
        begun_before = newest is not None and newest.phase is not ReplayPhase.DONE
        if not begun_before and in_force:
            self._changed = frozenset(reasons)
        rewrites = bool(self._changed & (TELEMETRY_COLUMNS | MESSAGE_COLUMNS))
        phase = ReplayPhase.COLUMNS if rewrites else ReplayPhase.FACTS
        replay = Replay(
            asked_at, phase, self._prints, reasons, asked_at, _FIRST_DAY, "", "", "", _EPOCH, asked_at, {}, total
        )
        if not sum(total.values()):
            await self._save(replace(replay, phase=ReplayPhase.DONE, finished_at=asked_at))
            return False
        await self._shadow.open(anew=True)
        await self._save(replay)
        _log.info("history is worked through again: rules have changed", rules=list(reasons), rows=sum(total.values()))
        return True

    async def _work(self) -> None:
        assert self._replay is not None
        if self._replay.phase is ReplayPhase.COLUMNS:
            await self._find_columns()
        self._linker = self._build_linker()
        await self._linker.start(self._replay.stamp)
        await self._replays.keep_sequences()
        await self._work_history()
        _, first = await self._replays.count(self._replay.until)
        await self._replays.keep_what_has_no_evidence(first)
        while await self._catch_up() > _ROWS_LEFT_MAX:
            pass
        async with self._live_linker.held():
            while await self._catch_up():
                pass
            await self._save(replace(self._replay, phase=ReplayPhase.SWITCHING))
            await self._switch()
        _log.info("history is worked through by the rules in force", rows=sum(self._replay.done.values()))

    async def _find_columns(self) -> None:
        assert self._replay is not None
        await self._columns.stop()
        if self._changed & TELEMETRY_COLUMNS:
            await self._columns.rewrite_telemetry()
        if self._changed & MESSAGE_COLUMNS:
            await self._columns.rewrite_messages()
        while await self._columns.left():  # noqa: ASYNC110 (the engine tells nobody when it is done)
            await asyncio.sleep(_LOOK_SECONDS)
        if self._changed & MESSAGE_COLUMNS:
            await self._columns.put_findings_right()
        await self._save(replace(self._replay, phase=ReplayPhase.FACTS))

    async def _work_history(self) -> None:
        """Goes through all that came until the replay began, from where it was."""
        assert self._replay is not None
        since, until = self._replay.day, self._replay.until
        self._delivered_since = await self._replays.first_delivery()
        for day, first in await self._replays.days(since, until):
            for source in SOURCES:
                here = (self._replay.day, _place(self._replay.source))
                if (day, _place(source)) < here:
                    continue
                place, key = (self._replay.place, self._replay.key) if (day, _place(source)) == here else ("", "")
                async for part in self._replays.parts(source, day, until, place, key):
                    await self._work_part(day, first, part)

    async def _work_part(self, day: date, first: datetime, part: Part) -> None:
        assert self._replay is not None
        stamp = self._linker.next_stamp(max(first, self._replay.stamp + _APART))
        await self._join(part.source, part.condition, stamp)
        if part.source == SPANS:
            await self._order_in_time(part.places, stamp)
        done = self._count(part.source, part.rows)
        await self._save(
            replace(self._replay, day=day, source=part.source, place=part.place, key=part.key, stamp=stamp, done=done)
        )

    async def _join(self, source: str, condition: str, stamp: datetime) -> None:
        """Joins rows of one source as if they were a group that has just been inserted."""
        await self._shadow.show(source, condition, stamp)
        groups = [stamp]

        async def in_bulk() -> None:
            if source == SPANS:
                await self._joiner.join(groups)
            else:
                await self._joiner.join_logs(groups)
                await self._shadow.execute("replay_log_places", {"groups": groups})

        if source == MESSAGES:
            await self._replays.tell_messages(groups)
            self._linker.note_messages(groups)
            await self._linker.work(stamp)
        else:
            await self._linker.join(groups, in_bulk, stamp)

    async def _order_in_time(self, places: Sequence[str], stamp: datetime) -> None:
        """What needs all spans of a time: sequences of deliveries, and who was there when a job asked for a key."""
        for place in places:
            start = datetime.fromisoformat(place).replace(tzinfo=UTC)
            if start + _FIVE_MINUTES < self._delivered_since:
                continue
            if stretches := await self._replays.consumers(_EPOCH, start, start + _FIVE_MINUTES):
                await self._linker.sequence_again(stretches, stamp)
        if places:
            await self._linker.find_present(stamp, timedelta())

    async def _catch_up(self) -> int:
        """Works through what came since the replay began and is not done yet, a portion; how many rows that were."""
        assert self._replay is not None
        since, rows, groups = self._replay.arrived, 0, defaultdict[str, int](int)
        found = [(at, source, count) for source in SOURCES for at, count in await self._replays.arrived(source, since)]
        until = since
        for at, source, count in sorted(found):
            if rows + count > _ROWS_ARRIVED_MAX and groups and at > until:
                break
            groups[source], rows, until = groups[source] + count, rows + count, at
        if not groups:
            return 0
        for source in SOURCES:
            if source in groups:
                began = since - _MESSAGES_UNDER_WAY if source == MESSAGES else since
                stamp = self._linker.next_stamp(max(until, self._replay.stamp + _APART))
                await self._join(source, arrived_condition(began, until), stamp)
                self._replay = replace(self._replay, stamp=stamp, done=self._count(source, groups[source]))
        if SPANS in groups:
            await self._linker.sequence_again(await self._replays.consumers(self._replay.stamp), self._replay.stamp)
            await self._linker.find_present(self._replay.stamp, timedelta())
        total = {source: self._replay.total.get(source, 0) + groups[source] for source in SOURCES}
        await self._save(replace(self._replay, arrived=until, total=total))
        return rows

    async def _switch(self) -> None:
        """Puts the new rows in force, and what messages told while that was done."""
        assert self._replay is not None
        await self._shadow.switch()
        batches = await self._replays.tell_messages_again(self._replay.arrived - _MESSAGES_UNDER_WAY)
        self._live_linker.note_messages(batches)
        await self._save(replace(self._replay, phase=ReplayPhase.DONE, finished_at=datetime.now(UTC)))
        await self._shadow.drop()

    def _build_linker(self) -> Linker:
        return Linker(self._links, self._skews, _tell_nobody, self._flow, self._watches_brokers, self._metrics)

    def _count(self, source: str, rows: int) -> dict[str, int]:
        assert self._replay is not None
        self._metrics.replayed.labels(source).inc(rows)
        return {**self._replay.done, source: self._replay.done.get(source, 0) + rows}

    async def _save(self, replay: Replay) -> None:
        now = datetime.now(UTC)
        await self._replays.save(replay, now)
        self._replay = replay
        self._metrics.replay_share.set(replay.share)
        if replay.phase is ReplayPhase.FACTS and now - self._said_at >= _SAID_EVERY:
            self._said_at = now
            _log.info("history is being worked through again", done=f"{replay.share:.0%}")


def _place(source: str) -> int:
    """Where a source stands in its day; before all of them where a replay has not begun with one."""
    return SOURCES.index(source) if source else -1


def _tell_nobody(groups: Sequence[datetime]) -> None:
    """Nobody reads the tables beside."""
