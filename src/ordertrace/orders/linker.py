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
from ..metrics import Metrics
from ..model.flow import Flow
from ..model.order import JoinedBy
from ..store.linking import Gift, LinkStore, SharedTrace
from ..store.store import Row
from .joining import Division, Name, SpanSight, divide
from .presences import Presences
from .sequencer import UNDER_WAY, Sequencer
from .skew import Skews
from .spreader import Spreader

_log = structlog.get_logger(__name__)
_EVERY_SECONDS = 0.5
_TURNS_MAX = 50
_NEXT = timedelta(milliseconds=1)
_SHARED_KNOWN_MAX = 2_000
_SHARED_A_ROUND_MAX = 2_000  # what else there is waits for the next round
_SHARED_TOGETHER_MAX = 50
_SHARED_LOOK_BACK = timedelta(days=1)
_PRESENT_EVERY = timedelta(seconds=2)

Tell = Callable[[Sequence[datetime]], None]


class Linker:
    """One round at a time. `tell` is given the times of insertion of facts about orders."""

    def __init__(
        self,
        store: LinkStore,
        skews: Skews,
        tell: Tell,
        flow: Flow,
        watches_brokers: bool,
        metrics: Metrics,
        shared_a_round: int = _SHARED_A_ROUND_MAX,
        shared_known: int = _SHARED_KNOWN_MAX,
    ) -> None:
        def note_limit(name: str) -> None:
            metrics.limits_hit.labels(name).inc()

        self._store = store
        self._tell = tell
        self._watches_brokers = watches_brokers
        self._note_limit = note_limit
        self._shared_a_round, self._shared_known = shared_a_round, shared_known
        self._spreader = Spreader(store, store.ties, watches_brokers, note_limit)
        self._sequencer = Sequencer(store, skews, note_limit)
        self._presences = Presences(store, sorted(flow.closed | flow.cancelled), note_limit)
        self._shared: dict[str, None] = {}  # known to serve several orders; the latest last
        self._forgotten_at = datetime.fromtimestamp(0, UTC)
        self._left: dict[str, None] = {}  # traces that the next round divides
        self._messages: list[datetime] = []
        self._stamp = self._changed_at = self._looked_at = datetime.fromtimestamp(0, UTC)
        self._done_at = self._changed_at + 2 * UNDER_WAY
        self._joining = 0
        self._lock = asyncio.Lock()

    async def start(self, now: datetime) -> None:
        """Takes over what is known; shared traces that a stop may have left undivided are looked at again.

        Raises as `Store.query` does.
        """
        known = await self._store.known_shared(now - _SHARED_LOOK_BACK, self._shared_known + 1)
        self._remember(known[::-1], now)
        self._left = dict.fromkeys(known[: self._shared_a_round])
        await self._spreader.start()

    async def run(self) -> None:
        """Takes up messages until cancelled; a round that fails is logged and tried again."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.work()
                began = datetime.now(UTC)
                # however long it takes, once more after the last change
                if self._done_at < self._changed_at + 2 * UNDER_WAY:
                    await self.sequence()
                    await self.find_present()
                    self._done_at = began
            except OrdertraceError as error:
                _log.error("messages are not joined to spans", reason=str(error))

    def joined_until(self, now: datetime) -> datetime:
        """What was stored until then has been joined in every way, by sequence and presence too."""
        waits = self._messages or self._left or self._joining or self._done_at < self._changed_at
        return self._done_at if waits else now

    @property
    def joins_by_more_than_names(self) -> bool:
        """Whether what speaks of an order may hold neither its id nor that of a trace that is known to serve it."""
        return self._watches_brokers or bool(self._store.kinds) or self._spreader.has_ties

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
        """Joins what messages noted since the last round tell, and what that left. Raises as the store does."""
        async with self._lock:
            if self._messages or self._left:
                await self._round((), now or datetime.now(UTC))

    async def sequence(self, now: datetime | None = None) -> None:
        """Joins consumer spans by the sequence of deliveries, where either came since the last time."""
        if not self._watches_brokers:
            return
        async with self._lock:
            stamp = self.next_stamp(now or datetime.now(UTC))
            await self._name(await self._sequencer.find_new(stamp), stamp)

    async def sequence_again(self, stretches: Sequence[Row], now: datetime) -> None:
        """Joins consumer spans of systems in spans of time, as (system, start, until), by the sequence of deliveries."""
        async with self._lock:
            stamp = self.next_stamp(now)
            await self._name(await self._sequencer.find(stretches, stamp), stamp)

    async def find_present(self, now: datetime | None = None, every: timedelta = _PRESENT_EVERY) -> None:
        """Looks whose keys are that only time and presence tell; where settings say in which status orders are asked for."""
        kinds = [kind for kind in self._store.kinds if kind.during]
        if not kinds or (now or datetime.now(UTC)) - self._looked_at < every:
            return
        async with self._lock:
            self._looked_at = now or datetime.now(UTC)
            for kind in kinds:
                if changed := await self._presences.changes(kind.name, kind.during):
                    stamp = self.next_stamp(self._looked_at)
                    await self._store.own_keys(changed, JoinedBy.TIME.value, stamp)
                    await self._settle((), stamp)

    async def _name(self, names: Sequence[tuple[str, str, str, str]], stamp: datetime) -> None:
        """Names spans, and gives what follows from that."""
        if names:
            await self._store.name(names, stamp)
            await self._settle((), stamp, await self._spread((), stamp))

    async def _round(self, groups: Sequence[datetime], now: datetime) -> None:
        messages, stamp = self._messages[:], self.next_stamp(now)
        self._changed_at = now
        if self._watches_brokers and messages:
            await self._store.name_by_messages(messages, stamp)
        if self._watches_brokers and groups:
            await self._store.note_consumers(groups, stamp)
        await self._store.note_keys(groups, stamp)
        lost = await self._spreader.note(groups, messages, stamp)
        if self._spreader.has_ties:  # a log record may name a span of a trace that serves its order anyway
            lost += await self._spread(groups, stamp, [*lost, *await self._find_shared(groups, stamp)])
        if groups and (self._watches_brokers or self._spreader.has_ties):
            await self._store.relabel(groups, stamp)
        await self._settle(groups, stamp, lost)
        del self._messages[: len(messages)]

    async def _spread(self, groups: Sequence[datetime], stamp: datetime, changed: Sequence[str] = ()) -> list[str]:
        return await self._spreader.spread(groups, stamp, changed) if self._spreader.has_ties else []

    async def _settle(self, groups: Sequence[datetime], stamp: datetime, lost: Sequence[str] = ()) -> None:
        """Gives facts to the orders that their traces and spans were named for; what that teaches leads to another turn.

        `lost` are traces from which a name was taken.
        """
        stamps = [stamp]
        for _ in range(_TURNS_MAX):
            shared = await self._find_shared(groups, stamp)
            if self._watches_brokers or self._store.kinds or self._spreader.has_ties:
                await self._store.give_waiting(stamp, shared)
            learned = await self._divide_some([*(self._left if stamp == stamps[0] else ()), *lost, *shared], stamp)
            if not learned:
                break
            groups, stamp, lost = (), self.next_stamp(stamp), ()
            stamps.append(stamp)
        else:
            self._note_limit("joining_turns")
        self._tell(stamps)

    async def _find_shared(self, groups: Sequence[datetime], stamp: datetime) -> list[str]:
        """Traces that serve several orders, or hold keys, of which something new is known."""
        shared = await self._store.find_shared(groups, stamp, list(self._shared))
        if groups and stamp - self._forgotten_at < _SHARED_LOOK_BACK:
            shared = [*dict.fromkeys([*shared, *await self._store.find_shared_of(groups)])]
        self._remember(shared, stamp)
        return shared

    async def _divide_some(self, traces: Sequence[str], stamp: datetime) -> bool:
        """Divides as many traces as a round may, and leaves the others to the next one; whether that taught anything."""
        every = list(dict.fromkeys(traces))
        now, later = every[: self._shared_a_round], every[self._shared_a_round :]
        learned = False
        for first in range(0, len(now), _SHARED_TOGETHER_MAX):
            learned |= await self._divide(now[first : first + _SHARED_TOGETHER_MAX], stamp, self._stamp + _NEXT)
        if later:
            self._note_limit("joining_shared_traces")
        self._left = dict.fromkeys([*(trace for trace in self._left if trace not in set(now)), *later])
        return learned

    async def _divide(self, traces: Sequence[str], stamp: datetime, next_stamp: datetime) -> bool:
        """Gives each order its own part of the traces, and takes from it what is not; whether that taught whose keys are."""
        gifts: list[Gift] = []
        wrong: list[tuple[str, str]] = []
        unsaid: list[tuple[str, str]] = []
        said: list[tuple[str, str]] = []
        keys: list[tuple[str, str, str, bool]] = []
        found, cut = await self._store.read_shared(traces)
        if cut:
            self._note_limit("joining_spans")
        for trace, shared in found.items():
            division = divide_trace(shared)
            named = [fact for fact in shared.facts if fact.named]
            unsaid += [
                (fact.order_id, fact.event_id) for fact in named if fact.status and fact.span_id in division.shared
            ]
            said += [
                (fact.order_id, fact.event_id) for fact in named if fact.unsaid and fact.span_id not in division.shared
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
        if said:
            await self._store.say_again(traces, said, stamp)
        if keys:
            await self._store.own_keys(keys, JoinedBy.KEY.value, next_stamp)
        return bool(keys)

    def _remember(self, shared: Sequence[str], now: datetime) -> None:
        for trace in shared:
            self._shared.pop(trace, None)
            self._shared[trace] = None
        if len(self._shared) > self._shared_known:
            self._forgotten_at = now  # from now on late spans are looked up
            while len(self._shared) > self._shared_known:
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
        belongs = division.joined.get(span_of[event_id]) if span_of[event_id] else division.whole
        wrong += [(order, event_id) for order in orders if order and (not belongs or order != belongs.order_id)]
        if belongs and belongs.order_id not in orders:
            gifts.append(Gift(event_id, belongs.order_id, belongs.by.value, belongs.confidence))
    return gifts, wrong
