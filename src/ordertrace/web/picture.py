"""The parts of an order's picture, with their coordinates in pixels, and the drawing while it is made.

How they are placed is said by `views_timeline` (bars), `picture_passings` (arrows) and `picture_time` (time and future).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..model.flow import Step
from ..model.order import OrderTimeline
from .axis import Axis
from .viewer import SystemMark, Viewer
from .work import Calling, Passing, Work

HEAD, ROW, LANE_GAP, FOOT = 52.0, 62.0, 8.0, 30.0
BAR_HEIGHT, BAR_TOP = 18.0, 24.0
BAR_WIDTH_MIN = 10.0
ARROW_ROOM = 26.0
GHOST_WIDTH = 54.0
CHARACTER = 6.9  # pixels of a label's character, on the generous side
LABEL_CHARACTERS = 26
LEFT, RIGHT, WIDTH = 14.0, 16.0, 1164.0


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
    """A message or call as an SVG path; `end` is arrow, cross (lost, failed) or met (answered) or open (not seen arriving)."""

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
class Cast:
    """What takes part in the picture, without coordinates."""

    works: tuple[Work, ...]
    passings: tuple[Passing, ...]
    calls: tuple[Calling, ...]
    ghosts: tuple[Step, ...]
    is_open: bool


@dataclass(slots=True)
class Drawing:
    """The picture while it is made."""

    viewer: Viewer
    timeline: OrderTimeline
    axis: Axis
    lanes: dict[str, Lane]
    place: dict[int, tuple[float, float, float]] = field(default_factory=dict)  # id of work → x, y, width
    bars: list[Bar] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    named: set[str] = field(default_factory=set)  # queues that have a label already
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


def shorten(text: str) -> str:
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1].rstrip() + "…"
