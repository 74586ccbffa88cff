"""The page of queues: depth, oldest message, receivers, course of the last hour with its gaps. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..model.message import MessageFilter, QueueSight, WatchGap
from ..texts import number_words
from .viewer import Viewer
from .views_messages import list_url
from .views_watch import WatchView

HOUR = timedelta(hours=1)
SPANS = 60  # parts of the hour in a drawing
SLOTS = 6  # columns of the table behind it
COURSE_WIDTH, COURSE_HEIGHT = 180.0, 30.0
OLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class QueueCourse:
    """One span of a queue's course: its start, and what it held and moved then."""

    start: datetime
    ready: float
    published_rate: float
    delivered_rate: float


Courses = Mapping[tuple[str, str], Sequence[QueueCourse]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A course as lines, broken where nothing was seen; `blanks` are those spans as (x, width)."""

    lines: tuple[str, ...]
    blanks: tuple[tuple[float, float], ...]
    title: str
    most: str


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One queue. `tone` is bad where messages of it are lost or stuck, soon where something begins to look wrong."""

    key: str
    name: str
    broker: str
    tone: str
    note: str
    ready: str
    unacked: str
    consumers: str
    no_consumer: bool
    oldest: str
    oldest_title: str
    rate_in: str
    rate_out: str
    depth: Drawing
    rates: Drawing
    stuck: str
    lost: str
    url: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A queue's means by ten minutes, for those who read rather than look."""

    name: str
    what: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueuesView:
    """Everything that the page of queues shows."""

    headline: str
    headline_tone: str
    watch: WatchView
    queues: tuple[QueueLine, ...]
    slots: tuple[str, ...]
    table: tuple[SlotRow, ...]
    several_brokers: bool
    width: int
    height: int


def build_courses(rows: Iterable[Sequence[Any]]) -> Courses:
    """Rows of `MessageStore.queue_courses` by broker and queue."""
    found: dict[tuple[str, str], list[QueueCourse]] = defaultdict(list)
    for broker, queue, start, ready, published, delivered in rows:
        found[broker, queue].append(QueueCourse(start, ready, published, delivered))
    return found


def build_queues_view(
    queues: Sequence[QueueSight], courses: Courses, gaps: Sequence[WatchGap], watch: WatchView, viewer: Viewer
) -> QueuesView:
    """The page for one reader: queues in trouble first, then those with most waiting."""
    ordered = sorted(
        queues, key=lambda q: (-(q.lost + q.stuck > 0), not _deserted(q, viewer), -q.ready, q.broker, q.queue)
    )
    lines = tuple(_line(queue, courses.get((queue.broker, queue.queue), ()), gaps, viewer) for queue in ordered)
    headline, tone = _headline(ordered, watch, viewer)
    starts = [viewer.now - HOUR + i * HOUR / SLOTS for i in range(SLOTS)]
    return QueuesView(
        headline=headline,
        headline_tone=tone,
        watch=watch,
        queues=lines,
        slots=tuple(start.astimezone(viewer.zone).strftime("%H:%M") for start in starts),
        table=tuple(row for q in ordered for row in _slot_rows(q, courses.get((q.broker, q.queue), ()), viewer)),
        several_brokers=len({queue.broker for queue in queues}) > 1,
        width=int(COURSE_WIDTH),
        height=int(COURSE_HEIGHT),
    )


def _headline(queues: Sequence[QueueSight], watch: WatchView, viewer: Viewer) -> tuple[str, str]:
    t = viewer.t
    if not watch.watched:
        return t.gettext("No broker is watched"), "calm"
    troubled = sum(1 for queue in queues if queue.stuck or queue.lost)
    if troubled:
        return t.ngettext("Trouble in %(num)s queue", "Trouble in %(num)s queues", troubled), "bad"
    deserted = sum(1 for queue in queues if _deserted(queue, viewer))
    if deserted:
        return t.ngettext("%(num)s queue has no receiver", "%(num)s queues have no receiver", deserted), "soon"
    if watch.blind:
        return t.gettext("Queues cannot be seen now"), "soon"
    return (t.gettext("All queues flow"), "good") if queues else (t.gettext("No queue seen yet"), "calm")


def _deserted(queue: QueueSight, viewer: Viewer) -> bool:
    """Nobody takes what has been waiting for a while. Delay queues and those that keep the newest only are meant to."""
    waits = queue.oldest_at is not None and (viewer.now - queue.oldest_at).total_seconds() > OLD_SECONDS
    return queue.consumers == 0 and queue.ready > 0 and waits


def _line(queue: QueueSight, course: Sequence[QueueCourse], gaps: Sequence[WatchGap], viewer: Viewer) -> QueueLine:
    t, language = viewer.t, viewer.language
    seconds = (viewer.now - queue.oldest_at).total_seconds() if queue.oldest_at else 0.0
    tone, note = "calm", ""
    if queue.lost or queue.stuck:
        tone = "bad"
    elif _deserted(queue, viewer):
        tone, note = "soon", t.gettext("nobody takes messages from it")
    elif seconds > OLD_SECONDS:
        tone, note = "soon", t.gettext("the oldest message waits for long")
    return QueueLine(
        key=f"{queue.broker} {queue.queue}",
        name=queue.queue,
        broker=queue.broker,
        tone=tone,
        note=note,
        ready=number_words(queue.ready, language),
        unacked="—" if queue.unacked is None else number_words(queue.unacked, language),
        consumers="—" if queue.consumers is None else number_words(queue.consumers, language),
        no_consumer=_deserted(queue, viewer),
        oldest=viewer.roughly(seconds) if queue.oldest_at else "—",
        oldest_title=viewer.exact(queue.oldest_at) if queue.oldest_at else "",
        rate_in=_rate(queue.published_rate, viewer),
        rate_out=_rate(queue.delivered_rate, viewer),
        depth=_draw([(c.start, c.ready) for c in course], gaps, queue.broker, t.gettext("waiting over the last hour"), viewer),
        rates=_draw(
            [(c.start, c.published_rate) for c in course], gaps, queue.broker,
            t.gettext("messages a second over the last hour"), viewer, digits=1,
        ),
        stuck=number_words(queue.stuck, language) if queue.stuck else "",
        lost=number_words(queue.lost, language) if queue.lost else "",
        url=list_url(MessageFilter(queue=queue.queue)),
        fingerprint=f"{tone} {queue.stuck} {queue.lost} {queue.consumers}",
    )  # fmt: skip


def _rate(rate: float, viewer: Viewer) -> str:
    return number_words(rate, viewer.language, 1 if rate < 100 else 0)


def _draw(
    points: Sequence[tuple[datetime, float]],
    gaps: Sequence[WatchGap],
    broker: str,
    title: str,
    viewer: Viewer,
    digits: int = 0,
) -> Drawing:
    """A line over the hour from zero up; spans without a sample stay open and are shown as such."""
    begin, step = viewer.now - HOUR, HOUR / SPANS
    values: list[float | None] = [None] * SPANS
    for at, value in points:
        place = int((at - begin) / step)
        if -1 <= place < SPANS:
            place = max(0, place)
            values[place] = max(float(value), values[place] or 0.0)
    seen = [value for value in values if value is not None]
    high = max(seen, default=0.0)
    width = COURSE_WIDTH / SPANS
    runs: list[list[str]] = [[]]
    for i, held in enumerate(values):
        if held is None:
            runs.append([])
        else:
            y = COURSE_HEIGHT - 2 - (held / high if high else 0.0) * (COURSE_HEIGHT - 4)
            runs[-1] += [f"{i * width:.1f},{y:.1f}", f"{(i + 1) * width:.1f},{y:.1f}"]
    most = viewer.t.gettext("most: %(count)s", count=number_words(high, viewer.language, digits)) if seen else ""
    blanks = _blanks([gap for gap in gaps if gap.broker == broker], begin, viewer.now)
    return Drawing(tuple(" ".join(run) for run in runs if run), blanks, f"{title}; {most}" if most else title, most)


def _blanks(gaps: Sequence[WatchGap], begin: datetime, now: datetime) -> tuple[tuple[float, float], ...]:
    found = []
    for gap in gaps:
        start, until = max(gap.start, begin), min(gap.until or now, now)
        if until > start:
            x = (start - begin) / HOUR * COURSE_WIDTH
            found.append((round(x, 1), round(max(1.0, (until - start) / HOUR * COURSE_WIDTH), 1)))
    return tuple(found)


def _slot_rows(queue: QueueSight, course: Sequence[QueueCourse], viewer: Viewer) -> tuple[SlotRow, ...]:
    t = viewer.t
    kinds = (
        (t.gettext("waiting, at most"), [(c.start, c.ready) for c in course], max, 0),
        (t.gettext("in, a second"), [(c.start, c.published_rate) for c in course], _mean, 1),
        (t.gettext("out, a second"), [(c.start, c.delivered_rate) for c in course], _mean, 1),
    )
    rows = []
    for what, points, gather, digits in kinds:
        slots: list[list[float]] = [[] for _ in range(SLOTS)]
        for at, value in points:
            slots[min(SLOTS - 1, max(0, int((at - viewer.now + HOUR) / (HOUR / SLOTS))))].append(value)
        values = tuple(number_words(gather(slot), viewer.language, digits) if slot else "—" for slot in slots)
        rows.append(SlotRow(queue.queue, what, values))
    return tuple(rows)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
