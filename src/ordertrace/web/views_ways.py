"""A way through the flow as a line over the flow's steps: one row of dots for each run forward, a turn for each return.

Pure; shared by the list of variants and the page of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..texts import status_reached
from .viewer import Viewer

WIDTH, SIDE = 720.0, 40.0
TOP, RUN = 18.0, 22.0
_RUNS_MAX = 6


@dataclass(frozen=True, slots=True)
class Stop:
    """A status that was reached; `again` for one that was reached before."""

    x: float
    y: float
    accent: str
    title: str
    again: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Way:
    """The drawing: stations that were not reached, lines (`skips` those that pass over stations), turns back, stops."""

    width: float
    height: float
    missed: tuple[tuple[float, float], ...]
    lines: tuple[tuple[float, float, float, bool], ...]
    turns: tuple[str, ...]
    stops: tuple[Stop, ...]
    title: str
    cut: int


def columns(path_statuses: Iterable[str], viewer: Viewer) -> list[str]:
    """The stations: the flow's steps in order, then what else occurs."""
    known = [step.status for step in viewer.flow.steps]
    return known + sorted({status for status in path_statuses if status not in known})


def place_of(i: int, count: int) -> float:
    """The x of a station."""
    return SIDE + i * (WIDTH - 2 * SIDE) / max(1, count - 1)


def build_way(path: Sequence[str], stations: Sequence[str], viewer: Viewer) -> Way:
    """Draw one way."""
    runs = _runs(path, stations)
    shown = runs[:_RUNS_MAX]
    seen: set[str] = set()
    stops: list[Stop] = []
    lines: list[tuple[float, float, float, bool]] = []
    turns: list[str] = []
    end = (0.0, 0.0)
    for level, run in enumerate(shown):
        y = TOP + level * RUN
        xs = [place_of(stations.index(status), len(stations)) for status in run]
        if level:
            turns.append(_turn(end, (xs[0], y)))
        places = [stations.index(status) for status in run]
        lines += [(xs[i], xs[i + 1], y, places[i + 1] - places[i] > 1) for i in range(len(run) - 1)]
        for x, status in zip(xs, run, strict=True):
            step = viewer.flow.step(status)
            accent = viewer.mark(step.system).accent if step else "other"
            stops.append(Stop(x, y, accent, status_reached(status, viewer.language), status in seen, False))
            seen.add(status)
        end = (xs[-1], y)
    if stops:
        last = stops[-1]
        stops[-1] = Stop(last.x, last.y, last.accent, last.title, last.again, True)
    taken = set(path)
    missed = tuple((place_of(i, len(stations)), TOP) for i, status in enumerate(stations) if status not in taken)
    words = " → ".join(status_reached(status, viewer.language) for status in path)
    height = TOP * 2 + RUN * (len(shown) - 1)
    return Way(WIDTH, height, missed, tuple(lines), tuple(turns), tuple(stops), words, len(runs) - len(shown))


def _runs(path: Sequence[str], stations: Sequence[str]) -> list[list[str]]:
    """The way in pieces that go forward."""
    runs: list[list[str]] = []
    before = -1
    for status in path:
        place = stations.index(status)
        if not runs or place <= before:
            runs.append([])
        runs[-1].append(status)
        before = place
    return runs


def _turn(start: tuple[float, float], end: tuple[float, float]) -> str:
    """From the end of a run out to the right, round, and back to where the next one begins."""
    (x1, y1), (x2, y2) = start, end
    middle = (y1 + y2) / 2
    if abs(x1 - x2) < 1:
        return f"M{x1:.1f} {y1:.1f}C{x1 + 16:.1f} {y1 + 2:.1f} {x1 + 16:.1f} {y2 - 2:.1f} {x2:.1f} {y2:.1f}"
    return (
        f"M{x1:.1f} {y1:.1f}C{x1 + 14:.1f} {y1:.1f} {x1 + 14:.1f} {middle:.1f} {x1:.1f} {middle:.1f}"
        f"L{x2:.1f} {middle:.1f}C{x2 - 14:.1f} {middle:.1f} {x2 - 14:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    )
