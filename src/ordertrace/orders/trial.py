"""Tries rules on what is stored, in force or not: which takes which span to which order and status, and why one belongs to none.

The same division as the linker's, once with what the rules tried find and once with what is stored. Keys, messages, links and
sequences stay as they are known. Nothing is changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import NotFound
from ..model.flow import Flow
from ..model.order import JoinedBy
from ..model.trial import RuleUse, Trial, Tried, TriedTrace, Verdict, Why
from ..settings.rules import parse_rule
from ..store.store import Row
from ..store.trials import LOGS_MAX, SPANS_MAX, TRACES_MAX, Rules, TrialStore
from .joining import CONFIDENCE, Division, Name, SpanSight, divide

_TELLING = frozenset({"Server", "Producer", "Consumer", "Client"})
_UNKNOWN = "404"
_DEPTH_MAX = 10_000


class RuleTrials:
    """Trials over one store, with the rules in force."""

    def __init__(self, store: TrialStore, flow: Flow, in_force: Rules) -> None:
        self._store = store
        self._flow = flow
        self.in_force = in_force

    async def try_order(self, order_id: str, rules: Rules | None = None) -> Trial:
        """Rules on all traces of an order, and on those in which they would find it. Raises NotFound, Invalid."""
        given = rules or self.in_force
        await self._store.check(given)
        life = await self._store.life_of(order_id)
        traces = await self._store.traces_of(order_id)
        if life is None and not traces:
            raise NotFound(f"nothing is known of order {order_id!r}; is the number right?")
        if rules and life:
            traces += [trace for trace in await self._store.search(order_id, rules, life) if trace not in traces]
        return await self._try(order_id, traces, given)

    async def try_trace(self, trace_id: str, rules: Rules | None = None) -> Trial:
        """Rules on one trace. Raises NotFound, Invalid."""
        given = rules or self.in_force
        await self._store.check(given)
        trial = await self._try("", [trace_id], given)
        if not trial.traces[0].tried:
            raise NotFound(f"nothing is stored of trace {trace_id!r}; is the id right?")
        return trial

    async def _try(self, order_id: str, traces: Sequence[str], rules: Rules) -> Trial:
        limits = ["traces"] if len(traces) > TRACES_MAX else []
        traces = traces[:TRACES_MAX]
        spans, logs = await self._store.spans(traces, rules), await self._store.logs(traces, rules)
        limits += ["spans"] if len(spans) > SPANS_MAX else []
        limits += ["log_records"] if len(logs) > LOGS_MAX else []
        held = _Held(
            _by_trace(spans[:SPANS_MAX]),
            _by_trace(logs[:LOGS_MAX]),
            _by_trace(await self._store.names(traces)),
            _by_trace(await self._store.keys(traces)),
            _by_trace(await self._store.facts(traces, order_id)),
        )
        tried = tuple(_try_trace(trace, held, rules, self._flow) for trace in traces)
        return Trial(order_id, tried, _uses(tried, rules), tuple(limits))


@dataclass(frozen=True, slots=True)
class _Held:
    """Rows by trace."""

    spans: Mapping[str, Sequence[Row]]
    logs: Mapping[str, Sequence[Row]]
    names: Mapping[str, Sequence[Row]]
    keys: Mapping[str, Sequence[Row]]
    facts: Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class _Found:
    """What rules find in one span or log record."""

    order_id: str
    by: str
    rule: str
    status: str
    status_rule: str


def _by_trace(rows: Sequence[Row]) -> Mapping[str, Sequence[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def _try_trace(trace: str, held: _Held, rules: Rules, flow: Flow) -> TriedTrace:
    spans, logs = held.spans.get(trace, ()), held.logs.get(trace, ())
    found = {id(row): _look(row[14], row[15], rules) for row in spans} | {
        id(row): _look(row[9], row[10], rules) for row in logs
    }
    kept = {id(row): _Found(row[11], row[12], "", row[13], "") for row in spans} | {
        id(row): _Found(row[6], row[7], "", row[8], "") for row in logs
    }
    keys: dict[str, set[str]] = defaultdict(set)
    for _, span_id, key in held.keys.get(trace, ()):
        keys[span_id].add(key)
    then, now = (_Judge(spans, logs, one, held.names.get(trace, ()), keys) for one in (found, kept))
    facts: dict[str, list[tuple[str, str, str, float]]] = defaultdict(list)
    for _, span_id, *fact in held.facts.get(trace, ()):
        facts[span_id].append((fact[0], fact[1], fact[2], round(fact[3], 3)))
    return TriedTrace(trace, tuple(_in_order(spans, logs, then, now, facts, flow)))


def _look(ids: Sequence[str], statuses: Sequence[str], rules: Rules) -> _Found:
    """The first rule of each kind that finds something holds."""
    place = next((i for i, text in enumerate(ids) if text), -1)
    status = next((i for i, text in enumerate(statuses) if text), -1)
    return _Found(
        ids[place] if place >= 0 else "",
        parse_rule(rules.ids[place]).source if place >= 0 else "",
        rules.ids[place] if place >= 0 else "",
        statuses[status].upper() if status >= 0 else "",
        rules.statuses[status] if status >= 0 else "",
    )


class _Judge:
    """What one reading of a trace makes of its spans and log records."""

    def __init__(
        self,
        spans: Sequence[Row],
        logs: Sequence[Row],
        found: Mapping[int, _Found],
        names: Sequence[Row],
        keys: Mapping[str, set[str]],
    ) -> None:
        self._found = found
        self._parents = {row[1]: row[2] for row in spans}
        self._log_rules: dict[str, str] = {}
        told = [
            Name(row[1], found[id(row)].order_id, JoinedBy(found[id(row)].by))
            for row in spans
            if found[id(row)].order_id
        ]
        for row in logs:
            if order := found[id(row)].order_id:
                told.append(Name(row[1], order, JoinedBy.LOG))
                self._log_rules.setdefault(row[1], found[id(row)].rule)
        told += [Name(row[1], row[2], JoinedBy(row[3])) for row in names]
        self._named: dict[str, set[str]] = defaultdict(set)
        for name in told:
            self._named[name.span_id].add(name.order_id)
        self._keys = keys
        self._everything = {name.order_id for name in told}
        self._division: Division = divide(
            [
                SpanSight(row[1], row[2], frozenset(keys.get(row[1], ())), _began(row), _began(row) + row[4])
                for row in spans
            ],
            told,
        )

    def of_span(self, row: Row) -> Verdict:
        """What it says of a span."""
        found, joined = self._found[id(row)], self._division.joined.get(row[1])
        status = "" if row[1] in self._division.shared or row[8] else found.status
        if joined is None:
            return Verdict(why=self._why_not(row[1]), status=status, status_rule=found.status_rule)
        if found.by == "pattern" and found.order_id == joined.order_id and row[9] == _UNKNOWN:
            return Verdict(why=Why.UNKNOWN_ORDER, rule=found.rule, status_rule=found.status_rule)
        why, rule, origin = self._why(row[1], joined.order_id, joined.by, found)
        return Verdict(
            joined.order_id,
            joined.by.value,
            joined.confidence,
            why,
            rule,
            origin,
            status,
            found.status_rule if status else "",
        )

    def of_log(self, row: Row) -> Verdict:
        """What it says of a log record: of its own order, or else of that of its span."""
        found = self._found[id(row)]
        if found.order_id:
            by = JoinedBy(found.by)
            return Verdict(
                found.order_id, by.value, CONFIDENCE[by], Why.RULE, found.rule, "", found.status, found.status_rule
            )
        joined = self._division.joined.get(row[1])
        if joined is None:
            return Verdict(why=self._why_not(row[1]), status=found.status, status_rule=found.status_rule)
        return Verdict(
            joined.order_id, "trace", joined.confidence, Why.ABOVE, "", row[1], found.status, found.status_rule
        )

    def _why(self, span_id: str, order_id: str, by: JoinedBy, found: _Found) -> tuple[Why, str, str]:
        """(why, rule, span from which the order comes)."""
        if found.order_id == order_id and by in (JoinedBy.ATTRIBUTE, JoinedBy.PATTERN):
            return Why.RULE, found.rule, ""
        if by is JoinedBy.LOG:
            return Why.LOG, self._log_rules.get(span_id, ""), ""
        if by is not JoinedBy.TRACE:
            return Why(by.value), "", ""
        if above := self._named_above(span_id, order_id):
            return Why.ABOVE, "", above
        below = self._named_below(span_id, order_id)
        return (Why.BELOW, "", below) if below else (Why.TRACE, "", "")

    def _why_not(self, span_id: str) -> Why:
        if len(self._named.get(span_id, ())) > 1:
            return Why.NAMES_SEVERAL
        if self._keys.get(span_id):
            return Why.UNKNOWN_KEY
        return Why.SEVERAL if self._everything else Why.NOTHING_NAMED

    def _named_above(self, span_id: str, order_id: str) -> str:
        for at in _upwards(self._parents.get(span_id, ""), self._parents):
            if self._named.get(at):
                return at if order_id in self._named[at] else ""
        return ""

    def _named_below(self, span_id: str, order_id: str) -> str:
        for named, orders in sorted(self._named.items()):
            if order_id in orders and named and span_id in _upwards(self._parents.get(named, ""), self._parents):
                return named
        return ""


def _in_order(
    spans: Sequence[Row],
    logs: Sequence[Row],
    then: _Judge,
    now: _Judge,
    facts: Mapping[str, Sequence[tuple[str, str, str, float]]],
    flow: Flow,
) -> list[Tried]:
    """Parents before children, each span followed by its log records; log records without a span last."""
    parents = {row[1]: row[2] for row in spans}
    children: dict[str, list[Row]] = defaultdict(list)
    for row in spans:
        children[row[2] if row[2] in parents else ""].append(row)
    records: dict[str, list[Row]] = defaultdict(list)
    for row in logs:
        records[row[1] if row[1] in parents else ""].append(row)
    tried: list[Tried] = []
    waiting = [(row, 0) for row in reversed(children.pop("", []))]
    waiting += [] if waiting else [(row, 0) for row in spans[:1]]  # a circle has no root
    done: set[int] = set()
    while waiting:
        row, depth = waiting.pop()
        if id(row) in done:
            continue
        done.add(id(row))
        tried.append(_tried_span(row, depth, then, now, facts, flow))
        tried += [_tried_log(log, depth + 1, then, now, flow) for log in records.pop(row[1], [])]
        waiting += [(child, depth + 1) for child in reversed(children.pop(row[1], []))]
    return tried + [_tried_log(log, 0, then, now, flow) for rest in records.values() for log in rest]


def _tried_span(
    row: Row,
    depth: int,
    then: _Judge,
    now: _Judge,
    facts: Mapping[str, Sequence[tuple[str, str, str, float]]],
    flow: Flow,
) -> Tried:
    verdict = then.of_span(row)
    return Tried(
        row[6], row[1], row[2], depth, row[3], flow.system_of_service.get(row[5], row[5]), row[7],
        bool(verdict.order_id and row[16] and (verdict.status or row[8] or row[6] in _TELLING)),
        verdict, now.of_span(row), tuple(facts.get(row[1], ())),
    )  # fmt: skip


def _tried_log(row: Row, depth: int, then: _Judge, now: _Judge, flow: Flow) -> Tried:
    verdict = then.of_log(row)
    return Tried(
        "Log", row[1], row[1], depth, row[2], flow.system_of_service.get(row[3], row[3]), row[5],
        bool(verdict.order_id) and (bool(verdict.status) or row[4] >= 17), verdict, now.of_log(row), (),
    )  # fmt: skip


def _uses(traces: Sequence[TriedTrace], rules: Rules) -> tuple[RuleUse, ...]:
    every = [one.verdict for trace in traces for one in trace.tried]
    ids = Counter(verdict.rule for verdict in every if verdict.why in (Why.RULE, Why.UNKNOWN_ORDER))
    statuses = Counter(verdict.status_rule for verdict in every if verdict.status)
    return (
        *(RuleUse("id", rule, ids[rule]) for rule in rules.ids),
        *(RuleUse("status", rule, statuses[rule]) for rule in rules.statuses),
    )


def _upwards(span_id: str, parents: Mapping[str, str]) -> list[str]:
    """A span and all above it."""
    way: list[str] = []
    seen: set[str] = set()
    while span_id and span_id not in seen and len(way) < _DEPTH_MAX:
        seen.add(span_id)
        way.append(span_id)
        span_id = parents.get(span_id, "")
    return way


def _began(row: Row) -> int:
    return int(row[3].timestamp() * 1e9)
