"""The board's view model: headline, key figures, what needs attention, systems, filter and list. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ..model.board import Board, Figure, SystemSight
from ..model.order import DeviationKind, OrderFilter, OrderPage, OrderState
from ..texts import deviation_title, number_words, state_title
from .viewer import SystemMark, Viewer
from .views_orders import OrderRow, build_row
from .views_strip import Strip, build_strip

SPARK_WIDTH, SPARK_HEIGHT = 64.0, 24.0
STALE_SECONDS = 120.0
SORTS = ("harm", "age", "deadline", "started", "id")


@dataclass(frozen=True, slots=True)
class FigureCard:
    """A key figure: its words, `tone` (bad, good or calm) and the points of its sparkline."""

    name: str
    value: str
    title: str
    tone: str
    points: str
    trend_title: str


@dataclass(frozen=True, slots=True)
class SystemSeen:
    """How fresh our view of a system is; `tone` is soon where it has gone quiet."""

    mark: SystemMark
    text: str
    title: str
    tone: str


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of the filter, with its count where known."""

    value: str
    title: str
    chosen: bool
    url: str = ""
    count: str = ""


@dataclass(frozen=True, slots=True)
class FilterView:
    """The filter as it stands in the URL."""

    states: tuple[Choice, ...]
    statuses: tuple[Choice, ...]
    systems: tuple[Choice, ...]
    owners: tuple[Choice, ...]
    deviations: tuple[Choice, ...]
    sorts: tuple[Choice, ...]
    q: str
    state: str
    active: bool


@dataclass(frozen=True, slots=True)
class BoardView:
    """Everything that the board's template shows."""

    headline: str
    headline_tone: str
    subline: str
    figures: tuple[FigureCard, ...]
    attention: tuple[OrderRow, ...]
    attention_count: int
    strip: Strip | None
    systems: tuple[SystemSeen, ...]
    filter: FilterView
    rows: tuple[OrderRow, ...]
    next_url: str
    first_url: str
    empty: bool


def build_board_view(
    board: Board, page: OrderPage, wanted: OrderFilter, sights: Sequence[SystemSight], viewer: Viewer
) -> BoardView:
    """The board for one reader."""
    open_count = sum(column.count for column in board.columns)
    headline, tone = _headline(board, open_count, viewer)
    return BoardView(
        headline=headline,
        headline_tone=tone,
        subline=_subline(board, viewer),
        figures=tuple(card for figure in board.figures if (card := _card(figure, viewer))),
        attention=tuple(build_row(order, viewer) for order in board.attention),
        attention_count=board.attention_count,
        strip=build_strip(board, viewer) if open_count else None,
        systems=tuple(_seen(sight, viewer) for sight in sights),
        filter=_filter(wanted, page.counts, viewer),
        rows=tuple(build_row(order, viewer) for order in page.orders),
        next_url=list_url(wanted, cursor=page.next_cursor) if page.next_cursor else "",
        first_url=list_url(wanted) if wanted.cursor else "",
        empty=not (open_count or page.orders or any(page.counts.values())),
    )


def list_url(wanted: OrderFilter, **changes: str | None) -> str:
    """The board's address with this filter and some of it changed; a changed filter begins at its first page."""
    have = {
        name: getattr(wanted, name) for name in ("state", "status", "system", "owner", "q", "deviation", "sort")
    } | {"cursor": ""}
    given = {name: value for name, value in (have | changes).items() if value and (name, value) != ("sort", "harm")}
    return "/" + ("?" + urlencode(given) if given else "") + "#orders"


def _headline(board: Board, open_count: int, viewer: Viewer) -> tuple[str, str]:
    t = viewer.t
    if count := board.attention_count:
        return t.ngettext("%(num)s order needs attention", "%(num)s orders need attention", count), "bad"
    if open_count:
        return t.gettext("All orders are on their way"), "good"
    return t.gettext("No open orders"), "calm"


def _subline(board: Board, viewer: Viewer) -> str:
    if board.watching_since is None:
        return viewer.t.gettext("nothing received yet")
    return viewer.t.gettext("watching since %(clock)s", clock=viewer.clock(board.watching_since))


def _card(figure: Figure, viewer: Viewer) -> FigureCard | None:
    """Known figures get words and a meaning; others are shown by their name."""
    t, value = viewer.t, figure.value
    titles: Mapping[str, tuple[str, str, str]] = {
        "open": (t.gettext("orders in progress"), "count", "calm"),
        "stuck": (t.gettext("orders stuck"), "count", "bad"),
        "failed": (t.gettext("orders failed"), "count", "bad"),
        "late": (t.gettext("past their deadline"), "count", "bad"),
        "soon_late": (t.gettext("nearly late"), "count", "soon"),
        "closed_today": (t.gettext("done today"), "count", "calm"),
        "cancelled_today": (t.gettext("called off today"), "count", "calm"),
        "started_today": (t.gettext("begun today"), "count", "calm"),
        "on_time_share": (t.gettext("in time"), "share", "good"),
        "median_duration_seconds": (t.gettext("from start to end, median"), "seconds", "calm"),
        "detection_seconds": (t.gettext("until a problem is found"), "seconds", "calm"),
    }
    title, unit, tone = titles.get(figure.name, (figure.name.replace("_", " "), "count", "calm"))
    if unit == "share":
        text = "—" if value is None else number_words(value * 100, viewer.language, 1) + "\xa0%"
    elif unit == "seconds":
        text = "—" if value is None else viewer.lasting(value)
    else:
        text = "—" if value is None else number_words(value, viewer.language)
    alarming = tone in ("bad", "soon") and not value
    trend = t.gettext("course over the last hours") if len(figure.trend) > 1 else ""
    return FigureCard(figure.name, text, title, "calm" if alarming else tone, spark_points(figure.trend), trend)


def spark_points(trend: Sequence[float]) -> str:
    """The points of a sparkline, from zero or the smallest value up; empty for fewer than two values."""
    if len(trend) < 2:
        return ""
    low, high = min(trend), max(trend)
    span = (high - low) or 1.0
    step = SPARK_WIDTH / (len(trend) - 1)
    flat = SPARK_HEIGHT / 2 if high == low else None
    ys = [flat or SPARK_HEIGHT - 2 - (value - low) / span * (SPARK_HEIGHT - 4) for value in trend]
    return " ".join(f"{i * step:.1f},{y:.1f}" for i, y in enumerate(ys))


def _seen(sight: SystemSight, viewer: Viewer) -> SystemSeen:
    t, mark = viewer.t, viewer.mark(sight.name)
    if sight.last_seen_at is None:
        if sight.closed:
            text = t.gettext("seen through others")
            return SystemSeen(mark, text, t.gettext("sends no telemetry of its own"), "calm")
        return SystemSeen(mark, t.gettext("not heard yet"), "", "soon")
    silent = (viewer.now - sight.last_seen_at).total_seconds()
    tone = "soon" if silent > STALE_SECONDS and not sight.closed else "good"
    return SystemSeen(
        mark, t.gettext("heard %(ago)s", ago=viewer.ago(sight.last_seen_at)), viewer.exact(sight.last_seen_at), tone
    )


def _filter(wanted: OrderFilter, counts: Mapping[str, int], viewer: Viewer) -> FilterView:
    t, flow = viewer.t, viewer.flow
    number = {state: number_words(counts.get(state, 0), viewer.language) for state in OrderState}
    states = [
        Choice(
            "",
            t.gettext("all"),
            not wanted.state,
            list_url(wanted, state=""),
            number_words(sum(counts.values()), viewer.language),
        )
    ]
    for state in OrderState:
        title = state_title(state, viewer.language)
        states.append(Choice(state, title, wanted.state == state, list_url(wanted, state=state), number[state]))
    ends = [*flow.closed, *flow.cancelled]
    statuses = list(dict.fromkeys([step.status for step in flow.steps] + sorted(ends)))
    owners = list(dict.fromkeys(system.owner for system in flow.systems if system.owner))
    sorts = {
        "harm": t.gettext("most urgent first"),
        "deadline": t.gettext("by deadline"),
        "age": t.gettext("oldest first"),
        "started": t.gettext("newest first"),
        "id": t.gettext("by number"),
    }
    return FilterView(
        states=tuple(states),
        statuses=_choices(((s, viewer.status(s)) for s in statuses), wanted.status),
        systems=_choices(((s.name, viewer.mark(s.name).title) for s in flow.systems), wanted.system),
        owners=_choices(((o, viewer.owner(o)) for o in owners), wanted.owner),
        deviations=_choices(
            [
                ("any", t.gettext("left the flow")),
                *((d.value, deviation_title(d, viewer.language)) for d in DeviationKind),
            ],
            wanted.deviation,
        ),
        sorts=_choices(((s, sorts[s]) for s in SORTS), wanted.sort),
        q=wanted.q,
        state=wanted.state,
        active=bool(wanted.state or wanted.status or wanted.system or wanted.owner or wanted.q or wanted.deviation),
    )


def _choices(options: Iterable[tuple[str, str]], chosen: str) -> tuple[Choice, ...]:
    """The options, with the chosen one among them even if the flow does not know it."""
    known = [Choice(value, title, value == chosen) for value, title in options]
    if chosen and all(choice.value != chosen for choice in known):
        known.append(Choice(chosen, chosen, True))
    return tuple(known)
