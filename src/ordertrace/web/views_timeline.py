"""The picture of an order: lanes, bars, arrows, notches and ghosts with their coordinates. Pure; templates draw it.

Labels never collide: the axis leaves room for the important ones, the others appear only where there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from ..model.order import OrderState, OrderTimeline
from ..texts import event_words, status_reached
from .axis import Axis, Wish, build_axis
from .picture import (
    ARROW_ROOM,
    BAR_HEIGHT,
    BAR_TOP,
    BAR_WIDTH_MIN,
    CHARACTER,
    FOOT,
    HEAD,
    LANE_GAP,
    LEFT,
    RIGHT,
    ROW,
    WIDTH,
    Bar,
    Cast,
    Chart,
    Drawing,
    Label,
    Lane,
    event_anchor,
    shorten,
)
from .picture_passings import draw_call, draw_messages
from .picture_time import draw_deviations, draw_ghosts, draw_rules, find_notches, find_ticks
from .viewer import QUEUES, Viewer
from .work import Passing, Work, find_calls, gather_work, infer_work, pair_messages

LONG = timedelta(seconds=0.5)  # work that lasts longer is drawn to scale
OPEN_STATES = (OrderState.OPEN, OrderState.STUCK, OrderState.FAILED)


def build_chart(timeline: OrderTimeline, viewer: Viewer) -> Chart | None:
    """The picture of the order as it stands at `viewer.now`; None where nothing has been seen yet."""
    if not timeline.events:
        return None
    cast = _gather(timeline, viewer)
    width = 400.0
    chart = _draw(cast, timeline, viewer, width)
    for _ in range(2):  # what stands to the right of now is known only once it is drawn: then widen to fill the page
        if (left_over := WIDTH - chart.width) > 1:
            width += left_over
            chart = _draw(cast, timeline, viewer, width)
    return chart if chart.width >= WIDTH else replace(chart, width=WIDTH)


def _gather(timeline: OrderTimeline, viewer: Viewer) -> Cast:
    passings = pair_messages(timeline.events)
    inferred = _begin_at_message(infer_work(timeline.events, viewer.flow), passings)
    works = sorted([*gather_work(timeline.events), *inferred], key=lambda w: (w.begin, w.end))
    is_open = timeline.order.state in OPEN_STATES
    ghosts = viewer.flow.path_after(timeline.order.status) if is_open else ()
    return Cast(tuple(works), passings, tuple(find_calls(timeline.events, viewer.flow)), ghosts, is_open)


def _draw(cast: Cast, timeline: OrderTimeline, viewer: Viewer, width: float) -> Chart:
    axis = _axis(cast, timeline, viewer, width)
    d = Drawing(viewer, timeline, axis, {})
    rows = _rows(cast.works, d)
    d.lanes |= _lanes(cast, rows, viewer)
    d.avoid += [(fold.x - 8, fold.x + 8) for fold in axis.folds]
    _draw_bars(d, cast, rows)
    draw_messages(d, cast)
    for call in cast.calls:
        draw_call(d, call, cast)
    right = max([axis.xs[-1], *(label.right for label in d.labels), *(b.x + b.width for b in d.bars)])
    rules, right = draw_rules(d, right, cast.is_open)
    rules = [*draw_deviations(d), *rules]
    right = draw_ghosts(d, right) if cast.ghosts else right
    height = max(lane.y + lane.height for lane in d.lanes.values()) + FOOT
    return Chart(
        width=right + RIGHT,
        height=height,
        focus_x=axis.xs[-1],
        lanes=tuple(d.lanes.values()),
        bars=tuple(d.bars),
        arrows=tuple(d.arrows),
        labels=tuple(d.labels),
        ticks=tuple(find_ticks(axis, {w.begin for w in cast.works}, viewer)),
        notches=tuple(find_notches(axis, viewer)),
        rules=tuple(rules),
    )


def _begin_at_message(inferred: Sequence[Work], passings: Sequence[Passing]) -> tuple[Work, ...]:
    """Inferred work begins with the message that nobody was seen to take, where there is one in its time."""
    waiting = [p.sent for p in passings if p.sent and not p.received]
    moved = []
    for work in inferred:
        near = [e for e in waiting if work.begin - timedelta(seconds=1) <= e.at < work.end]
        begin = near[0].at + timedelta(milliseconds=1) if near else work.begin
        moved.append(Work(work.system, min(begin, work.end), work.end, work.events, work.status, inferred=True))
    return tuple(moved)


def _axis(cast: Cast, timeline: OrderTimeline, viewer: Viewer, width: float) -> Axis:
    moments = {w.begin for w in cast.works} | {w.end for w in cast.works if w.inferred or w.end - w.begin > LONG}
    moments |= {p.sent.at for p in cast.passings if p.sent} | {call.event.at for call in cast.calls}
    if cast.is_open:
        moments.add(max(viewer.now, *moments))
        deadline = timeline.order.deadline_at
        if deadline and min(moments) < deadline <= viewer.now:
            moments.add(deadline)
    wishes = [Wish(w.begin, w.system, len(text) * CHARACTER) for w in cast.works if (text := _strong_label(w, viewer))]
    for work in (w for w in cast.works if w.inferred):  # room for the bar and for the arrow that leaves it
        wishes += [Wish(work.begin, f"{work.system} bar", ARROW_ROOM + 26), Wish(work.end, f"{work.system} bar", 0)]
    return build_axis(moments, wishes, LEFT, width)


def _rows(works: Sequence[Work], d: Drawing) -> dict[int, int]:
    """Row of each piece of work in its lane: the first row that is free by then."""
    busy: dict[str, list[float]] = {}
    rows = {}
    for work in works:
        begin, width = _extent(work, d.axis)
        lane = busy.setdefault(work.system, [])
        row = next((i for i, until in enumerate(lane) if until <= begin), len(lane))
        lane[row : row + 1] = [begin + width + 2]
        rows[id(work)] = row
    return rows


def _lanes(cast: Cast, rows: dict[int, int], viewer: Viewer) -> dict[str, Lane]:
    """A lane for each system that did something, was called or is still expected; the queues after the first."""
    names = {w.system for w in cast.works} | {s.system for s in cast.ghosts} | {c.peer for c in cast.calls}
    known = [s.name for s in viewer.flow.systems if s.name in names]
    ordered = [viewer.mark(name) for name in (*known, *sorted(names - set(known)))]
    if cast.passings:
        ordered.insert(1, viewer.queues())
    lanes, y = {}, HEAD
    for mark in ordered:
        mine = [w for w in cast.works if w.system == mark.name]
        height = ROW - 14 if mark.name == QUEUES else ROW * (1 + max((rows[id(w)] for w in mine), default=0))
        lanes[mark.name] = Lane(mark, y, height, bool(mine) and all(w.inferred for w in mine))
        y += height + LANE_GAP
    return lanes


def _extent(work: Work, axis: Axis) -> tuple[float, float]:
    """Left end and width of a bar; inferred ones leave room for the arrow to whoever told of them."""
    x, end = axis.x(work.begin), axis.x(work.end)
    if work.inferred and end - x > ARROW_ROOM + BAR_WIDTH_MIN:
        end -= ARROW_ROOM
    return x, max(BAR_WIDTH_MIN, end - x)


def _strong_label(work: Work, viewer: Viewer) -> str:
    if work.error:
        code = work.error.response_code or (work.error.error.type.rsplit(".", 1)[-1] if work.error.error else "")
        word = code or viewer.t.gettext("error")
        return shorten(f"✕ {word}")
    return shorten(status_reached(work.status, viewer.language)) if _is_own(work, viewer) else ""


def _is_own(work: Work, viewer: Viewer) -> bool:
    """Does the work bring its status about, or has it only heard of it?"""
    step = viewer.flow.step(work.status)
    return bool(work.status) and (step is None or step.system == work.system)


def _draw_bars(d: Drawing, cast: Cast, rows: dict[int, int]) -> None:
    """Bars with their labels: the important one on the side away from the queues, where no arrow ends."""
    busy = {e.id for p in cast.passings for e in (p.sent, p.received) if e}
    soft: list[Label] = []
    for work in cast.works:
        lane = d.lanes[work.system]
        x, width = _extent(work, d.axis)
        y = lane.y + ROW * rows[id(work)] + BAR_TOP
        d.place[id(work)] = (x, y, width)
        form = "inferred" if work.inferred else "seen"
        href = "#" + event_anchor(work.shown.id)
        d.bars.append(Bar(x, y, width, lane.mark.accent, form, _bar_title(work, d.viewer), href, bool(work.error)))
        away, facing = y - 6, y + BAR_HEIGHT + 13
        if QUEUES in d.lanes and lane.y > d.lanes[QUEUES].y:
            away, facing = facing, away
        strong = _strong_label(work, d.viewer)
        if strong:
            d.add_label(Label(x, away, strong, "bad" if work.error else "strong"))
        if text := _soft_label(work, d.viewer):
            free = not work.inferred and not any(e.id in busy for e in work.events)
            soft += [Label(x, away, text, "soft")] if not strong else [Label(x, facing, text, "soft")] if free else []
    for label in soft:
        d.add_label(label)


def _soft_label(work: Work, viewer: Viewer) -> str:
    """What the work was called and how long it took; nothing for mere news of a status, which its arrow tells."""
    lasting = (work.end - work.begin).total_seconds()
    took = f" · {viewer.lasting(lasting)}" if lasting >= 1 else ""
    if work.inferred or (work.status and not _is_own(work, viewer)):
        return ""
    return shorten(work.first.name) + took


def _bar_title(work: Work, viewer: Viewer) -> str:
    lines = [f"{viewer.mark(work.system).title} · {viewer.exact(work.begin)}"]
    if work.inferred:
        lines.append(viewer.t.gettext("inferred from what other systems say"))
        lines.append(status_reached(work.status, viewer.language))
    else:
        lines += list(dict.fromkeys(event_words(e, viewer.flow, viewer.language) for e in work.events))[:8]
    lines.append(viewer.lasting((work.end - work.begin).total_seconds()))
    return "\n".join(lines)
