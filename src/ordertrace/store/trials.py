"""Rows for a trial of rules: what is stored of some traces, with what each rule finds in it. Judges nothing, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from string import Template

from ..errors import Internal, Invalid
from ..settings.rules import Rule, parse_rule
from .finding import found_in
from .statements import statement
from .store import Row, Store

SPANS_MAX = 2_000
LOGS_MAX = 1_000
TRACES_MAX = 60
_ROWS_MAX = 50_000
_BEFORE = timedelta(hours=1)
_BEHIND = timedelta(days=1)  # what an order lacks is mostly what came after its last fact
_LIFE_MAX = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules for order ids and statuses as the settings write them, the first that finds something holds."""

    ids: tuple[str, ...]
    statuses: tuple[str, ...]


class TrialStore:
    """Reads for trials."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def check(self, rules: Rules) -> None:
        """Raises Invalid for a pattern that the engine does not understand."""
        for text in (*rules.ids, *rules.statuses):
            if pattern := parse_rule(text).pattern:
                try:
                    await self._store.query("trial_pattern", {"pattern": pattern})
                except Internal:
                    raise Invalid(f"rule {text!r}: the pattern is not in RE2's syntax (no lookaround)") from None

    async def spans(self, traces: Sequence[str], rules: Rules) -> Sequence[Row]:
        """Rows of trial_spans.sql; what a rule for the text of log records finds in spans is ''."""
        return await self._found("trial_spans", rules, "SpanAttributes", "''", traces, SPANS_MAX + 1)

    async def logs(self, traces: Sequence[str], rules: Rules) -> Sequence[Row]:
        """Rows of trial_logs.sql."""
        return await self._found("trial_logs", rules, "LogAttributes", "Body", traces, LOGS_MAX + 1)

    async def names(self, traces: Sequence[str]) -> Sequence[Row]:
        """(trace, span, order, how) of what names spans besides the rules for order ids."""
        rows = await self._store.query("link_shared_names", {"traces": list(traces)})
        return [row for row in rows if row[3] != "log"]

    async def keys(self, traces: Sequence[str]) -> Sequence[Row]:
        """(trace, span, key)."""
        return await self._store.query("trial_keys", {"traces": list(traces), "limit": _ROWS_MAX})

    async def facts(self, traces: Sequence[str], order_id: str) -> Sequence[Row]:
        """(trace, span, order, status, how, confidence) in force."""
        return await self._store.query("trial_facts", {"traces": list(traces), "order": order_id, "limit": _ROWS_MAX})

    async def traces_of(self, order_id: str) -> list[str]:
        """Traces of an order, the earliest first; one more than TRACES_MAX at most."""
        rows = await self._store.query("trial_order", {"order": order_id, "limit": TRACES_MAX + 1})
        return [row[0] for row in rows]

    async def life_of(self, order_id: str) -> tuple[datetime, datetime] | None:
        """When the first and the last fact about an order happened; None where there are none."""
        ((first, last, count),) = await self._store.query("trial_life", {"order": order_id})
        return (first, last) if count else None

    async def search(self, order_id: str, rules: Rules, life: tuple[datetime, datetime]) -> list[str]:
        """Traces in which these rules find an order, around its life; as many as a trial takes, looked for some seconds."""
        ids = [parse_rule(text) for text in rules.ids]
        text = Template(statement("trial_search")).substitute(
            span_ids=_array(ids, "SpanAttributes", "''"), log_ids=_array(ids, "LogAttributes", "Body")
        )
        start, until = life[0] - _BEFORE, min(life[1], life[0] + _LIFE_MAX) + _BEHIND
        given = {"order": order_id, "start": start, "until": until, "limit": TRACES_MAX + 1}
        return [row[0] for row in await self._store.query_text("trial_search", text, given)]

    async def _found(
        self, name: str, rules: Rules, attributes: str, body: str, traces: Sequence[str], limit: int
    ) -> Sequence[Row]:
        values: Mapping[str, str] = {
            "ids": _array([parse_rule(text) for text in rules.ids], attributes, body),
            "statuses": _array([parse_rule(text) for text in rules.statuses], attributes, body),
        }
        text = Template(statement(name)).substitute(values)
        return await self._store.query_text(name, text, {"traces": list(traces), "limit": limit})


def _array(rules: Sequence[Rule], attributes: str, body: str) -> str:
    """What each rule finds, '' where it does not look; never an array of nothing, which has no type."""
    return "[" + ", ".join([*(found_in(rule, attributes, body) for rule in rules), "''"]) + "]"
