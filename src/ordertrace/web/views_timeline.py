"""The picture of an order: lanes, bars, arrows, notches and ghosts with their coordinates. Pure; templates draw it.

Labels never collide: the axis leaves room for the important ones, the others appear only where there is room.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..model.flow import Step
from ..model.order import OrderEvent, OrderState, OrderTimeline
from ..texts import event_words, status_reached

from .axis import Axis, Wish, build_axis
from .viewer import QUEUES, SystemMark, Viewer
from .work import Calling, Passing, Work, find_calls, gather_work, infer_work, is_error, pair_messages

HEAD, ROW, LANE_GAP, FOOT = 52.0, 62.0, 8.0, 30.0
BAR_HEIGHT, BAR_TOP = 18.0, 24.0
BAR_WIDTH_MIN = 10.0
ARROW_ROOM = 26.0
LONG = timedelta(seconds=0.5)  # work that lasts longer is drawn to scale
GHOST_WIDTH = 54.0
CHARACTER = 6.9  # pixels of a label's character, on the generous side
LABEL_CHARACTERS = 26
LEFT, RIGHT, WIDTH = 14.0, 16.0, 1164.0
OPEN_STATES = (OrderState.OPEN, OrderState.STUCK, OrderState.FAILED)


@dataclass(frozen=True, slots=True)
class Label:
    """A text with its left end and base line; `form` is a class: strong, soft or bad."""

    x: float
    y: float
    text: str
    form: str

    @property
    def right(self) -> float:
        return self.x + len(self.text) * CHARACTER


@dataclass(frozen=True, slots=True)
class Lane:
    """A system's band (or the queues'), `rows` bars high."""

    mark: SystemMark
    y: float
    height: float
    inferred: bool

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of work; `form` is seen, inferred or ghost. `title` is what hovering tells."""

    x: float
    y: float
    width: float
    accent: str
    form: str
    title: str
    href: str = ""
    error: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message or call as an SVG path; `end` is arrow, cross (lost, failed) or open (not seen arriving)."""

    path: str
    end: str
    end_x: float
    end_y: float
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Notch:
    """A folded wait."""

    x: float
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A vertical line: now or the deadline. Its label stands to the right, or to the left where `anchor` is end."""

    x: float
    text: str
    form: str
    anchor: str
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template draws, in user units."""

    width: float
    height: float
    focus_x: float
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    arrows: tuple[Arrow, ...]
    labels: tuple[Label, ...]
    ticks: tuple[Label, ...]
    notches: tuple[Notch, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class _Cast:
    """What takes part in the picture, without coordinates."""

    works: tuple[Work, ...]
    passings: tuple[Passing, ...]
    calls: tuple[Calling, ...]
    ghosts: tuple[Step, ...]
    is_open: bool


@dataclass(slots=True)
class _Drawing:
    """The picture while it is made."""

    viewer: Viewer
    timeline: OrderTimeline
    axis: Axis
    lanes: dict[str, Lane]
    place: dict[int, tuple[float, float, float]] = field(default_factory=dict)  # id of work → x, y, width
    bars: list[Bar] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    avoid: list[tuple[float, float]] = field(default_factory=list)  # notches, which no soft label may cross

    def add_label(self, label: Label) -> bool:
        """Place the label unless it would touch another one of its line, or cross a notch without being important."""
        if label.form == "soft" and any(label.x < end and begin < label.right for begin, end in self.avoid):
            return False
        for other in self.labels:
            if abs(other.y - label.y) < 11 and label.x < other.right + 6 and other.x < label.right + 6:
                return False
        self.labels.append(label)
        return True


def event_anchor(event_id: str) -> str:
    """The HTML id of an event's row."""
    return "event-" + re.sub(r"[^A-Za-z0-9_-]", "-", event_id)


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


def _gather(timeline: OrderTimeline, viewer: Viewer) -> _Cast:
    passings = pair_messages(timeline.events)
    inferred = _begin_at_message(infer_work(timeline.events, viewer.flow), passings)
    works = sorted([*gather_work(timeline.events), *inferred], key=lambda w: (w.begin, w.end))
    is_open = timeline.order.state in OPEN_STATES
    ghosts = viewer.flow.path_after(timeline.order.status) if is_open else ()
    return _Cast(tuple(works), passings, tuple(find_calls(timeline.events, viewer.flow)), ghosts, is_open)


def _draw(cast: _Cast, timeline: OrderTimeline, viewer: Viewer, width: float) -> Chart:
    axis = _axis(cast, timeline, viewer, width)
    d = _Drawing(viewer, timeline, axis, {})
    rows = _rows(cast.works, d)
    d.lanes |= _lanes(cast, rows, viewer)
    d.avoid += [(fold.x - 8, fold.x + 8) for fold in axis.folds]
    _draw_bars(d, cast, rows)
    _draw_messages(d, cast)
    for call in cast.calls:
        _draw_call(d, call, cast)
    right = max([axis.xs[-1], *(label.right for label in d.labels), *(b.x + b.width for b in d.bars)])
    rules, right = _rules(d, right, cast.is_open)
    right = _draw_ghosts(d, right) if cast.ghosts else right
    height = max(lane.y + lane.height for lane in d.lanes.values()) + FOOT
    return Chart(
        width=right + RIGHT,
        height=height,
        focus_x=axis.xs[-1],
        lanes=tuple(d.lanes.values()),
        bars=tuple(d.bars),
        arrows=tuple(d.arrows),
        labels=tuple(d.labels),
        ticks=tuple(_ticks(axis, {w.begin for w in cast.works}, viewer)),
        notches=tuple(_notches(axis, viewer)),
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


def _axis(cast: _Cast, timeline: OrderTimeline, viewer: Viewer, width: float) -> Axis:
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


def _rows(works: Sequence[Work], d: _Drawing) -> dict[int, int]:
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


def _lanes(cast: _Cast, rows: dict[int, int], viewer: Viewer) -> dict[str, Lane]:
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
        return _short(f"✕ {word}")
    return _short(status_reached(work.status, viewer.language)) if _is_own(work, viewer) else ""


def _is_own(work: Work, viewer: Viewer) -> bool:
    """Does the work bring its status about, or has it only heard of it?"""
    step = viewer.flow.step(work.status)
    return bool(work.status) and (step is None or step.system == work.system)


def _short(text: str) -> str:
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1].rstrip() + "…"


def _draw_bars(d: _Drawing, cast: _Cast, rows: dict[int, int]) -> None:
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
    return _short(work.first.name) + took


def _bar_title(work: Work, viewer: Viewer) -> str:
    lines = [f"{viewer.mark(work.system).title} · {viewer.exact(work.begin)}"]
    if work.inferred:
        lines.append(viewer.t.gettext("inferred from what other systems say"))
        lines.append(status_reached(work.status, viewer.language))
    else:
        lines += list(dict.fromkeys(event_words(e, viewer.flow, viewer.language) for e in work.events))[:8]
    lines.append(viewer.lasting((work.end - work.begin).total_seconds()))
    return "\n".join(lines)


def _draw_messages(d: _Drawing, cast: _Cast) -> None:
    home = _homes(cast)
    inferred = [w for w in cast.works if w.inferred]
    lost = {m.message_id for m in d.timeline.messages if m.state == "lost"}
    for passing in cast.passings:
        sender = home.get(passing.sent.id) if passing.sent else _told_by(passing.event, inferred)
        receiver = home.get(passing.received.id) if passing.received else _taken_by(passing.event, inferred)
        _draw_message(d, passing, sender, receiver, passing.message_id in lost)


def _homes(cast: _Cast) -> dict[str, Work]:
    return {e.id: w for w in cast.works if not w.inferred for e in w.events}


def _draw_call(d: _Drawing, call: Calling, cast: _Cast) -> None:
    """A call goes straight to the work it caused, or to the lane of the system called where that was not seen."""
    homes = _homes(cast)
    x, y, width = d.place[id(homes[call.event.id])]
    lane = d.lanes[call.peer]
    down = lane.y > y
    begin_x = min(max(d.axis.x(call.event.at), x + 3), x + width)
    begin_y = y + BAR_HEIGHT if down else y
    answered = homes.get(call.answer.id) if call.answer else None
    end_x, end_y = begin_x + 10, lane.middle
    if answered:
        end_x, bar_y, _ = d.place[id(answered)]
        end_x, end_y = max(end_x, end_x + 2), bar_y if down else bar_y + BAR_HEIGHT
    end = "cross" if is_error(call.event) and not answered else "arrow" if answered else "open"
    title = f"{event_words(call.event, d.viewer.flow, d.viewer.language)}\n{d.viewer.exact(call.event.at)}"
    path = f"M{begin_x:.1f} {begin_y:.1f}L{end_x:.1f} {end_y:.1f}"
    d.arrows.append(Arrow(path, end, end_x, end_y, title, "#" + event_anchor(call.event.id)))


def _told_by(event: OrderEvent, inferred: Iterable[Work]) -> Work | None:
    return next((w for w in inferred if w.first.id == event.id or (w.end == event.at and w.status == event.status)), None)


def _taken_by(event: OrderEvent, inferred: Iterable[Work]) -> Work | None:
    return next((w for w in inferred if timedelta(0) <= w.begin - event.at <= timedelta(seconds=1)), None)


def _draw_message(d: _Drawing, passing: Passing, sender: Work | None, receiver: Work | None, lost: bool) -> None:
    queue_y = d.lanes[QUEUES].middle
    event = passing.event
    where = event.queue or event.destination
    title = f"{event_words(event, d.viewer.flow, d.viewer.language)}\n{d.viewer.exact(event.at)}"
    href = "#" + event_anchor(event.id)
    if sender:
        x, y, width = d.place[id(sender)]
        at = x + width if sender.inferred else min(max(d.axis.x(event.at if not passing.sent else passing.sent.at), x + 3), x + width)
        start = (at, _edge(y, queue_y))
    if receiver:
        x, y, _ = d.place[id(receiver)]
        finish = (x + 2, _edge(y, queue_y))
    if lost or not receiver:
        x = start[0] + 16 if sender else d.axis.x(event.at)
        path = f"M{start[0]:.1f} {start[1]:.1f}L{x:.1f} {queue_y:.1f}" if sender else ""
        d.arrows.append(Arrow(path, "cross" if lost else "open", x, queue_y, title, href))
    elif not sender:
        x = finish[0] - 14
        path = f"M{x:.1f} {queue_y:.1f}L{finish[0]:.1f} {finish[1]:.1f}"
        d.arrows.append(Arrow(path, "arrow", *finish, title, href))
    else:
        x = (start[0] + finish[0]) / 2
        d.arrows.append(Arrow(_through(start, (x, queue_y), finish), "arrow", *finish, title, href))
    if where:
        y = queue_y - 9 if d.add_label(Label(x + 7, queue_y - 9, _short(where), "bad" if lost else "soft")) else None
        if y is None:
            d.add_label(Label(x + 7, queue_y + 17, _short(where), "bad" if lost else "soft"))


def _edge(bar_y: float, queue_y: float) -> float:
    """The side of a bar that faces the queues."""
    return bar_y if queue_y < bar_y else bar_y + BAR_HEIGHT


def _through(start: tuple[float, float], middle: tuple[float, float], finish: tuple[float, float]) -> str:
    """A smooth way from bar to bar that touches the queues' line."""
    (x1, y1), (xm, ym), (x2, y2) = start, middle, finish
    return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {ym:.1f} {x1:.1f} {ym:.1f} {xm:.1f} {ym:.1f}S{x2:.1f} {ym:.1f} {x2:.1f} {y2:.1f}"


def _rules(d: _Drawing, right: float, is_open: bool) -> tuple[list[Rule], float]:
    """The line of now, and of the deadline before or after it; and where the picture goes on to the right."""
    if not is_open:
        return [], right
    t, order = d.viewer.t, d.timeline.order
    now_x = d.axis.xs[-1]
    if order.deadline_at is None:
        return [Rule(now_x, t.gettext("now"), "now", "start", 30)], max(right, now_x + 60)
    left_seconds = (order.deadline_at - d.viewer.now).total_seconds()
    clock = d.viewer.clock(order.deadline_at)
    if left_seconds >= 0:
        text = t.gettext("deadline %(clock)s, in %(duration)s", clock=clock, duration=d.viewer.lasting(left_seconds))
        rules = [
            Rule(now_x, t.gettext("now"), "now", "end", 30),
            Rule(now_x + 46, text, "deadline", "start", 30),
        ]
        return rules, max(right, now_x + 50)
    deadline_x = d.axis.x(order.deadline_at)
    text = t.gettext("now, %(duration)s past the deadline", duration=d.viewer.lasting(-left_seconds))
    late = Rule(deadline_x, t.gettext("deadline %(clock)s", clock=clock), "deadline", "end", 30)
    fits = deadline_x > (len(late.text) * CHARACTER)
    return [late if fits else Rule(deadline_x, late.text, late.form, "start", 44), Rule(now_x, text, "now over", "start", 30)], max(right, now_x)


def _draw_ghosts(d: _Drawing, right: float) -> float:
    """What is still expected, to the right of everything else; those of one lane take turns above and below."""
    taken: dict[tuple[str, int], float] = {}
    turns: dict[str, int] = {}
    x = right + 16
    for step in d.viewer.flow.path_after(d.timeline.order.status):
        lane = d.lanes[step.system]
        side = turns.get(step.system, 0) % 2
        turns[step.system] = turns.get(step.system, 0) + 1
        text = _short(status_reached(step.status, d.viewer.language))
        x = max(x, taken.get((step.system, side), 0.0))
        y = lane.y + BAR_TOP
        title = d.viewer.t.gettext("expected: %(status)s", status=text)
        d.bars.append(Bar(x, y, GHOST_WIDTH, lane.mark.accent, "ghost", title))
        label = Label(x, y - 6 if side == 0 else y + BAR_HEIGHT + 13, text, "soft")
        d.labels.append(label)
        taken[step.system, side] = label.right + 10
        right = max(right, label.right, x + GHOST_WIDTH)
        x += GHOST_WIDTH + 12
    return right


def _ticks(axis: Axis, begins: set[datetime], viewer: Viewer) -> Iterable[Label]:
    """Times along the top, wherever there is room; the day stands with the first of a day."""
    right, day = -100.0, None
    folded = {fold.begins for fold in axis.folds}
    for i, moment in enumerate(axis.moments):
        if moment not in begins:
            continue
        text = moment.astimezone(viewer.zone).strftime("%H:%M:%S")
        today = viewer.day(moment)
        starts = i == 0 or axis.moments[i - 1] in folded
        if today != day and viewer.day(axis.moments[0]) != viewer.day(axis.moments[-1]):
            text = f"{today}, {text}"
        if axis.xs[i] > right + (10 if starts else 50):
            label = Label(axis.xs[i], 12, text, "soft")
            right, day = label.right, today
            yield label


def _notches(axis: Axis, viewer: Viewer) -> Iterable[Notch]:
    for fold in axis.folds:
        ends: datetime = fold.begins + timedelta(seconds=fold.seconds)
        title = f"{viewer.exact(fold.begins)} – {viewer.exact(ends)}"
        yield Notch(fold.x, viewer.lasting(fold.seconds), title)
