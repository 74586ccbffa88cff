"""Joins what does not name its order: by messages, keys and links, and in traces that serve several orders span by span.

Works behind the joiner, which gives spans and log records that name an order, or whose trace names one only, to that
order in bulk. What is known later, or turns out to be otherwise, is put right here: the same evidence leads to the same
facts, whatever the order in which it came.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog

from ..errors import Internal, OrdertraceError
from ..model.flow import Flow
from ..model.order import JoinedBy
from ..store.linking import Gift, LinkStore, SharedTrace
from ..store.store import Row
from .joining import Division, Name, SpanSight, divide
from .presence import Run, Stay, match_presence
from .sequence import Consumption, Delivery, align, complete_spans
from .skew import Skews, is_off

_log = structlog.get_logger(__name__)
_EVERY_SECONDS = 0.5
_TURNS_MAX = 4
_HOPS_MAX = 3
_NEXT = timedelta(milliseconds=1)
_SHARED_KNOWN_MAX = 2_000
_SHARED_A_ROUND_MAX = 50
_SHARED_LOOK_BACK = timedelta(days=1)
_RUNS_MAX = 500
_UNDER_WAY = timedelta(seconds=5)  # what was stamped before may be written after
_PRESENT_EVERY = timedelta(seconds=2)
_BESIDE = timedelta(minutes=2)  # how much of the sequences around what is new helps to place it

Tell = Callable[[Sequence[datetime]], None]


class Linker:
    """One round at a time. `tell` is given the times of insertion of facts about orders."""

    def __init__(self, store: LinkStore, skews: Skews, tell: Tell, flow: Flow, watches_brokers: bool) -> None:
        self._store = store
        self._skews = skews
        self._tell = tell
        self._ends = sorted(flow.closed | flow.cancelled)
        self._watches_brokers = watches_brokers
        self._shared: dict[str, None] = {}
        self._messages: list[datetime] = []
        self._stamp = datetime.fromtimestamp(0, UTC)
        self._sequenced_at = datetime.fromtimestamp(0, UTC) + _UNDER_WAY
        self._sequenced: set[Row] = set()
        self._changed_at = self._looked_at = datetime.fromtimestamp(0, UTC)
        self._done_at = self._changed_at + 2 * _UNDER_WAY
        self._joining = 0
        self._sees_links = False
        self._lock = asyncio.Lock()

    async def start(self, now: datetime) -> None:
        """Takes over which traces serve several orders. Raises as `Store.query` does."""
        self._remember(await self._store.known_shared(now - _SHARED_LOOK_BACK, _SHARED_KNOWN_MAX))

    async def run(self) -> None:
        """Takes up messages until cancelled; a round that fails is logged and tried again."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.work()
                began = datetime.now(UTC)
                if (
                    self._done_at < self._changed_at + 2 * _UNDER_WAY
                ):  # however long it takes, once more after the last change
                    await self.sequence()
                    await self.find_present()
                    self._done_at = began
            except OrdertraceError as error:
                _log.error("messages are not joined to spans", reason=str(error))

    def joined_until(self, now: datetime) -> datetime:
        """What was stored until then has been joined in every way, by sequence and presence too."""
        waits = self._messages or self._joining or self._done_at < self._changed_at
        return self._done_at if waits else now

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """While entered nothing is joined; what comes in waits."""
        async with self._lock:
            yield

    def note_messages(self, batches: Sequence[datetime]) -> None:
        """Batches of messages with these times of insertion have been written; `work` or `join` takes them up."""
        self._messages.extend(batches)

    async def join(
        self, groups: Sequence[datetime], in_bulk: Callable[[], Awaitable[None]], now: datetime | None = None
    ) -> None:
        """Joins groups of spans and log records: first in bulk, then what that leaves. Raises as the store does."""
        self._joining += 1
        try:
            async with self._lock:
                await in_bulk()
                try:
                    await self._round(groups, now or datetime.now(UTC))
                except Internal as error:  # a fault of ours here must not hold up what comes after
                    _log.error("a group is joined in bulk only", reason=str(error))
        finally:
            self._joining -= 1

    async def work(self, now: datetime | None = None) -> None:
        """Joins what messages noted since the last round tell. Raises as the store does."""
        async with self._lock:
            if self._messages:
                await self._round((), now or datetime.now(UTC))

    async def sequence(self, now: datetime | None = None) -> None:
        """Joins consumer spans by the sequence of deliveries, where either came since the last time."""
        if not self._watches_brokers:
            return
        async with self._lock:
            stamp = self.next_stamp(now or datetime.now(UTC))
            fresh = [tuple(row) for row in await self._store.unsequenced(self._sequenced_at - _UNDER_WAY)]
            await self._align_all([row[:3] for row in sorted(set(fresh) - self._sequenced)], stamp)
            self._sequenced_at, self._sequenced = stamp, set(fresh)

    async def sequence_again(self, stretches: Sequence[Row], now: datetime) -> None:
        """Joins consumer spans of systems in spans of time, as (system, start, until), by the sequence of deliveries."""
        async with self._lock:
            await self._align_all(stretches, self.next_stamp(now))

    async def _align_all(self, stretches: Sequence[Row], stamp: datetime) -> None:
        names = []
        for system, start, until in stretches:
            names += await self._align(system, start - _BESIDE, until + _BESIDE)
        if names:
            await self._store.name(names, stamp)
            await self._settle((), stamp)

    async def find_present(self, now: datetime | None = None, every: timedelta = _PRESENT_EVERY) -> None:
        """Looks whose keys are that only time and presence tell; where settings say in which status orders are asked for."""
        kinds = [kind for kind in self._store.kinds if kind.during]
        if not kinds or (now or datetime.now(UTC)) - self._looked_at < every:
            return
        async with self._lock:
            self._looked_at = now or datetime.now(UTC)
            for kind in kinds:
                await self._match_presence(kind.name, kind.during, self._looked_at)

    async def _match_presence(self, kind: str, status: str, now: datetime) -> None:
        runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for system, root, at, keys in await self._store.runs(kind, _RUNS_MAX):
            runs[system, root].append(Run(at, frozenset(keys)))
        if not runs:
            return
        stays: dict[str, list[Stay]] = defaultdict(list)
        for order_id, system, since, until in await self._store.stays(kind, status, self._ends):
            stays[system].append(Stay(order_id, since, until or None))
        owned = await self._store.owned(kind)
        source = f"presence {kind}"
        before = {(key, order) for _, key, order in await self._store.known_keys([source])}
        found = {
            (key, order)
            for (system, _), course in runs.items()
            for key, orders in match_presence(course, stays[system], owned).items()
            for order in orders
        }
        changed = [(*pair, source, False) for pair in sorted(before - found)]
        changed += [(*pair, source, True) for pair in sorted(found - before)]
        if changed:
            stamp = self.next_stamp(now)
            await self._store.own_keys(changed, JoinedBy.TIME.value, stamp)
            await self._settle((), stamp)

    async def _align(self, system: str, start: datetime, until: datetime) -> list[tuple[str, str, str, str]]:
        """New names of a system's consumer spans in a span of time."""
        consumptions = await self._store.consumptions(system, start, until)
        if all(row[5] for row in consumptions):
            return []
        threads: dict[str, list[Consumption]] = defaultdict(list)
        channels: dict[str, list[Delivery]] = defaultdict(list)
        sequenced = {(row[2], row[3]): row[6] for row in consumptions}
        skew = (await self._skews.now(self._stamp)).get(system)
        ahead = skew.seconds if skew and is_off(skew) else 0.0
        for thread, at, trace_id, span_id, words, order_id, _ in consumptions:
            threads[thread].append(Consumption(at - ahead, trace_id, span_id, tuple(words), order_id))
        for channel, *delivery in await self._store.deliveries(system, start, until):
            channels[channel].append(Delivery(*delivery))
        complete = complete_spans(channels, start.timestamp(), await self._store.gaps(start, until))
        matches = await asyncio.to_thread(align, channels, threads, complete)
        return [
            (match.consumption.trace_id, match.consumption.span_id, match.delivery.order_id, JoinedBy.SEQUENCE.value)
            for match in matches
            if match.delivery.order_id
            and not match.consumption.order_id
            and match.delivery.order_id not in sequenced[match.consumption.trace_id, match.consumption.span_id]
        ]

    async def _round(self, groups: Sequence[datetime], now: datetime) -> None:
        messages, stamp = self._messages[:], self.next_stamp(now)
        self._changed_at = now
        if self._watches_brokers:
            if messages:
                await self._store.name_by_messages(messages, stamp)
            await self._store.name_by_message_ids(groups, messages, stamp)
            if groups:
                await self._store.note_consumers(groups, stamp)
        await self._store.note_keys(groups, stamp)
        if groups and await self._store.note_links(groups, stamp):
            self._sees_links = True
        if self._sees_links:
            for _ in range(_HOPS_MAX):  # what a link named may be linked in turn; all of it is settled together
                await self._store.name_by_links([*groups, stamp], stamp)
        if groups and (self._watches_brokers or self._sees_links):
            await self._store.relabel(groups, stamp)
        await self._settle(groups, stamp)
        del self._messages[: len(messages)]

    async def _settle(self, groups: Sequence[datetime], stamp: datetime) -> None:
        """Gives facts to the orders that their traces and spans were named for; what that teaches leads to another turn."""
        stamps = [stamp]
        for _ in range(_TURNS_MAX):
            shared = await self._store.find_shared(groups, stamp, list(self._shared), _SHARED_KNOWN_MAX)
            self._remember(shared)
            if self._watches_brokers or self._store.kinds or self._sees_links:
                await self._store.give_waiting(stamp, shared)
            learned = False
            for first in range(0, len(shared), _SHARED_A_ROUND_MAX):
                learned |= await self._divide(shared[first : first + _SHARED_A_ROUND_MAX], stamp, self._stamp + _NEXT)
            if not learned:
                break
            groups, stamp = (), self.next_stamp(stamp)
            stamps.append(stamp)
        self._tell(stamps)

    async def _divide(self, traces: Sequence[str], stamp: datetime, next_stamp: datetime) -> bool:
        """Gives each order its own part of the traces, and takes from it what is not; whether that taught whose keys are."""
        gifts: list[Gift] = []
        wrong: list[tuple[str, str]] = []
        unsaid: list[tuple[str, str]] = []
        keys: list[tuple[str, str, str, bool]] = []
        for trace, shared in (await self._store.read_shared(traces)).items():
            division = divide_trace(shared)
            unsaid += [
                (fact.order_id, fact.event_id)
                for fact in shared.facts
                if fact.named and fact.status and fact.span_id in division.shared
            ]
            changes = _changes(shared, division)
            gifts += changes[0]
            wrong += changes[1]
            keys += [
                (key, order, trace, False) for key, order in shared.keys.items() if division.keys.get(key) != order
            ]
            keys += [(key, order, trace, True) for key, order in division.keys.items() if shared.keys.get(key) != order]
        if gifts:
            await self._store.give(traces, gifts, stamp)
        if wrong:
            await self._store.withdraw(wrong, stamp)
        if unsaid:
            await self._store.unsay(unsaid, stamp)
        if keys:
            await self._store.own_keys(keys, JoinedBy.KEY.value, next_stamp)
        return bool(keys)

    def _remember(self, shared: Sequence[str]) -> None:
        self._shared |= dict.fromkeys(shared)
        while len(self._shared) > _SHARED_KNOWN_MAX:
            del self._shared[next(iter(self._shared))]

    def next_stamp(self, now: datetime) -> datetime:
        """A time of insertion, in whole ms, that no other round has."""
        rounded = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._stamp = max(rounded, self._stamp + timedelta(milliseconds=1))
        return self._stamp


def divide_trace(shared: SharedTrace) -> Division:
    """What the trace holds of whom."""
    spans = [
        SpanSight(span, parent, frozenset(keys), began, ended)
        for span, parent, _, _, keys, began, ended in shared.spans
    ]
    names = [Name(span, order, JoinedBy(by)) for span, _, order, by, *_ in shared.spans if order]
    names += [Name(span, order, JoinedBy(by)) for span, order, by in shared.names]
    return divide(spans, names)


def _changes(shared: SharedTrace, division: Division) -> tuple[list[Gift], list[tuple[str, str]]]:
    """Facts to give to an order, and (order, event id) of those to take from one."""
    held: dict[str, set[str]] = defaultdict(set)
    span_of: dict[str, str] = {}
    for fact in shared.facts:
        if not fact.named:
            held[fact.event_id].add(fact.order_id)
            span_of[fact.event_id] = fact.span_id
    gifts: list[Gift] = []
    wrong: list[tuple[str, str]] = []
    for event_id, orders in held.items():
        belongs = division.joined.get(span_of[event_id])
        wrong += [(order, event_id) for order in orders if order and (not belongs or order != belongs.order_id)]
        if belongs and belongs.order_id not in orders:
            gifts.append(Gift(event_id, belongs.order_id, belongs.by.value, belongs.confidence))
    return gifts, wrong
