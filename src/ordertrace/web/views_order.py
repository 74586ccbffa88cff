"""The order page's view model: headline, diagnosis with evidence, picture, facts, messages, traces. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.order import (
    Deviation,
    DeviationKind,
    Diagnosis,
    DiagnosisKind,
    JoinedBy,
    Order,
    OrderEvent,
    OrderState,
    OrderTimeline,
    TraceSummary,
)
from ..texts import (
    certainty_words,
    deviation_sentence,
    deviation_title,
    diagnosis_sentence,
    event_words,
    evidence_line,
    next_sentence,
    problem_title,
    status_reached,
    what_to_do,
)
from .picture import Chart, event_anchor
from .viewer import SystemMark, Viewer
from .views_order_messages import MessageRow, message_rows
from .views_orders import OrderRow, build_row
from .views_timeline import build_chart
from .views_watch import GapLine, gap_line
from .work import is_error

EVIDENCE_MAX = 6
GAPS_MAX = 5
DEVIATIONS_MAX = 10


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for the diagnosis; facts that say the same share a line. `times`: address of the row, time, exact time."""

    text: str
    times: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """The answer to "what happened?": sentence, evidence, who is next, what to do. `tone` is bad, soon, good or calm."""

    tone: str
    sentence: str
    kind: str
    certainty: str
    since: str
    since_title: str
    evidence: tuple[Evidence, ...]
    more_evidence: int
    next: str
    to_do: str


@dataclass(frozen=True, slots=True)
class DeviationLine:
    """Where the order left its flow; `href` leads to the event that shows it."""

    title: str
    sentence: str
    clock: str
    clock_title: str
    certainty: str
    href: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """A fact in the list behind the picture."""

    anchor: str
    clock: str
    title: str
    system: SystemMark
    remark: str
    text: str
    technical: str
    code: str
    took: str
    bad: bool
    joined: str
    error_type: str
    error_message: str
    stack: str
    trace_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class ViewRow:
    """What one system believes about the order; `behind` says that others are further."""

    system: SystemMark
    status: str
    technical: str
    clock: str
    title: str
    inferred: bool
    note: str
    wrong: bool


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A trace that served the order; `href` leads to its first fact on this page."""

    trace_id: str
    name: str
    clock: str
    title: str
    size: str
    errors: str
    systems: tuple[SystemMark, ...]
    href: str


@dataclass(frozen=True, slots=True)
class OrderView:
    """Everything that the order page shows."""

    row: OrderRow
    facts: tuple[tuple[str, str], ...]
    call: Call
    deviations: tuple[DeviationLine, ...]
    chart: Chart | None
    chart_note: str
    has_inferred: bool
    has_ghosts: bool
    events: tuple[EventRow, ...]
    views: tuple[ViewRow, ...]
    messages: tuple[MessageRow, ...]
    gaps: tuple[GapLine, ...]
    traces: tuple[TraceRow, ...]


def build_order_view(timeline: OrderTimeline, viewer: Viewer) -> OrderView:
    """The page of one order for one reader."""
    order = timeline.order
    chart = build_chart(timeline, viewer)
    remarks = _remarks(order, viewer)
    forms = {bar.form for bar in chart.bars} if chart else set()
    return OrderView(
        row=build_row(order, viewer),
        facts=tuple(_facts(order, viewer)),
        call=build_call(timeline, viewer),
        deviations=tuple(_deviation_line(one, viewer) for one in order.deviations[:DEVIATIONS_MAX]),
        chart=chart,
        chart_note=_chart_note(timeline, viewer),
        has_inferred="inferred" in forms,
        has_ghosts="ghost" in forms,
        events=tuple(_event_row(event, remarks.get(event.id, ""), viewer) for event in timeline.events),
        views=tuple(_views(order, viewer)),
        messages=tuple(message_rows(timeline, viewer)),
        gaps=tuple(gap_line(gap, viewer) for gap in timeline.gaps[-GAPS_MAX:]),
        traces=tuple(_trace_row(trace, timeline.events, viewer) for trace in timeline.traces),
    )


def _facts(order: Order, viewer: Viewer) -> list[tuple[str, str]]:
    """Short facts under the headline, each with what hovering tells."""
    t = viewer.t
    facts = [(t.gettext("since %(clock)s", clock=viewer.clock(order.status_since)), viewer.exact(order.status_since))]
    if order.closed_at:
        whole = viewer.lasting((order.closed_at - order.started_at).total_seconds())
        return [*facts, (t.gettext("took %(duration)s in all", duration=whole), viewer.exact(order.started_at))]
    if order.deadline_at:
        left = (order.deadline_at - viewer.now).total_seconds()
        words = {"clock": viewer.clock(order.deadline_at), "duration": viewer.roughly(left)}
        text = t.gettext("deadline %(clock)s, in %(duration)s", **words)
        if left < 0:
            text = t.gettext("deadline %(clock)s passed %(duration)s ago", **words)
        facts.append((text, viewer.exact(order.deadline_at)))
    facts.append(
        (
            t.gettext("order is %(duration)s old", duration=viewer.roughly(order.age_seconds)),
            viewer.exact(order.started_at),
        )
    )
    return facts


def build_call(timeline: OrderTimeline, viewer: Viewer) -> Call:
    """The first lines of the page; an order without a problem gets a sentence as well."""
    order = timeline.order
    next_words = next_sentence(order, viewer.flow, viewer.language)
    if order.diagnosis is None:
        tone, sentence = _calm_sentence(order, viewer)
        return Call(tone, sentence, "", "", "", "", (), 0, next_words if order.next else "", "")
    diagnosis = order.diagnosis
    evidence = _evidence(diagnosis, timeline.events, viewer)
    return Call(
        tone="soon" if order.state is OrderState.OPEN else "bad",
        sentence=diagnosis_sentence(diagnosis, order, viewer.flow, viewer.language),
        kind=problem_title(diagnosis.kind, viewer.language),
        certainty=certainty_words(diagnosis.confidence, viewer.language),
        since=viewer.clock(diagnosis.since),
        since_title=viewer.exact(diagnosis.since),
        evidence=tuple(evidence[:EVIDENCE_MAX]),
        more_evidence=max(0, len(evidence) - EVIDENCE_MAX),
        next=next_words,
        to_do=what_to_do(diagnosis, order, viewer.flow, viewer.language),
    )


def _calm_sentence(order: Order, viewer: Viewer) -> tuple[str, str]:
    t = viewer.t
    if order.state is OrderState.CLOSED:
        seconds = ((order.closed_at or order.last_seen_at) - order.started_at).total_seconds()
        return "good", t.gettext("The order is done, after %(duration)s.", duration=viewer.lasting(seconds))
    if order.state is OrderState.CANCELLED:
        return "calm", t.gettext("The order was called off.")
    if order.state is not OrderState.OPEN:
        return "bad", t.gettext("Something is wrong; the cause has not been found yet.")
    status = viewer.status(order.status)
    return "good", t.gettext("The order is on its way: %(status)s. No problem has been seen.", status=status)


def _evidence(diagnosis: Diagnosis, events: Sequence[OrderEvent], viewer: Viewer) -> list[Evidence]:
    by_id = {event.id: event for event in events}
    lines: dict[str, list[tuple[str, str, str]]] = {}
    for name in dict.fromkeys(diagnosis.evidence):
        if event := by_id.get(name):
            text = evidence_line(event, viewer.flow, viewer.language)
            time = ("#" + event_anchor(event.id), viewer.clock(event.at), viewer.exact(event.at))
            lines.setdefault(text, []).append(time)
    return [Evidence(text, tuple(times)) for text, times in lines.items()]


def _chart_note(timeline: OrderTimeline, viewer: Viewer) -> str:
    t, order = viewer.t, timeline.order
    whole = viewer.roughly(((order.closed_at or viewer.now) - order.started_at).total_seconds())
    traces = t.ngettext("%(num)s trace", "%(num)s traces", len(timeline.traces))
    facts = t.ngettext("%(num)s event", "%(num)s events", len(timeline.events))
    return f"{whole} · {traces} · {facts}"


def _deviation_line(deviation: Deviation, viewer: Viewer) -> DeviationLine:
    return DeviationLine(
        title=deviation_title(deviation.kind, viewer.language),
        sentence=deviation_sentence(deviation, viewer.flow, viewer.language),
        clock=viewer.clock(deviation.at),
        clock_title=viewer.exact(deviation.at),
        certainty=certainty_words(deviation.confidence, viewer.language),
        href="#" + event_anchor(deviation.evidence[-1]) if deviation.evidence else "",
    )


def _remarks(order: Order, viewer: Viewer) -> dict[str, str]:
    """By event id, what the event did to the order's course; a skipped status has no event of its own."""
    return {
        event_id: deviation_title(deviation.kind, viewer.language)
        for deviation in order.deviations
        if deviation.kind is not DeviationKind.SKIPPED
        for event_id in deviation.evidence
    }


def _event_row(event: OrderEvent, remark: str, viewer: Viewer) -> EventRow:
    text = event_words(event, viewer.flow, viewer.language)
    error = event.error
    where = event.queue or event.destination
    says_all = bool(where) and where in text and where in event.name
    return EventRow(
        anchor=event_anchor(event.id),
        clock=viewer.clock(event.at) + event.at.astimezone(viewer.zone).strftime(".%f")[:4],
        title=viewer.exact(event.at),
        system=viewer.mark(event.system),
        remark=remark,
        text=text,
        technical=" · ".join(
            dict.fromkeys(p for p in (event.status, "" if says_all else event.name) if p and p not in text)
        ),
        code=event.response_code or (error.code if error else ""),
        took=viewer.lasting(event.duration_seconds) if event.duration_seconds else "",
        bad=is_error(event),
        joined=_joined(event, viewer),
        error_type=error.type if error else "",
        error_message=error.message if error else "",
        stack=error.stack if error else "",
        trace_id=event.trace_id,
        message_id=event.message_id,
    )


def _joined(event: OrderEvent, viewer: Viewer) -> str:
    """How we know that the fact belongs to this order; nothing where it says so itself."""
    t = viewer.t
    if event.joined_by is JoinedBy.ATTRIBUTE:
        return ""
    ways = {
        JoinedBy.PATTERN: t.gettext("order number found in a text"),
        JoinedBy.TRACE: t.gettext("same trace"),
        JoinedBy.MESSAGE: t.gettext("seen in the broker"),
        JoinedBy.LOG: t.gettext("order number found in a log"),
        JoinedBy.CORRELATION: t.gettext("answer to a message of the order"),
        JoinedBy.LINK: t.gettext("linked trace"),
        JoinedBy.KEY: t.gettext("another key of the order"),
        JoinedBy.SEQUENCE: t.gettext("order of messages on a channel"),
        JoinedBy.TIME: t.gettext("time and key fit"),
    }
    how = ways[event.joined_by]
    return f"{how}, {certainty_words(event.confidence, viewer.language)}"


def _views(order: Order, viewer: Viewer) -> list[ViewRow]:
    """Systems in the flow's order. An order that has ended leaves nobody behind."""
    flow, statuses = viewer.flow, order.statuses
    disagree = order.diagnosis is not None and order.diagnosis.kind is DiagnosisKind.STATUS_MISMATCH
    wrong = order.diagnosis.system if order.diagnosis and disagree else ""
    places = {system.name: i for i, system in enumerate(flow.systems)}
    furthest = max((flow.rank(view.status) for view in statuses.values()), default=0)
    rows = []
    for name, view in sorted(statuses.items(), key=lambda item: places.get(item[0], len(places))):
        behind = furthest - flow.rank(view.status)
        lags = behind and flow.rank(view.status) and order.closed_at is None
        note = viewer.t.ngettext("%(num)s step behind", "%(num)s steps behind", behind) if lags else ""
        rows.append(
            ViewRow(
                system=viewer.mark(name),
                status=status_reached(view.status, viewer.language),
                technical=view.status,
                clock=viewer.clock(view.at),
                title=viewer.exact(view.at),
                inferred=view.inferred,
                note=note,
                wrong=name == wrong,
            )
        )
    return rows


def _trace_row(trace: TraceSummary, events: Sequence[OrderEvent], viewer: Viewer) -> TraceRow:
    t = viewer.t
    first = next((event for event in events if event.trace_id == trace.trace_id), None)
    spans = t.ngettext("%(num)s span", "%(num)s spans", trace.spans)
    return TraceRow(
        trace_id=trace.trace_id,
        name=trace.name or (first.name if first else ""),
        clock=viewer.clock(trace.started_at),
        title=viewer.exact(trace.started_at),
        size=f"{spans} · {viewer.lasting(trace.duration_seconds)}",
        errors=t.ngettext("%(num)s error", "%(num)s errors", trace.errors) if trace.errors else "",
        systems=tuple(viewer.mark(name) for name in trace.systems),
        href="#" + event_anchor(first.id) if first else "",
    )
