"""Joins what does not name its order: by messages, keys and links, and in traces that serve several orders span by span.

Works behind the joiner, which gives spans and log records that name an order, or whose trace names one only, to that
order in bulk. What is known later, or turns out to be otherwise, is put right here: the same evidence leads to the same
facts, whatever the order in which it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from ..errors import OrdertraceError
from ..model.order import JoinedBy
from ..store.linking import Gift, LinkStore, SharedTrace
from .joining import Joined, Name, SpanSight, join_spans

_log = structlog.get_logger(__name__)
_EVERY_SECONDS = 0.5
_SHARED_KNOWN_MAX = 10_000
_SHARED_A_ROUND_MAX = 200
_SHARED_LOOK_BACK = timedelta(days=1)

Tell = Callable[[Sequence[datetime]], None]


class Linker:
    """One round at a time. `tell` is given the times of insertion of facts about orders."""

    def __init__(self, store: LinkStore, tell: Tell, watches_brokers: bool) -> None:
        self._store = store
        self._tell = tell
        self._watches_brokers = watches_brokers
        self._shared: dict[str, None] = {}
        self._messages: list[datetime] = []
        self._stamp = datetime.fromtimestamp(0, UTC)
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
            except OrdertraceError as error:
                _log.error("messages are not joined to spans", reason=str(error))

    def note_messages(self, batches: Sequence[datetime]) -> None:
        """Batches of messages with these times of insertion have been written; `work` or `join` takes them up."""
        self._messages.extend(batches)

    async def join(
        self, groups: Sequence[datetime], in_bulk: Callable[[], Awaitable[None]], now: datetime | None = None
    ) -> None:
        """Joins groups of spans and log records: first in bulk, then what that leaves. Raises as the store does."""
        async with self._lock:
            await in_bulk()
            await self._round(groups, now or datetime.now(UTC))

    async def work(self, now: datetime | None = None) -> None:
        """Joins what messages noted since the last round tell. Raises as the store does."""
        async with self._lock:
            if self._messages:
                await self._round((), now or datetime.now(UTC))

    async def _round(self, groups: Sequence[datetime], now: datetime) -> None:
        messages, stamp = self._messages[:], self._next_stamp(now)
        if self._watches_brokers:
            if messages:
                await self._store.name_by_messages(messages, stamp)
            await self._store.name_by_message_ids(groups, messages, stamp)
        await self._store.name_by_keys(groups, stamp)
        shared = await self._store.find_shared(groups, stamp, list(self._shared), _SHARED_KNOWN_MAX)
        self._remember(shared)
        await self._store.give_waiting(stamp, shared)
        for first in range(0, len(shared), _SHARED_A_ROUND_MAX):
            await self._divide(shared[first : first + _SHARED_A_ROUND_MAX], stamp)
        del self._messages[: len(messages)]
        self._tell([stamp])

    async def _divide(self, traces: Sequence[str], stamp: datetime) -> None:
        """Gives each order its own part of the traces, and takes from it what is not."""
        gifts: list[Gift] = []
        wrong: list[tuple[str, str]] = []
        for shared in (await self._store.read_shared(traces)).values():
            right = divide(shared)
            held: dict[str, set[str]] = {}
            for order_id, event_id, _ in shared.facts:
                held.setdefault(event_id, set()).add(order_id)
            for event_id, orders in held.items():
                belongs = right.get(event_id)
                wrong += [(order, event_id) for order in orders if order and (not belongs or order != belongs.order_id)]
                if belongs and belongs.order_id not in orders:
                    gifts.append(Gift(event_id, belongs.order_id, belongs.by.value, belongs.confidence))
        if gifts:
            await self._store.give(traces, gifts, stamp)
        if wrong:
            await self._store.withdraw(wrong, stamp)

    def _remember(self, shared: Sequence[str]) -> None:
        self._shared |= dict.fromkeys(shared)
        while len(self._shared) > _SHARED_KNOWN_MAX:
            del self._shared[next(iter(self._shared))]

    def _next_stamp(self, now: datetime) -> datetime:
        """A time of insertion, in whole ms, that no other round has."""
        rounded = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._stamp = max(rounded, self._stamp + timedelta(milliseconds=1))
        return self._stamp


def divide(shared: SharedTrace) -> dict[str, Joined]:
    """The order of each fact that does not name one itself, by event id."""
    spans = [SpanSight(span, parent, frozenset(keys)) for span, parent, _, _, keys in shared.spans]
    names = [Name(span, order, JoinedBy(by)) for span, _, order, by, _ in shared.spans if order]
    names += [Name(span, order, JoinedBy(by)) for span, order, by in shared.names]
    joined = join_spans(spans, names)
    return {event_id: joined[span_id] for _, event_id, span_id in shared.facts if span_id in joined}
