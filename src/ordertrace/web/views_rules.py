"""The page on which rules are tried: which of them takes which span to which order, and why one belongs to none. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ..model.trial import Difference, RuleUse, Trial, Tried, TriedTrace, Verdict, Why
from .viewer import SystemMark, Viewer
from .views_orders import order_url

_ROWS_OPEN_MAX = 60
_DEPTH_SHOWN_MAX = 12
_ID_SHOWN = 8


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule and how often it decides; `width` of its bar, 0…100."""

    purpose: str
    rule: str
    uses: int
    width: int


@dataclass(frozen=True, slots=True)
class SpanRow:
    """A span or log record. `sure` is the width of its bar, 0…100; `change` says what would differ."""

    key: str
    depth: int
    clock: str
    title: str
    system: SystemMark
    kind: str
    name: str
    is_log: bool
    order: str
    order_url: str
    sure: int
    certainty: str
    why: str
    rule: str
    status: str
    status_rule: str
    tells: bool
    change: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the bar that sums up: width in percent, class, legend."""

    width: float
    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class TraceView:
    """A trace with its rows; `shares` is how its spans came to their orders."""

    trace_id: str
    orders: tuple[tuple[str, str], ...]
    note: str
    shares: tuple[Share, ...]
    rows: tuple[SpanRow, ...]
    changes: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class RulesView:
    """The whole answer; `verdict` sums up what other rules would change, or what is not worked through yet."""

    title: str
    shares: tuple[Share, ...]
    rules: tuple[RuleRow, ...]
    traces: tuple[TraceView, ...]
    verdict: str
    tone: str
    limits: tuple[str, ...]


def rules_url(order_id: str) -> str:
    """Where the page explains one order."""
    return f"/rules?{urlencode({'q': order_id})}"


def build_rules_view(trial: Trial, others: bool, viewer: Viewer) -> RulesView:
    """The answer for one reader; `others` where rules are tried that are not in force."""
    rows = sum(len(trace.tried) for trace in trial.traces)
    most = max((use.uses for use in trial.rules), default=0)
    every = [tried for trace in trial.traces for tried in trace.tried]
    return RulesView(
        title=trial.order_id or (trial.traces[0].trace_id if trial.traces else ""),
        shares=_shares(every, viewer),
        rules=tuple(_rule_row(use, most, viewer) for use in trial.rules),
        traces=tuple(
            _trace(trace, place == 0 or rows <= _ROWS_OPEN_MAX, viewer) for place, trace in enumerate(trial.traces)
        ),
        verdict=_verdict(trial.differences, others, viewer),
        tone="soon" if trial.differences else "good",
        limits=tuple(_limit(name, viewer) for name in trial.limits),
    )


def _verdict(differences: int, others: bool, viewer: Viewer) -> str:
    t = viewer.t
    if others and not differences:
        return t.gettext("These rules would change nothing here.")
    if others:
        return t.ngettext(
            "These rules would change %(num)s span or log record.",
            "These rules would change %(num)s spans and log records.",
            differences,
        )
    if differences:
        return t.ngettext(
            "%(num)s span or log record is still stored by earlier rules.",
            "%(num)s spans and log records are still stored by earlier rules.",
            differences,
        )
    return ""


def _shares(tried: Sequence[Tried], viewer: Viewer) -> tuple[Share, ...]:
    t = viewer.t
    groups = Counter(_group(one.verdict) for one in tried)
    words = {
        "named": t.gettext("named by a rule"),
        "told": t.gettext("named by something else"),
        "handed": t.gettext("handed on within the trace"),
        "none": t.gettext("of no order"),
    }
    total = max(len(tried), 1)
    return tuple(
        Share(round(100 * groups[name] / total, 2), name, f"{groups[name]} {text}")
        for name, text in words.items()
        if groups[name]
    )


def _group(verdict: Verdict) -> str:
    if not verdict.order_id:
        return "none"
    if verdict.why in (Why.RULE, Why.LOG):
        return "named"
    return "handed" if verdict.why in (Why.ABOVE, Why.BELOW, Why.TRACE) else "told"


def _rule_row(use: RuleUse, most: int, viewer: Viewer) -> RuleRow:
    t = viewer.t
    purpose = t.gettext("order number") if use.purpose == "id" else t.gettext("status")
    return RuleRow(purpose, use.rule, use.uses, round(100 * use.uses / most) if most else 0)


def _trace(trace: TriedTrace, is_open: bool, viewer: Viewer) -> TraceView:
    t = viewer.t
    spans = sum(1 for one in trace.tried if one.kind != "Log")
    note = t.ngettext("%(num)s span", "%(num)s spans", spans)
    if records := len(trace.tried) - spans:
        note += ", " + t.ngettext("%(num)s log record", "%(num)s log records", records)
    changes = t.ngettext("%(num)s change", "%(num)s changes", trace.differences) if trace.differences else ""
    return TraceView(
        trace_id=trace.trace_id,
        orders=tuple((order, order_url(order)) for order in trace.orders),
        note=note,
        shares=_shares(trace.tried, viewer),
        rows=tuple(_row(place, one, viewer) for place, one in enumerate(trace.tried)),
        changes=changes,
        is_open=is_open or bool(trace.differences),
    )


def _row(place: int, tried: Tried, viewer: Viewer) -> SpanRow:
    verdict = tried.verdict
    return SpanRow(
        key=f"{tried.span_id}-{place}",
        depth=min(tried.depth, _DEPTH_SHOWN_MAX),
        clock=viewer.clock(tried.at) + tried.at.astimezone(viewer.zone).strftime(".%f")[:4],
        title=viewer.exact(tried.at),
        system=viewer.mark(tried.system),
        kind=tried.kind,
        name=tried.name,
        is_log=tried.kind == "Log",
        order=verdict.order_id,
        order_url=order_url(verdict.order_id) if verdict.order_id else "",
        sure=round(100 * verdict.confidence),
        certainty=f"{round(100 * verdict.confidence)} %",
        why=_why(verdict, viewer),
        rule=verdict.rule,
        status=viewer.status(verdict.status) if verdict.status else "",
        status_rule=verdict.status_rule if verdict.status else "",
        tells=tried.tells,
        change=_change(tried, viewer),
    )


def _why(verdict: Verdict, viewer: Viewer) -> str:
    t = viewer.t
    span = verdict.from_span[:_ID_SHOWN]
    return {
        Why.RULE: t.gettext("a rule finds it"),
        Why.LOG: t.gettext("a log record in it names the order"),
        Why.MESSAGE: t.gettext("a message names the order"),
        Why.CORRELATION: t.gettext("it answers a message of the order"),
        Why.LINK: t.gettext("it is linked with the order"),
        Why.KEY: t.gettext("it holds another key of the order"),
        Why.SEQUENCE: t.gettext("the broker’s deliveries come in this sequence"),
        Why.TIME: t.gettext("at this time only this order can be meant"),
        Why.ABOVE: t.gettext("handed on from span %(span)s", span=span),
        Why.BELOW: t.gettext("span %(span)s below works for it", span=span),
        Why.TRACE: t.gettext("the trace names no other order"),
        Why.NOTHING_NAMED: t.gettext("nothing in the trace names an order"),
        Why.SEVERAL: t.gettext("the trace serves several orders, and nothing says whose this is"),
        Why.NAMES_SEVERAL: t.gettext("it is named for several orders"),
        Why.UNKNOWN_KEY: t.gettext("it holds a key of which nobody knows whose it is"),
        Why.UNKNOWN_ORDER: t.gettext("the system does not know this order"),
    }[verdict.why]


def _change(tried: Tried, viewer: Viewer) -> str:
    t, before = viewer.t, tried.stored
    match tried.difference:
        case Difference.GAINED:
            return t.gettext("now of no order")
        case Difference.LOST | Difference.MOVED:
            return t.gettext("now of order %(order)s", order=before.order_id)
        case Difference.STATUS:
            return t.gettext("now says %(status)s", status=viewer.status(before.status) if before.status else "—")
        case _:
            return ""


def _limit(name: str, viewer: Viewer) -> str:
    t = viewer.t
    return {
        "traces": t.gettext("The order has more traces than are shown."),
        "spans": t.gettext("There are more spans than are shown; try a single trace."),
        "log_records": t.gettext("There are more log records than are shown; try a single trace."),
    }[name]
