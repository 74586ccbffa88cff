"""Rows about which trace and span works for which order ↔ values: what the linker asks of the store and tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Template
from typing import Any

from ..model.flow import Flow
from ..privacy.rules import sql_string
from ..settings.rules import parse_rule
from ..settings.sections import OrderSettings
from .finding import found_in
from .statements import statement
from .store import Row, Store
from .ties import TieStore

SEQUENCE_MAX = 20_000
_SPANS_A_TRACE_MAX = 20_000
_ROWS_MAX = 400_000
_TRACES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class SharedFact:
    """A fact in a trace that serves several orders; `order_id` '' where it waits, `named` where it names its order itself.

    `unsaid` tells that its status was taken from it.
    """

    order_id: str
    event_id: str
    span_id: str
    named: bool
    status: str
    unsaid: bool = False


@dataclass(frozen=True, slots=True)
class SharedTrace:
    """A trace that serves several orders, as it is in the store.

    `spans` are (span, parent, order it names, how, keys, began, ended), `names` (span, order, how) of what else names its
    spans, `keys` what it was held to show before, order by key.
    """

    spans: tuple[tuple[str, str, str, str, tuple[str, ...], int, int], ...]
    names: tuple[tuple[str, str, str], ...]
    facts: tuple[SharedFact, ...]
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gift:
    """That a fact belongs to an order."""

    event_id: str
    order_id: str
    by: str
    confidence: float


class LinkStore:
    """The linker's statements; `stamp` is the time of insertion of all that one round writes."""

    def __init__(self, store: Store, settings: OrderSettings, flow: Flow) -> None:
        self._store = store
        self.ties = TieStore(store, flow)
        self._systems: dict[str, object] = {
            "services": list(flow.system_of_service.keys()),
            "systems": list(flow.system_of_service.values()),
        }
        self._ranks: dict[str, object] = {"statuses": list(flow.ranks.keys()), "ranks": list(flow.ranks.values())}
        self.kinds = settings.key
        self._span_keys = Template(statement("link_span_keys")).substitute(
            keys=_all_found([(kind.name, text) for kind in settings.key for text in kind.find], "SpanAttributes", ""),
            made=_all_made([(kind.name, text) for kind in settings.key for text in kind.made]),
        )
        self._log_keys = Template(statement("link_log_keys")).substitute(
            keys=_all_found([(kind.name, text) for kind in settings.key for text in kind.find], "LogAttributes", "Body")
        )

    async def name_by_messages(self, messages: Sequence[datetime], stamp: datetime) -> None:
        """Names the spans that sent these messages."""
        await self._store.execute("link_messages", {"messages": list(messages), "stamp": stamp})

    async def note_keys(self, groups: Sequence[datetime], stamp: datetime) -> None:
        """Remembers keys of orders in these groups; no effect where the settings know no keys."""
        if not self.kinds or not groups:
            return
        parameters = self._systems | {"groups": list(groups), "stamp": stamp}
        await self._store.execute_text("link_span_keys", self._span_keys, parameters)
        await self._store.execute_text("link_log_keys", self._log_keys, {"groups": list(groups), "stamp": stamp})

    async def own_keys(self, keys: Sequence[tuple[str, str, str, bool]], by: str, stamp: datetime) -> None:
        """Says whose keys are, or are not: (key, order, source, whether it holds)."""
        columns = ("key", "order_id", "source", "joined_by", "holds", "inserted_at")
        rows = [(key, order, source, by, int(holds), stamp) for key, order, source, holds in keys]
        await self._store.insert("order_keys", columns, rows)

    async def known_keys(self, sources: Sequence[str]) -> Sequence[Row]:
        """(source, key, order) that these sources were held to show."""
        return await self._store.query("link_known_keys", {"sources": list(sources)})

    async def runs(self, kind: str, limit: int) -> Sequence[Row]:
        """(system, name of the root, seconds, keys, whether there were others before) of jobs that ask for orders under keys of
        this kind.
        """
        return await self._store.query("link_runs", {"prefix": f"{kind}:", "limit": limit})

    async def stays(self, kind: str, status: str, ends: Sequence[str]) -> Sequence[Row]:
        """(order, system, since, until or 0) of orders that made such a key, as that system shows the status."""
        return await self._store.query("link_stays", {"prefix": f"{kind}:", "status": status, "ends": list(ends)})

    async def owned(self, kind: str) -> dict[str, str]:
        """The orders of keys of this kind, where more than time says so."""
        return {row[0]: row[1] for row in await self._store.query("link_owned", {"prefix": f"{kind}:"})}

    async def note_consumers(self, groups: Sequence[datetime], stamp: datetime) -> None:
        """Remembers which thread ran the consumer spans of these groups."""
        await self._store.execute("link_consumer_spans", self._systems | {"groups": list(groups), "stamp": stamp})

    async def unsequenced(self, since: datetime) -> Sequence[Row]:
        """(system, from, until) of consumer spans and deliveries inserted after a moment."""
        return await self._store.query("link_unsequenced", {"since": since})

    async def deliveries(self, system: str, start: datetime, until: datetime) -> Sequence[Row]:
        """(channel, seconds, key, routing key, queue, order) of what was delivered to a system."""
        return await self._store.query("link_deliveries", _span(system, start, until))

    async def consumptions(self, system: str, start: datetime, until: datetime) -> Sequence[Row]:
        """(thread, seconds, trace, span, words, order if known, orders by sequence) of a system's consumer spans."""
        return await self._store.query("link_consumptions", _span(system, start, until))

    async def gaps(self, start: datetime, until: datetime) -> frozenset[str]:
        """The brokers of which not all was seen between two moments."""
        rows = await self._store.query("link_gaps", {"start": start, "until": until})
        return frozenset(row[0] for row in rows)

    async def name(self, names: Sequence[tuple[str, str, str, str]], stamp: datetime) -> None:
        """Names spans: (trace, span, order, how)."""
        columns = ("trace_id", "span_id", "order_id", "joined_by", "inserted_at")
        await self._store.insert("span_orders", columns, [(*name, stamp) for name in names])

    async def give_waiting(self, stamp: datetime, shared: Sequence[str]) -> None:
        """Gives what waited in the traces named in this round to their orders."""
        await self._store.execute("link_waiting", {"stamp": stamp, "shared": list(shared)})

    async def relabel(self, groups: Sequence[datetime], stamp: datetime) -> None:
        """Says of facts of these groups how their trace had been named before."""
        await self._store.execute("link_relabel", {"groups": list(groups), "stamp": stamp})

    async def find_shared(self, groups: Sequence[datetime], stamp: datetime, known: Sequence[str]) -> list[str]:
        """Traces that serve several orders and of which this round knows something new."""
        if not self.kinds and not known:
            given: dict[str, object] = {"groups": [*groups, stamp]}
            return await self._all_traces("link_shared_by_name", given)
        given = {"groups": list(groups), "stamp": stamp, "known": list(known)}
        return await self._all_traces("link_shared", given)

    async def find_shared_of(self, groups: Sequence[datetime]) -> list[str]:
        """Traces of these groups that serve several orders or hold keys, known or not."""
        return await self._all_traces("link_shared_of_groups", {"groups": list(groups)})

    async def _all_traces(self, name: str, given: dict[str, object]) -> list[str]:
        """All that a statement finds, however many these are."""
        found: list[str] = []
        while True:
            after = found[-1] if found else ""
            rows = await self._store.query(name, given | {"after": after, "limit": _TRACES_MAX})
            found += [row[0] for row in rows]
            if len(rows) < _TRACES_MAX:
                return found

    async def known_shared(self, since: datetime, limit: int) -> list[str]:
        """Traces that were found to serve several orders, the latest first."""
        rows = await self._store.query("link_known_shared", {"since": since, "limit": limit})
        return [row[0] for row in rows]

    async def read_shared(self, traces: Sequence[str]) -> tuple[dict[str, SharedTrace], bool]:
        """All that these traces hold, and whether one holds so much that it was cut off."""
        named = {"traces": list(traces)}
        spans = await self._store.query("link_shared_spans", named | {"limit": _SPANS_A_TRACE_MAX})
        names = await self._store.query("link_shared_names", named)
        facts = await self._store.query("link_shared_facts", named)
        keys = await self.known_keys(traces)
        is_much = max(len(spans), len(names), len(facts)) >= _ROWS_MAX
        if is_much and len(traces) > 1:
            middle = len(traces) // 2
            (first, first_cut), (last, last_cut) = [
                await self.read_shared(half) for half in (traces[:middle], traces[middle:])
            ]
            return first | last, first_cut or last_cut
        spans_of: dict[str, list[Any]] = defaultdict(list)
        statuses_of: dict[str, set[str]] = defaultdict(set)
        names_of: dict[str, list[Any]] = defaultdict(list)
        facts_of: dict[str, list[SharedFact]] = defaultdict(list)
        keys_of: dict[str, dict[str, str]] = defaultdict(dict)
        for row in spans:
            spans_of[row[0]].append((*row[1:5], tuple(sorted(row[5])), row[6], row[7]))
            if row[8]:
                statuses_of[row[0]].add(row[1])
        for row in names:
            names_of[row[0]].append(row[1:])
        for order_id, event_id, trace_id, span_id, is_named, status, is_unsaid in facts:
            unsaid = bool(is_unsaid) or (not status and span_id in statuses_of[trace_id])
            facts_of[trace_id].append(SharedFact(order_id, event_id, span_id, bool(is_named), status, unsaid))
        for trace_id, key, order_id in keys:
            keys_of[trace_id][key] = order_id
        found = {
            trace: SharedTrace(tuple(spans_of[trace]), tuple(names_of[trace]), tuple(facts_of[trace]), keys_of[trace])
            for trace in traces
        }
        return found, is_much or any(len(held) >= _SPANS_A_TRACE_MAX for held in spans_of.values())

    async def give(self, traces: Sequence[str], gifts: Sequence[Gift], stamp: datetime) -> None:
        """Gives facts of these traces to orders."""
        parameters: Mapping[str, Any] = {
            "traces": list(traces),
            "events": [gift.event_id for gift in gifts],
            "orders": [gift.order_id for gift in gifts],
            "ways": [gift.by for gift in gifts],
            "sureness": [gift.confidence for gift in gifts],
            "stamp": stamp,
        }
        await self._store.execute("link_give", parameters)

    async def withdraw(self, facts: Sequence[tuple[str, str]], stamp: datetime) -> None:
        """Takes facts, as (order, event id), from orders to which they do not belong; they wait for another one."""
        orders = [order for order, _ in facts]
        parameters = {"orders": orders, "events": [event for _, event in facts], "stamp": stamp}
        await self._store.execute("link_wait_again", parameters)
        await self._store.execute("link_withdraw", parameters)
        await self._recount(orders)

    async def unsay(self, facts: Sequence[tuple[str, str]], stamp: datetime) -> None:
        """Takes the status from facts, as (order, event id), of spans that several orders share."""
        orders = [order for order, _ in facts]
        parameters = {"orders": orders, "events": [event for _, event in facts], "stamp": stamp}
        await self._store.execute("link_unsay", parameters)
        await self._recount(orders)

    async def say_again(self, traces: Sequence[str], facts: Sequence[tuple[str, str]], stamp: datetime) -> None:
        """Gives facts of these traces, as (order, event id), the status back that their spans and log records say."""
        orders = [order for order, _ in facts]
        parameters = {"traces": list(traces), "orders": orders, "events": [event for _, event in facts], "stamp": stamp}
        await self._store.execute("link_say_again", self._ranks | parameters)

    async def _recount(self, orders: Sequence[str]) -> None:
        losers = {"orders": sorted(set(orders))}
        await self._store.execute("link_forget", losers)
        await self._store.execute("link_recount", losers)


def _span(system: str, start: datetime, until: datetime) -> dict[str, object]:
    return {"system": system, "start": start, "until": until, "limit": SEQUENCE_MAX}


def _all_found(rules: Sequence[tuple[str, str]], attributes: str, body: str) -> str:
    """An array of what each rule finds in a row, as KIND:KEY; rules that cannot look there find nothing."""
    parsed = [(kind, parse_rule(text)) for kind, text in rules]
    found = [(kind, found_in(rule, attributes, body)) for kind, rule in parsed if rule.source != "log" or body]
    return "[" + ", ".join(f"if({key} = '', '', {sql_string(kind + ':')} || {key})" for kind, key in found) + "]"


def _all_made(rules: Sequence[tuple[str, str]]) -> str:
    """An array with KIND: for each rule that finds something in a span."""
    found = [(kind, found_in(parse_rule(text), "SpanAttributes", "")) for kind, text in rules]
    return "[" + ", ".join(f"if({value} = '', '', {sql_string(kind + ':')})" for kind, value in found) + "]"
