"""Rows about which trace and span works for which order ↔ values: what the linker asks of the store and tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Template
from typing import Any

from ..privacy.rules import sql_string
from ..settings import OrderSettings, Rule, parse_rule
from .statements import statement
from .store import Row, Store

_SPANS_A_TRACE_MAX = 20_000


@dataclass(frozen=True, slots=True)
class SharedTrace:
    """A trace that serves several orders, as it is in the store.

    `spans` are (span, parent, order it names, how, keys), `names` (span, order, how) of what else names its spans,
    `facts` (order or '', event id, span) that do not name an order themselves.
    """

    spans: tuple[tuple[str, str, str, str, tuple[str, ...]], ...]
    names: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Gift:
    """That a fact belongs to an order."""

    event_id: str
    order_id: str
    by: str
    confidence: float


class LinkStore:
    """The linker's statements; `stamp` is the time of insertion of all that one round writes."""

    def __init__(self, store: Store, settings: OrderSettings) -> None:
        self._store = store
        rules = [parse_rule(text) for key in settings.key for text in key.find]
        self._span_keys = _statement("link_span_keys", rules, "SpanAttributes", "")
        self._log_keys = _statement("link_log_keys", rules, "LogAttributes", "Body")
        self.has_keys = bool(rules)

    async def name_by_messages(self, messages: Sequence[datetime], stamp: datetime) -> None:
        """Names the spans that sent these messages."""
        await self._store.execute("link_messages", {"messages": list(messages), "stamp": stamp})

    async def name_by_message_ids(
        self, groups: Sequence[datetime], messages: Sequence[datetime], stamp: datetime
    ) -> None:
        """Names spans that carry the id of a message."""
        parameters = {"groups": list(groups), "messages": list(messages), "stamp": stamp}
        await self._store.execute("link_message_ids", parameters)

    async def name_by_keys(self, groups: Sequence[datetime], stamp: datetime) -> None:
        """Names spans that hold a key of an order; no effect where the settings know no keys."""
        if not self.has_keys:
            return
        parameters = {"groups": list(groups), "stamp": stamp}
        if groups:
            await self._store.execute_text("link_span_keys", self._span_keys, parameters)
            await self._store.execute_text("link_log_keys", self._log_keys, parameters)
        await self._store.execute("link_keys", {"stamp": stamp})

    async def give_waiting(self, stamp: datetime, shared: Sequence[str]) -> None:
        """Gives what waited in the traces named in this round to their orders."""
        await self._store.execute("link_waiting", {"stamp": stamp, "shared": list(shared)})

    async def find_shared(
        self, groups: Sequence[datetime], stamp: datetime, known: Sequence[str], limit: int
    ) -> list[str]:
        """Traces that serve several orders and of which this round knows something new."""
        parameters = {"groups": list(groups), "stamp": stamp, "known": list(known), "limit": limit}
        return [row[0] for row in await self._store.query("link_shared", parameters)]

    async def known_shared(self, since: datetime, limit: int) -> list[str]:
        """Traces that were found to serve several orders, the latest first."""
        rows = await self._store.query("link_known_shared", {"since": since, "limit": limit})
        return [row[0] for row in rows]

    async def read_shared(self, traces: Sequence[str]) -> dict[str, SharedTrace]:
        """All that these traces hold."""
        named = {"traces": list(traces)}
        spans = await self._store.query("link_shared_spans", named | {"limit": _SPANS_A_TRACE_MAX})
        names = await self._store.query("link_shared_names", named)
        facts = await self._store.query("link_shared_facts", named)
        spans_of: dict[str, list[Row]] = defaultdict(list)
        names_of: dict[str, list[Row]] = defaultdict(list)
        facts_of: dict[str, list[Row]] = defaultdict(list)
        for row in spans:
            spans_of[row[0]].append((*row[1:5], tuple(sorted(row[5]))))
        for row in names:
            names_of[row[0]].append(row[1:])
        for order_id, event_id, trace_id, span_id in facts:
            facts_of[trace_id].append((order_id, event_id, span_id))
        return {
            trace: SharedTrace(tuple(spans_of[trace]), tuple(names_of[trace]), tuple(facts_of[trace]))
            for trace in traces
        }

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
        """Takes facts, as (order, event id), from orders to which they do not belong."""
        orders = [order for order, _ in facts]
        parameters = {"orders": orders, "events": [event for _, event in facts], "stamp": stamp}
        await self._store.execute("link_withdraw", parameters)
        losers = {"orders": sorted(set(orders))}
        await self._store.execute("link_forget", losers)
        await self._store.execute("link_recount", losers)


def _statement(name: str, rules: Sequence[Rule], attributes: str, body: str) -> str:
    """The statement with an array of what each rule finds in a row; rules that cannot look there find nothing."""
    found = [_found(rule, attributes, body) for rule in rules if rule.source != "log" or body]
    return Template(statement(name)).substitute(keys="[" + ", ".join([*found, "''"]) + "]")


def _found(rule: Rule, attributes: str, body: str) -> str:
    value = body if rule.source == "log" else f"{attributes}[{sql_string(rule.key)}]"
    return value if rule.source == "attribute" else f"regexpExtract({value}, {sql_string(rule.pattern)}, {rule.group})"
