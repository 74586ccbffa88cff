"""One message's page: what became of it, its way as a picture, the steps behind it, what speaks for the verdict. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model.message import MessageEvent, MessageLife, MessageState, Verdict
from ..texts import certainty_words, fact_words, message_sentence, message_state_title, message_to_do, verdict_title
from .viewer import SystemMark, Viewer
from .views_messages import in_force, message_tone
from .views_orders import order_url, shorten_id
from .views_watch import GapLine

BOX_WIDTH, BOX_HEIGHT, ROW_HEIGHT, TOP = 196, 46, 96, 26
COLUMNS = (0, 262, 524, 786)
PICTURE_WIDTH = COLUMNS[-1] + BOX_WIDTH + 2
_AT_EXCHANGE = frozenset({Verdict.UNROUTABLE, Verdict.NEVER_PUBLISHED, Verdict.OVERFLOW_REJECTED})
_AT_CONSUMER = frozenset({Verdict.UNACKED, Verdict.NO_EFFECT, Verdict.REDELIVERY_LOOP})


@dataclass(frozen=True, slots=True)
class Box:
    """A station: publisher, exchange, queue or consumer; `form` is seen, ghost (not reached) or bad."""

    x: int
    y: int
    form: str
    accent: str
    text: str
    title: str
    caption: str
    caption_tone: str


@dataclass(frozen=True, slots=True)
class Way:
    """A line from one station to the next; `form` is seen, ghost or cut (it ends in a cross)."""

    path: str
    form: str
    end_x: float
    end_y: float


@dataclass(frozen=True, slots=True)
class LifeCall:
    """What became of the message in one queue, what speaks for it and what to do."""

    tone: str
    sentence: str
    problem: str
    certainty: str
    since: str
    since_title: str
    detected: str
    recovered: str
    evidence: tuple[str, ...]
    to_do: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of the life, for the table behind the picture."""

    clock: str
    title: str
    text: str
    place: str
    system: SystemMark | None


@dataclass(frozen=True, slots=True)
class MessageView:
    """Everything that the page of one message shows."""

    key: str
    name: str
    state: str
    tone: str
    order_id: str
    order_url: str
    calls: tuple[LifeCall, ...]
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    width: int
    height: int
    focus_x: float
    steps: tuple[StepLine, ...]
    facts: tuple[tuple[str, str, bool], ...]
    gaps: tuple[GapLine, ...]


def build_message_view(
    lives: Sequence[MessageLife], steps: Sequence[MessageEvent], gaps: Sequence[GapLine], viewer: Viewer
) -> MessageView:
    """The page of a message; `lives` has one life for each queue and is not empty."""
    lives = sorted(lives, key=lambda life: (in_force(life) is None, life.queue))
    worst = lives[0]
    boxes, ways = _picture(lives, viewer)
    verdict = in_force(worst)
    order_id = next((life.order_id for life in lives if life.order_id), "")
    return MessageView(
        key=worst.key,
        name=worst.message_id or worst.key,
        state=verdict_title(verdict, viewer.language) if verdict else message_state_title(worst.state, viewer.language),
        tone=message_tone(worst),
        order_id=order_id,
        order_url=order_url(order_id) if order_id else "",
        calls=tuple(_call(life, viewer) for life in lives),
        boxes=tuple(boxes),
        ways=tuple(ways),
        width=PICTURE_WIDTH,
        height=TOP + ROW_HEIGHT * len(lives),
        focus_x=_focus(boxes, ways),
        steps=_steps(lives, steps, viewer),
        facts=_facts(worst, viewer),
        gaps=tuple(gaps),
    )


def _call(life: MessageLife, viewer: Viewer) -> LifeCall:
    t, verdict = viewer.t, in_force(life)
    tone = {"done": "good", "calm": "calm"}.get(message_tone(life), message_tone(life))
    recovered = ""
    if life.verdict and life.cleared_at:
        recovered = t.gettext(
            "Until %(clock)s it looked as if: %(problem)s. That has proved wrong or is over.",
            clock=viewer.clock(life.cleared_at),
            problem=verdict_title(life.verdict, viewer.language),
        )
    return LifeCall(
        tone=tone,
        sentence=message_sentence(life, viewer.flow, viewer.language, viewer.now),
        problem=verdict_title(verdict, viewer.language) if verdict else "",
        certainty=certainty_words(life.confidence, viewer.language) if verdict else "",
        since=viewer.clock(life.since) if life.since else "",
        since_title=viewer.exact(life.since) if life.since else "",
        detected=t.gettext("found %(clock)s", clock=viewer.clock(life.detected_at)) if life.detected_at else "",
        recovered=recovered,
        evidence=tuple(fact_words(fact, viewer.language) for fact in life.evidence) if life.verdict else (),
        to_do=message_to_do(life, viewer.flow, viewer.language),
    )


def _picture(lives: Sequence[MessageLife], viewer: Viewer) -> tuple[list[Box], list[Way]]:
    """Publisher and exchange once, then a row for each queue with its consumer."""
    first, boxes, ways = lives[0], [], []
    never = in_force(first) is Verdict.NEVER_PUBLISHED
    sent = next((life.published_at for life in lives if life.published_at), None)
    t, middle = viewer.t, TOP
    publisher = viewer.mark(first.publisher) if first.publisher else None
    boxes.append(
        _box(0, middle, publisher.title if publisher else "—", publisher.accent if publisher else "other",
             "bad" if never else "seen", _at(sent, viewer) or t.gettext("sending not seen"))
    )  # fmt: skip
    caption = first.routing_key
    exchange = first.exchange or t.gettext("(default)")
    boxes.append(_box(1, middle, exchange, "mq", "ghost" if never else "seen", caption))
    ways.append(_way(0, middle, 1, middle, "cut" if never else "seen"))
    for row, life in enumerate(lives):
        _branch(life, middle, TOP + row * ROW_HEIGHT, viewer, boxes, ways)
    return boxes, ways


def _branch(life: MessageLife, middle: int, y: int, viewer: Viewer, boxes: list[Box], ways: list[Way]) -> None:
    t, verdict = viewer.t, in_force(life)
    if not life.queue and verdict is not Verdict.NEVER_PUBLISHED:
        lost = life.state is MessageState.LOST
        boxes.append(_box(2, y, t.gettext("no queue"), "mq", "ghost", ""))
        ways.append(_way(1, middle, 2, y, "cut" if lost else "ghost"))
        return
    if not life.queue:
        return
    reached = verdict not in _AT_EXCHANGE
    kept = verdict is Verdict.STUCK_IN_QUEUE
    in_queue = bool(verdict) and verdict not in _AT_EXCHANGE | _AT_CONSUMER
    waited = _waited(life, viewer)
    boxes.append(_box(2, y, life.queue, "mq", "bad" if in_queue else "seen" if reached else "ghost", waited,
                      "bad" if kept else "soft"))  # fmt: skip
    ways.append(_way(1, middle, 2, y, "seen" if reached else "cut"))
    consumer = viewer.mark(life.consumer) if life.consumer else None
    delivered = life.delivered_at is not None
    lost_here = in_queue and not kept and not delivered
    hangs = verdict in _AT_CONSUMER
    boxes.append(_box(3, y, consumer.title if consumer else t.gettext("receiver"), consumer.accent if consumer else "other",
                      "bad" if hangs else "seen" if delivered else "ghost", _end_words(life, viewer),
                      "bad" if hangs else "soft"))  # fmt: skip
    ways.append(_way(2, y, 3, y, "cut" if lost_here else "seen" if delivered else "ghost"))


def _focus(boxes: Sequence[Box], ways: Sequence[Way]) -> float:
    """Where to look first on a narrow screen: where the trouble is, else the beginning."""
    troubled = [float(box.x + BOX_WIDTH) for box in boxes if box.form == "bad"]
    return max([*troubled, *(way.end_x for way in ways if way.form == "cut")], default=0.0)


def _box(column: int, y: int, text: str, accent: str, form: str, caption: str, tone: str = "soft") -> Box:
    return Box(COLUMNS[column], y, form, accent, shorten_id(text, 24), text, shorten_id(caption, 30), tone)


def _way(column: int, y: int, to_column: int, to_y: int, form: str) -> Way:
    x1, x2 = COLUMNS[column] + BOX_WIDTH, COLUMNS[to_column]
    y1, y2 = y + BOX_HEIGHT / 2, to_y + BOX_HEIGHT / 2
    if form == "cut":
        x2 -= 24
    bend = (x1 + x2) / 2
    path = (
        f"M{x1} {y1:.0f}H{x2 - 2}"
        if y1 == y2
        else f"M{x1} {y1:.0f}C{bend:.0f} {y1:.0f} {bend:.0f} {y2:.0f} {x2 - 2} {y2:.0f}"
    )
    return Way(path, form, x2, y2)


def _at(at: datetime | None, viewer: Viewer) -> str:
    return viewer.clock(at) if at else ""


def _waited(life: MessageLife, viewer: Viewer) -> str:
    """How long the message lay in the queue, or still does."""
    t = viewer.t
    if life.published_at is None:
        return ""
    if in_force(life) is Verdict.STUCK_IN_QUEUE or life.state is MessageState.QUEUED:
        return t.gettext(
            "waiting for %(duration)s", duration=viewer.roughly((viewer.now - life.published_at).total_seconds())
        )
    if life.delivered_at is None:
        return t.gettext("lost %(clock)s", clock=viewer.clock(life.since)) if life.since and in_force(life) else ""
    seconds = max(0.0, (life.delivered_at - life.published_at).total_seconds())
    return t.gettext("handed over after %(duration)s", duration=viewer.lasting(seconds))


def _end_words(life: MessageLife, viewer: Viewer) -> str:
    t = viewer.t
    if life.redeliveries:
        return t.ngettext("delivered again %(num)s time", "delivered again %(num)s times", life.redeliveries)
    if life.settled_at:
        return t.gettext("processed %(clock)s", clock=viewer.clock(life.settled_at))
    return t.gettext("delivered %(clock)s", clock=viewer.clock(life.delivered_at)) if life.delivered_at else ""


def _steps(lives: Sequence[MessageLife], steps: Sequence[MessageEvent], viewer: Viewer) -> tuple[StepLine, ...]:
    """What was seen, earliest first; from the lives themselves where single steps are not kept any more."""
    t = viewer.t
    names = {
        "published": t.gettext("sent"),
        "delivered": t.gettext("delivered"),
        "redelivered": t.gettext("delivered again"),
        "dead_lettered": t.gettext("taken out of the queue by the broker"),
        "settled": t.gettext("processed"),
        "unseen": t.gettext("left the queue unseen"),
    }
    if not steps:
        steps = sorted((event for life in lives for event in _steps_of(life)), key=lambda event: event.at)
    return tuple(
        StepLine(
            clock=viewer.clock(step.at) + step.at.astimezone(viewer.zone).strftime(".%f")[:4],
            title=viewer.exact(step.at),
            text=names.get(step.kind, step.kind) + (f" ({step.reason})" if step.reason else ""),
            place=step.queue,
            system=viewer.mark(step.system) if step.system else None,
        )
        for step in steps
    )


def _steps_of(life: MessageLife) -> list[MessageEvent]:
    found = [
        (life.published_at, "published", life.publisher),
        (life.delivered_at, "delivered", life.consumer),
        (life.settled_at, "settled", life.consumer),
    ]
    return [MessageEvent(at, kind, life.queue, system) for at, kind, system in found if at]


def _facts(life: MessageLife, viewer: Viewer) -> tuple[tuple[str, str, bool], ...]:
    """Name, value and whether the value is technical."""
    t = viewer.t
    facts = [
        (t.gettext("Message id"), life.message_id, True),
        (t.gettext("Key of the watch"), life.key if life.key != life.message_id else "", True),
        (t.gettext("Broker"), life.broker, False),
        (t.gettext("Exchange"), life.exchange, True),
        (t.gettext("Routing key"), life.routing_key, True),
        (t.gettext("Status in the message"), life.status, True),
        (t.gettext("Trace id"), life.trace_id, True),
    ]
    return tuple(fact for fact in facts if fact[1])
