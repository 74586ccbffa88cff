"""Carries orders over links and ids of messages: reads what is tied to what has changed, and puts right what follows from it.

What follows is computed anew from all that is tied together, and compared with what followed before: so it is the same
whatever came first, and what a contradiction has overturned is taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from datetime import datetime

from ..model.order import JoinedBy
from ..store.linking import LinkStore
from ..store.store import Row
from ..store.ties import TieStore
from .spreading import Derived, Known, Node, Tie, spread

_CHANGED_MAX = 100_000
_A_TURN_MAX = 2_000  # so many changed ones are looked at together
_READ_MAX = 50_000  # traces and messages tied to them
_STEPS_MAX = 50
_HOLDERS_MAX = 200
"""An id that more messages and spans hold than these stands for no order: a constant, or a session."""
_HOLDERS_READ_MAX = 5 * _HOLDERS_MAX  # among the first of them are all that it told about while they were few

Name = tuple[str, str, str, str]


class Spreader:
    """One at a time, as the linker calls it. `note_limit` is told the name of a bound that was reached."""

    def __init__(
        self, links: LinkStore, ties: TieStore, watches_brokers: bool, note_limit: Callable[[str], None]
    ) -> None:
        self._links = links
        self._ties = ties
        self._watches_brokers = watches_brokers
        self._note_limit = note_limit
        self._sees_links = self._sees_correlations = False

    @property
    def has_ties(self) -> bool:
        """Whether anything is known by which orders could spread."""
        return self._sees_links or self._sees_correlations

    async def start(self) -> None:
        """Takes over whether there are links, and answers to messages. Raises as `Store.query` does."""
        self._sees_links, self._sees_correlations = await self._ties.seen()

    async def note(self, groups: Sequence[datetime], messages: Sequence[datetime], stamp: datetime) -> list[str]:
        """Remembers links and ids; names spans by the ids of messages. Traces that lost a name by that."""
        if groups and await self._ties.note_links(groups, stamp):
            self._sees_links = True
        if not self._watches_brokers or not (groups or messages):
            return []
        self._sees_correlations |= await self._ties.note_ids(groups, messages, stamp)
        await self._ties.name_by_message_ids(stamp)
        contested = {(row[0], row[1], row[2], row[3]) for row in await self._ties.contested_ids(stamp)}
        await self._take_back(contested, stamp)
        return sorted({name[0] for name in contested})

    async def spread(self, groups: Sequence[datetime], stamp: datetime, changed: Sequence[str] = ()) -> list[str]:
        """Spreads what these groups and this round's stamp have brought, and what `changed`. Traces that lost a name."""
        fresh = [*groups, stamp]
        traces = [*changed, *(await self._ties.tied_traces(fresh, _CHANGED_MAX) if self._sees_links else ())]
        ids = await self._ties.tied_ids(fresh, _CHANGED_MAX) if self._sees_correlations else []
        if max(len(traces), len(ids)) >= _CHANGED_MAX:
            self._note_limit("joining_ties")
        lost: set[str] = set()
        for first in range(0, max(len(traces), len(ids)), _A_TURN_MAX):
            end = first + _A_TURN_MAX
            lost |= await self._spread(traces[first:end], ids[first:end], stamp)
        return sorted(lost)

    async def _spread(self, traces: Sequence[str], ids: Sequence[str], stamp: datetime) -> set[str]:
        web = _Web(self._ties, self._sees_links, self._sees_correlations)
        if not await web.read(traces, ids):
            self._note_limit("joining_ties")
            return set()
        derived = spread(web.ties(), web.known())
        wanted = set(web.names(derived))
        given = await self._ties.derived(web.opened) if web.opened else set()
        if wanted - given:
            await self._ties.name(wanted - given, stamp)
        await self._take_back(given - wanted, stamp)
        await self._name_messages(web, derived, stamp)
        return {name[0] for name in given - wanted}

    async def _name_messages(self, web: _Web, derived: dict[Node, Derived], stamp: datetime) -> None:
        if not (nodes := web.messages()):
            return
        keys = {node.second for node in nodes}
        given = {name for name in await self._ties.derived_messages(keys) if Node("message", *name[:2]) in nodes}
        wanted = {(node.first, node.second, one.order_id, one.by.value) for node in nodes if (one := derived.get(node))}
        if gone := given - wanted:
            if facts := await self._ties.facts_of_messages(gone):
                await self._links.withdraw(facts, stamp)
            await self._ties.unname_messages(gone)
        if wanted - given:
            await self._ties.name_messages(wanted - given, stamp)
        if wanted:
            await self._ties.tell_messages({key for _, key, *_ in wanted}, stamp)

    async def _take_back(self, names: Collection[Name], stamp: datetime) -> None:
        """What waits again is given to whom it belongs when the round is settled."""
        if not names:
            return
        if facts := await self._ties.facts_of(names):
            await self._links.withdraw(facts, stamp)
        await self._ties.unname(names)


class _Web:
    """What is tied to some traces and ids, as far as nothing names it."""

    def __init__(self, ties: TieStore, sees_links: bool, sees_ids: bool) -> None:
        self._ties = ties
        self._sees_links = sees_links
        self._sees_ids = sees_ids
        self.opened: set[str] = set()
        """Traces of which all ties have been read."""
        self._keys: set[str] = set()
        self._links: set[Row] = set()
        self._held: dict[str, set[Row]] = defaultdict(set)
        self._crowds: set[str] = set()
        self._traces: dict[str, Known] = {}
        self._spans: dict[tuple[str, str], frozenset[str]] = {}

    async def read(self, traces: Collection[str], ids: Collection[str]) -> bool:
        """Goes from tie to tie until all around is named; whether that came to an end."""
        traces, keys, ids = set(traces), set[str](), set(ids)
        for _ in range(_STEPS_MAX):
            if not (traces or keys or ids):
                return True
            if len(self.opened) + len(self._keys) > _READ_MAX:
                return False
            self.opened |= traces
            self._keys |= keys
            if traces and self._sees_links:
                self._links |= {tuple(row) for row in await self._ties.links(traces)}
            if self._sees_ids:
                for row in await self._ties.ids(ids, traces | keys, _HOLDERS_READ_MAX):
                    self._held[row[0]].add(tuple(row[1:]))
            await self._read_names()
            nodes = {end for tie in self.ties() for end in tie.ends}
            known = self.known()
            free = {node for node in nodes if node not in known or not known[node].said}
            traces = {node.first for node in free if node.kind != "message"} - self.opened
            keys = {node.second for node in free if node.kind == "message"} - self._keys
            crowd_traces, crowd_keys = await self._told_by_crowds()
            traces, keys, ids = traces | crowd_traces, keys | crowd_keys, set()
        return False

    def ties(self) -> Iterator[Tie]:
        """All that has been read."""
        for trace, span, linked_trace, linked_span in self._links:
            yield Tie(JoinedBy.LINK, frozenset({self._node(trace, span), self._node(linked_trace, linked_span)}))
        for rows in self._held.values():
            if len(rows) > _HOLDERS_MAX:
                continue
            yield Tie(JoinedBy.CORRELATION, frozenset(self._holder(row) for row in rows))
            for broker, key, trace, span, order in rows:
                if key and trace and not order:  # the message carries the context of the span that sent it
                    yield Tie(JoinedBy.TRACE, frozenset({Node("message", broker, key), self._node(trace, span)}))

    def known(self) -> dict[Node, Known]:
        """What names the ends of ties."""
        found = {Node("trace", trace): one for trace, one in self._traces.items() if len(one.said) < 2}
        found |= {Node("span", *span): Known(orders) for span, orders in self._spans.items()}
        said: dict[Node, set[str]] = defaultdict(set)
        for rows in self._held.values():
            for row in rows:
                if row[1] and row[4]:
                    said[self._holder(row)].add(row[4])
        return found | {node: Known(frozenset(orders)) for node, orders in said.items()}

    def messages(self) -> set[Node]:
        """Messages that have been read with all their ties, and name no order."""
        known = self.known()
        every = {self._holder(row) for rows in self._held.values() for row in rows if row[1]}
        return {node for node in every if node.second in self._keys and node not in known}

    def names(self, derived: dict[Node, Derived]) -> Iterator[Name]:
        """(trace, span, order, how) that follow for the ends of ties in spans."""
        orders = {node: next(iter(one.said)) for node, one in self.known().items() if len(one.said) == 1}
        orders |= {node: one.order_id for node, one in derived.items()}
        for trace, span, others, by in self._ends():
            node = self._node(trace, span)
            if node not in derived or trace not in self.opened:
                continue
            if any(orders.get(other) == orders[node] for other in others - {node}):
                yield trace, span, orders[node], by.value

    def _ends(self) -> Iterator[tuple[str, str, Set[Node], JoinedBy]]:
        """Ends of ties in spans that say no order: (trace, span, what it is tied to, how)."""
        for trace, span, linked_trace, linked_span in self._links:
            yield trace, span, {self._node(linked_trace, linked_span)}, JoinedBy.LINK
        for rows in self._held.values():
            holders = {self._holder(row) for row in rows}
            for broker, key, trace, span, order in rows if len(rows) <= _HOLDERS_MAX else ():
                if trace and not order:
                    yield trace, span, {Node("message", broker, key)} if key else holders, JoinedBy.CORRELATION

    async def _told_by_crowds(self) -> tuple[set[str], set[str]]:
        """Traces and keys of messages that have an order, and an id that is held by too many by now."""
        crowds = {held for held, rows in self._held.items() if len(rows) > _HOLDERS_MAX} - self._crowds
        self._crowds |= crowds
        rows = [row for held in crowds for row in self._held[held]]
        traces, keys = {row[2] for row in rows if row[2]}, {row[1] for row in rows if row[1]}
        told = {name[0] for name in await self._ties.derived(traces)} if traces else set()
        told_keys = {name[1] for name in await self._ties.derived_messages(keys)} if keys else set()
        return told - self.opened, told_keys - self._keys

    async def _read_names(self) -> None:
        spans = {(row[2], row[3]) for rows in self._held.values() for row in rows if row[2]}
        spans |= {(trace, span) for row in self._links for trace, span in (row[:2], row[2:])}
        if fresh := {trace for trace, _ in spans} - self._traces.keys():
            self._traces |= dict.fromkeys(fresh, Known())
            for trace, said, suggested in await self._ties.names(fresh):
                self._traces[trace] = Known(frozenset(said), frozenset(suggested))
        shared = {span for span in spans if len(self._traces[span[0]].said) > 1} - self._spans.keys()
        if shared:
            self._spans |= dict.fromkeys(shared, frozenset())
            for trace, span, orders in await self._ties.span_names(shared):
                if (trace, span) in shared:
                    self._spans[trace, span] = frozenset(orders)

    def _holder(self, row: Row) -> Node:
        broker, key, trace, span, _ = row
        return Node("message", broker, key) if key else self._node(trace, span)

    def _node(self, trace: str, span: str) -> Node:
        """The trace, or the span where the trace serves several orders."""
        return Node("span", trace, span) if len(self._traces[trace].said) > 1 else Node("trace", trace)
