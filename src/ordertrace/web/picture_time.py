"""Time in an order's picture: ticks, notches, the lines of now and of the deadline, and what is still expected."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from ..texts import deviation_title, status_reached
from .axis import Axis
from .picture import BAR_HEIGHT, BAR_TOP, CHARACTER, GHOST_WIDTH, Bar, Drawing, Label, Notch, Rule, shorten
from .viewer import Viewer

_DEVIATIONS_MAX = 10


def draw_rules(d: Drawing, right: float, is_open: bool) -> tuple[list[Rule], float]:
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
        text = t.gettext("deadline %(clock)s, in %(duration)s", clock=clock, duration=d.viewer.roughly(left_seconds))
        rules = [
            Rule(now_x, t.gettext("now"), "now", "end", 30),
            Rule(now_x + 46, text, "deadline", "start", 30),
        ]
        return rules, max(right, now_x + 50)
    deadline_x = d.axis.x(order.deadline_at)
    text = t.gettext("now, %(duration)s past the deadline", duration=d.viewer.roughly(left_seconds))
    late = Rule(deadline_x, t.gettext("deadline %(clock)s", clock=clock), "deadline", "end", 30)
    fits = deadline_x > (len(late.text) * CHARACTER)
    return [
        late if fits else Rule(deadline_x, late.text, late.form, "start", 44),
        Rule(now_x, text, "now over", "start", 30),
    ], max(right, now_x)


def draw_deviations(d: Drawing) -> list[Rule]:
    """A line at each moment at which the order left its flow; labels that would touch are left to the lines' titles."""
    rules: list[Rule] = []
    for deviation in d.timeline.order.deviations[:_DEVIATIONS_MAX]:
        x = d.axis.x(deviation.at)
        text = deviation_title(deviation.kind, d.viewer.language)
        room = not rules or x - rules[-1].x > len(rules[-1].text) * CHARACTER + 12
        rules.append(Rule(x, text if room else "", "deviation", "start", 44))
    return rules


def draw_ghosts(d: Drawing, right: float) -> float:
    """What is still expected, to the right of everything else; those of one lane take turns above and below."""
    taken: dict[tuple[str, int], float] = {}
    turns: dict[str, int] = {}
    x = right + 16
    for step in d.viewer.flow.path_after(d.timeline.order.status):
        lane = d.lanes[step.system]
        side = turns.get(step.system, 0) % 2
        turns[step.system] = turns.get(step.system, 0) + 1
        text = shorten(status_reached(step.status, d.viewer.language))
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


def find_ticks(axis: Axis, begins: set[datetime], viewer: Viewer) -> Iterable[Label]:
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


def find_notches(axis: Axis, viewer: Viewer) -> Iterable[Notch]:
    for fold in axis.folds:
        ends: datetime = fold.begins + timedelta(seconds=fold.seconds)
        title = f"{viewer.exact(fold.begins)} – {viewer.exact(ends)}"
        yield Notch(fold.x, viewer.lasting(fold.seconds), title)
