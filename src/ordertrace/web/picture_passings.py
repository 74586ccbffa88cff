"""Messages and calls in an order's picture: arrows between bars, through the queues, or into the unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from ..model.order import OrderEvent
from ..texts import event_words
from .picture import BAR_HEIGHT, Arrow, Cast, Drawing, Label, event_anchor, shorten
from .viewer import QUEUES
from .work import Calling, Passing, Work, is_error


def draw_messages(d: Drawing, cast: Cast) -> None:
    home = _homes(cast)
    inferred = [w for w in cast.works if w.inferred]
    lost = {m.message_id: m.queue for m in d.timeline.messages if m.state == "lost"}
    for passing in sorted(cast.passings, key=lambda p: p.received is not None):
        sender = home.get(passing.sent.id) if passing.sent else _told_by(passing.event, inferred)
        receiver = home.get(passing.received.id) if passing.received else _taken_by(passing.event, inferred)
        queue = lost.get(passing.message_id)
        arrived = passing.received is not None and passing.received.queue not in ("", queue)
        if not arrived:
            _draw_message(d, passing, sender, receiver, queue)
            lost.pop(passing.message_id, None)
            continue
        _draw_message(d, passing, sender, receiver, None)
        if queue is not None and sender:  # one queue has passed it on, another has lost it
            _draw_message(d, passing, sender, None, queue)
            del lost[passing.message_id]


def _homes(cast: Cast) -> dict[str, Work]:
    return {e.id: w for w in cast.works if not w.inferred for e in w.events}


def draw_call(d: Drawing, call: Calling, cast: Cast) -> None:
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
    arrived = "met" if call.event.response_code else "open"
    end = "arrow" if answered else "cross" if is_error(call.event) else arrived
    title = f"{event_words(call.event, d.viewer.flow, d.viewer.language)}\n{d.viewer.exact(call.event.at)}"
    path = f"M{begin_x:.1f} {begin_y:.1f}L{end_x:.1f} {end_y:.1f}"
    d.arrows.append(Arrow(path, end, end_x, end_y, title, "#" + event_anchor(call.event.id)))


def _told_by(event: OrderEvent, inferred: Iterable[Work]) -> Work | None:
    return next(
        (w for w in inferred if w.first.id == event.id or (w.end == event.at and w.status == event.status)), None
    )


def _taken_by(event: OrderEvent, inferred: Iterable[Work]) -> Work | None:
    return next((w for w in inferred if timedelta(0) <= w.begin - event.at <= timedelta(seconds=1)), None)


def _draw_message(
    d: Drawing, passing: Passing, sender: Work | None, receiver: Work | None, lost_in: str | None
) -> None:
    """`lost_in` is the queue that lost the message, '' if it came to none, None if it is not lost."""
    lost = lost_in is not None
    queue_y = d.lanes[QUEUES].middle
    event = passing.event
    title = f"{event_words(event, d.viewer.flow, d.viewer.language)}\n{d.viewer.exact(event.at)}"
    href = "#" + event_anchor(event.id)
    start = _leaves(d, sender, passing, queue_y) if sender else None
    finish = _enters(d, receiver, queue_y) if receiver else None
    if start and finish and not lost:
        x = (start[0] + finish[0]) / 2
        d.arrows.append(Arrow(_through(start, (x, queue_y), finish), "arrow", *finish, title, href))
    elif finish and not lost:
        x = finish[0] - 14
        d.arrows.append(Arrow(_line((x, queue_y), finish), "arrow", *finish, title, href))
    else:
        x = start[0] + 16 if start else d.axis.x(event.at)
        path = _line(start, (x, queue_y)) if start else ""
        d.arrows.append(Arrow(path, "cross" if lost else "open", x, queue_y, title, href))
    where = shorten(lost_in or event.queue or event.destination)
    if where and (lost or where not in d.named):  # the same queue again needs no second label
        label = Label(x + 7, queue_y - 9, where, "bad" if lost else "soft")
        if d.add_label(label) or d.add_label(replace(label, y=queue_y + 17)):
            d.named.add(where)


def _leaves(d: Drawing, sender: Work, passing: Passing, queue_y: float) -> tuple[float, float]:
    """Where a message leaves its bar: at its moment, at the end where the work is inferred."""
    x, y, width = d.place[id(sender)]
    sent = (passing.sent or passing.event).at
    at = x + width if sender.inferred else min(max(d.axis.x(sent), x + 3), x + width)
    return at, _edge(y, queue_y)


def _enters(d: Drawing, receiver: Work, queue_y: float) -> tuple[float, float]:
    x, y, _ = d.place[id(receiver)]
    return x + 2, _edge(y, queue_y)


def _line(start: tuple[float, float], finish: tuple[float, float]) -> str:
    return f"M{start[0]:.1f} {start[1]:.1f}L{finish[0]:.1f} {finish[1]:.1f}"


def _edge(bar_y: float, queue_y: float) -> float:
    """The side of a bar that faces the queues."""
    return bar_y if queue_y < bar_y else bar_y + BAR_HEIGHT


def _through(start: tuple[float, float], middle: tuple[float, float], finish: tuple[float, float]) -> str:
    """A smooth way from bar to bar that touches the queues' line."""
    (x1, y1), (xm, ym), (x2, y2) = start, middle, finish
    return (
        f"M{x1:.1f} {y1:.1f}C{x1:.1f} {ym:.1f} {x1:.1f} {ym:.1f} {xm:.1f} {ym:.1f}S{x2:.1f} {ym:.1f} {x2:.1f} {y2:.1f}"
    )
