"""The flow strip: a column for each step, a dot for each open order at the share of its deadline. Pure geometry.

Up to the deadline the scale is linear, above it logarithmic, so that an order ten times over still has a place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from urllib.parse import urlencode

from ..model.board import Board, Dot, StepColumn
from .viewer import SystemMark, Viewer
from .views_orders import order_url, shorten_id

LEFT, COLUMN_MIN, WIDTH = 74.0, 118.0, 1270.0
TOP, DEADLINE, BOTTOM, HEIGHT = 64.0, 164.0, 316.0, 326.0
SHARE_MAX = 10.0
PITCH = 9.2
TROUBLE = ("stuck", "failed")
LATE_LABELS, LATE_PITCH = 6, 18.0
TITLE_CHARACTER = 7.4


@dataclass(frozen=True, slots=True)
class StripDot:
    """One order; `label` only for late ones with room."""

    x: float
    y: float
    url: str
    title: str
    tone: str
    label: str = ""
    label_y: float = 0.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """Orders counted instead of drawn: a bar of a histogram, centred in its column."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class StripColumn:
    """A step: the words above it, its dots and what is not drawn singly."""

    x: float
    width: float
    title: tuple[str, ...]
    status: str
    waits_for: SystemMark
    count: int
    late: int
    url: str
    dots: tuple[StripDot, ...]
    clouds: tuple[Cloud, ...]
    more_late: int


@dataclass(frozen=True, slots=True)
class Strip:
    """The whole strip; `marks` are the heights of the scale with their words."""

    width: float
    title_lines: int
    columns: tuple[StripColumn, ...]
    marks: tuple[tuple[float, str], ...]


def height_of(used: float) -> float:
    """The y of a share of the deadline; 1.0 lies on the line, everything beyond SHARE_MAX on top."""
    if used <= 1:
        return BOTTOM - max(0.0, used) * (BOTTOM - DEADLINE)
    return DEADLINE - min(1.0, log(used) / log(SHARE_MAX)) * (DEADLINE - TOP)


def build_strip(board: Board, viewer: Viewer) -> Strip:
    """Lay the board's columns out side by side."""
    count = max(1, len(board.columns))
    column = max(COLUMN_MIN, (WIDTH - LEFT) / count)
    most = max((n for c in board.columns for n in c.density), default=0)
    columns = tuple(_column(c, LEFT + i * column, column, most, viewer) for i, c in enumerate(board.columns))
    t = viewer.t
    marks = [(height_of(0), "0 %"), (height_of(0.5), "50 %"), (height_of(2), "×2"), (height_of(5), "×5")]
    marks.append((DEADLINE, t.gettext("deadline")))
    lines = max((len(c.title) for c in columns), default=1)
    return Strip(LEFT + count * column, lines, columns, tuple(marks))


def _column(step: StepColumn, x: float, width: float, most: int, viewer: Viewer) -> StripColumn:
    late = [dot for dot in step.dots if dot.used > 1 or dot.state in TROUBLE]
    rest = [dot for dot in step.dots if dot.used <= 1 and dot.state not in TROUBLE]
    drawn_late = list(_late_dots(late, x + 18, int((width - 36) / TITLE_CHARACTER), width, viewer))
    dots = [*_swarm(rest, x + width * 0.6, width * 0.74, viewer), *drawn_late]
    return StripColumn(
        x=x,
        width=width,
        title=wrap(viewer.status(step.status), int((width - 14) / TITLE_CHARACTER)),
        status=step.status,
        waits_for=viewer.mark(step.waits_for),
        count=step.count,
        late=step.late,
        url="/?" + urlencode({"status": step.status}) + "#orders",
        dots=tuple(dots),
        clouds=tuple(_clouds(step.density, x, width, most, viewer)),
        more_late=max(0, step.late - sum(dot.used > 1 for dot in late)),
    )


def _late_dots(dots: Iterable[Dot], x: float, characters: int, width: float, viewer: Viewer) -> Iterable[StripDot]:
    """Late and troubled orders, the latest on top: labelled while there is room on their side of the line.

    The others stay dots, side by side to the right of the labels.
    """
    label_y = TOP - LATE_PITCH
    rows: dict[int, int] = {}
    across = max(1, int(width * 0.36 / PITCH))
    for i, dot in enumerate(sorted(dots, key=lambda d: -d.used)):
        y = height_of(dot.used)
        wanted = max(min(y, DEADLINE - 10) if dot.used > 1 else max(y, DEADLINE + 10), label_y + LATE_PITCH)
        title = viewer.t.gettext("%(order)s, %(share)s of the deadline", order=dot.order_id, share=f"{dot.used:.0%}")
        if i < LATE_LABELS and wanted <= (DEADLINE - 10 if dot.used > 1 else BOTTOM):
            label_y = wanted
            yield StripDot(
                x, label_y, order_url(dot.order_id), title, "bad", shorten_id(dot.order_id, characters), label_y
            )
            continue
        row = round(y / PITCH)
        place = rows.get(row, 0)
        rows[row] = place + 1
        yield StripDot(x + width * 0.47 + place % across * PITCH, y, order_url(dot.order_id), title, "bad")


def _swarm(dots: Sequence[Dot], centre: float, width: float, viewer: Viewer) -> Iterable[StripDot]:
    """Dots at their height, side by side from the centre outwards where several share a height."""
    rows: dict[int, int] = {}
    across = max(1, int(width / PITCH))
    for dot in sorted(dots, key=lambda d: -d.used):
        y = height_of(dot.used)
        row = round(y / PITCH)
        place = rows.get(row, 0)
        rows[row] = place + 1
        offset = (place + 1) // 2 * (1 if place % 2 else -1) if place < across else 0
        title = viewer.t.gettext("%(order)s, %(share)s of the deadline", order=dot.order_id, share=f"{dot.used:.0%}")
        tone = "soon" if dot.used >= 0.8 else "calm"
        yield StripDot(centre + offset * PITCH, max(row * PITCH, DEADLINE + 5), order_url(dot.order_id), title, tone)


def _clouds(density: Sequence[int], x: float, width: float, most: int, viewer: Viewer) -> Iterable[Cloud]:
    for i, number in enumerate(density):
        if not number:
            continue
        last = i == len(density) - 1 and i >= 10
        y = TOP if last else height_of((i + 1) / 10)
        height = 10.0 if last else height_of(i / 10) - y
        wide = max(6.0, (width - 26) * number / most)
        title = viewer.t.ngettext("%(num)s more order", "%(num)s more orders", number)
        yield Cloud(x + width / 2 + 3 - wide / 2, y + 1, wide, height - 2, title)


def wrap(text: str, characters: int) -> tuple[str, ...]:
    """At most two lines; what does not fit ends in an ellipsis. Long technical names break at underscores."""
    lines = [""]
    for word in text.replace("_", "_\u200b").replace(" ", " \u200b").split("\u200b"):
        if lines[-1] and len((lines[-1] + word).rstrip()) > characters:
            lines.append("")
        lines[-1] += word
    shown = [line.strip() for line in lines]
    if len(shown) > 2:
        shown = [shown[0], shown[1][: max(1, characters - 1)] + "…"]
    return tuple(line if len(line) <= characters + 1 else line[: characters - 1] + "…" for line in shown)
