"""Where the time goes: steps, messages and calls with their course over the period, and what got slower. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model.analysis import Bottlenecks, CoursePoint, Latency
from ..texts import number_words, share_words, status_reached
from .viewer import SystemMark, Viewer
from .views_orders import order_url, shorten_id
from .views_variants import coverage_notes

COURSE_WIDTH, COURSE_HEIGHT = 200.0, 36.0
BAR = 100.0
LATELY_SHARE = 0.25
SHOWN = 12


@dataclass(frozen=True, slots=True)
class CourseView:
    """Median as a line, the 90th percentile as the area over it, and a table of the same; `points` for single spans."""

    line: str
    area: str
    dots: tuple[tuple[float, float], ...]
    title: str
    rows: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class LatencyLine:
    """One step, queue or call."""

    key: str
    begin: str
    begin_mark: SystemMark | None
    end: str
    end_mark: SystemMark | None
    times: str
    share: str
    filled: float
    median: str
    p90: str
    work: str
    work_title: str
    failed: str
    change: str
    change_title: str
    tone: str
    course: CourseView
    example: str
    example_url: str


@dataclass(frozen=True, slots=True)
class BottlenecksView:
    """The whole page."""

    headline: str
    tone: str
    subline: str
    steps: tuple[LatencyLine, ...]
    messages: tuple[LatencyLine, ...]
    calls: tuple[LatencyLine, ...]
    more_steps: int
    width: float
    height: float
    lately_x: float
    period: str
    notes: tuple[str, ...]


def build_bottlenecks_view(found: Bottlenecks | None, viewer: Viewer) -> BottlenecksView:
    """The page for one reader."""
    t = viewer.t
    if found is None or not (found.steps or found.messages or found.calls):
        headline = t.gettext("No orders in this period")
        return BottlenecksView(headline, "calm", "", (), (), (), 0, COURSE_WIDTH, COURSE_HEIGHT, 0.0, "", ())
    headline, tone = _headline(found, viewer)
    worse = sum(one.change is not None and one.change.worse for one in _all(found))
    subline = t.ngettext("%(num)s got slower lately", "%(num)s got slower lately", worse) if worse else ""
    return BottlenecksView(
        headline=headline,
        tone=tone,
        subline=subline or t.gettext("Nothing got slower lately."),
        steps=tuple(_line(one, found, viewer) for one in found.steps[:SHOWN]),
        messages=tuple(_line(one, found, viewer) for one in found.messages[:SHOWN]),
        calls=tuple(_line(one, found, viewer) for one in found.calls[:SHOWN]),
        more_steps=max(0, len(found.steps) - SHOWN),
        width=COURSE_WIDTH,
        height=COURSE_HEIGHT,
        lately_x=COURSE_WIDTH * (1 - LATELY_SHARE),
        period=f"{viewer.clock(found.since)} – {viewer.clock(found.until)}",
        notes=coverage_notes(found.coverage, viewer),
    )


def _all(found: Bottlenecks) -> Sequence[Latency]:
    return [*found.steps, *found.messages, *found.calls]


def _headline(found: Bottlenecks, viewer: Viewer) -> tuple[str, str]:
    t = viewer.t
    if not found.steps:
        return t.gettext("No order has made a step yet"), "calm"
    worst = found.steps[0]
    return (
        t.gettext(
            "%(share)s of the time passes between “%(begin)s” and “%(end)s”",
            share=share_words(worst.share, viewer.language),
            begin=status_reached(worst.source, viewer.language),
            end=status_reached(worst.target, viewer.language),
        ),
        "calm",
    )


def _line(one: Latency, found: Bottlenecks, viewer: Viewer) -> LatencyLine:
    t = viewer.t
    begin, begin_mark, end, end_mark = _ends(one, viewer)
    change = one.change
    words = title = ""
    if change:
        lengths = {"before": viewer.lasting(change.before_seconds), "lately": viewer.lasting(change.lately_seconds)}
        title = t.gettext("median before %(before)s, lately %(lately)s", **lengths)
        if change.worse:
            words = t.gettext("slower: %(before)s → %(lately)s", **lengths)
    work = viewer.lasting(one.work_median_seconds) if one.work_median_seconds is not None else ""
    return LatencyLine(
        key=f"{one.kind} {one.source} {one.target}",
        begin=begin,
        begin_mark=begin_mark,
        end=end,
        end_mark=end_mark,
        times=number_words(one.times, viewer.language),
        share=share_words(one.share, viewer.language),
        filled=round(BAR * one.share, 1),
        median=viewer.lasting(one.median_seconds),
        p90=viewer.lasting(one.p90_seconds),
        work=work,
        work_title=t.gettext("nine of ten within %(length)s", length=viewer.lasting(one.work_p90_seconds))
        if one.work_p90_seconds is not None
        else "",
        failed=t.ngettext("%(num)s call failed", "%(num)s calls failed", one.failed) if one.failed else "",
        change=words,
        change_title=title,
        tone="bad" if words else "calm",
        course=_course(one.course, found.since, found.until, viewer),
        example=shorten_id(one.example, 18) if one.example else "",
        example_url=order_url(one.example) if one.example else "",
    )


def _ends(one: Latency, viewer: Viewer) -> tuple[str, SystemMark | None, str, SystemMark | None]:
    if one.kind == "step":
        steps = [viewer.flow.step(status) for status in (one.source, one.target)]
        marks = [viewer.mark(step.system) if step else None for step in steps]
        titles = [status_reached(status, viewer.language) for status in (one.source, one.target)]
        return titles[0], marks[0], titles[1], marks[1]
    if one.kind == "message":
        return one.source, None, "", viewer.mark(one.consumer) if one.consumer else None
    known = {system.name for system in viewer.flow.systems}
    called = viewer.mark(one.target)
    return (
        "",
        viewer.mark(one.source),
        "" if one.target in known else one.target,
        called if one.target in known else None,
    )


def _course(points: Sequence[CoursePoint], since: datetime, until: datetime, viewer: Viewer) -> CourseView:
    """Heights go up to the largest median's double, so that one outlier does not press all others flat."""
    t, whole = viewer.t, (until - since).total_seconds()
    high = max((point.median_seconds for point in points), default=0.0) * 2 or 1.0
    placed = [
        (
            ((point.start - since).total_seconds() / whole + 1 / 48) * COURSE_WIDTH,
            _height(point.median_seconds, high),
            _height(point.p90_seconds, high),
        )
        for point in points
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in placed)
    upper = " ".join(f"{x:.1f},{p:.1f}" for x, _, p in placed)
    lower = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in reversed(placed))
    rows = tuple(
        (
            viewer.clock(point.start),
            viewer.lasting(point.median_seconds),
            viewer.lasting(point.p90_seconds),
            number_words(point.times, viewer.language),
        )
        for point in points
    )
    title = ""
    if points:
        least, most = min(p.median_seconds for p in points), max(p.median_seconds for p in points)
        title = t.gettext("median from %(least)s to %(most)s", least=viewer.lasting(least), most=viewer.lasting(most))
    single = tuple((x, y) for x, y, _ in placed) if len(placed) == 1 else ()
    return CourseView(line, f"{upper} {lower}" if len(placed) > 1 else "", single, title, rows)


def _height(seconds: float, high: float) -> float:
    return COURSE_HEIGHT - 2 - min(1.0, seconds / high) * (COURSE_HEIGHT - 4)
