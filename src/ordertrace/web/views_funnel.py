"""The funnel: how many orders come to each step, what becomes of those that stay, and how long it takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from ..model.analysis import Funnel, FunnelStep
from ..model.order import OrderState
from ..texts import number_words, share_words, status_reached
from .viewer import SystemMark, Viewer
from .views_variants import coverage_notes

WIDTH, HEIGHT = 480.0, 26.0
_LEAST = 2.0  # a part is never too thin to see


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a step's bar."""

    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Stay:
    """Orders that came no further, with where to find them."""

    words: str
    tone: str
    url: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step: its bar in parts, who came no further, and how long it took."""

    title: str
    status: str
    system: SystemMark
    came: str
    share: str
    slices: tuple[Slice, ...]
    stays: tuple[Stay, ...]
    took: str
    took_title: str
    since_start: str
    since_start_title: str
    lost: str


@dataclass(frozen=True, slots=True)
class FunnelView:
    """The whole page."""

    headline: str
    tone: str
    subline: str
    steps: tuple[StepLine, ...]
    width: float
    height: float
    notes: tuple[str, ...]


def build_funnel_view(found: Funnel, viewer: Viewer) -> FunnelView:
    """The page for one reader."""
    headline, tone, subline = _headline(found, viewer)
    return FunnelView(
        headline=headline,
        tone=tone,
        subline=subline,
        steps=tuple(_line(step, found.orders, viewer) for step in found.steps) if found.orders else (),
        width=WIDTH,
        height=HEIGHT,
        notes=coverage_notes(found.coverage, viewer),
    )


def _headline(found: Funnel, viewer: Viewer) -> tuple[str, str, str]:
    t = viewer.t
    if not found.orders or not found.steps:
        return t.gettext("No orders in this period"), "calm", ""
    last = found.steps[-1]
    headline = t.gettext(
        "%(share)s of the orders have reached “%(status)s”",
        share=share_words(last.share, viewer.language),
        status=status_reached(last.status, viewer.language),
    )
    worst = max(found.steps, key=lambda step: step.stuck + step.failed)
    troubled = worst.stuck + worst.failed
    if not troubled:
        return headline, "good", t.gettext("None is stuck, none has failed.")
    where = t.ngettext(
        "Most are held up after “%(status)s”: %(num)s order.",
        "Most are held up after “%(status)s”: %(num)s orders.",
        troubled,
        status=status_reached(worst.status, viewer.language),
    )
    return headline, "calm", where


def _line(step: FunnelStep, orders: int, viewer: Viewer) -> StepLine:
    t, language = viewer.t, viewer.language
    lost = ""
    if step.lost:
        lost = t.ngettext("for want of a message: %(num)s", "for want of a message: %(num)s", step.lost)
    return StepLine(
        title=status_reached(step.status, language),
        status=step.status,
        system=viewer.mark(step.system),
        came=number_words(step.came, language),
        share=share_words(step.share, language),
        slices=tuple(_slices(step, orders, viewer)),
        stays=tuple(_stays(step, viewer)),
        took=_seconds(step.step_median_seconds, viewer),
        took_title=_p90(step.step_p90_seconds, viewer),
        since_start=_seconds(step.start_median_seconds, viewer),
        since_start_title=_p90(step.start_p90_seconds, viewer),
        lost=lost,
    )


def _slices(step: FunnelStep, orders: int, viewer: Viewer) -> list[Slice]:
    t, found, x = viewer.t, [], 0.0
    on, troubled = step.came - step.here, step.stuck + step.failed
    ended = step.here - step.waiting - step.stuck - step.failed - step.cancelled
    for count, tone, words in (
        (on, "on", t.ngettext("%(num)s went on", "%(num)s went on", on)),
        (ended, "good", t.ngettext("%(num)s done", "%(num)s done", ended)),
        (step.waiting, "waiting", t.ngettext("%(num)s in progress", "%(num)s in progress", step.waiting)),
        (step.cancelled, "off", t.ngettext("%(num)s called off", "%(num)s called off", step.cancelled)),
        (troubled, "bad", t.ngettext("%(num)s in trouble", "%(num)s in trouble", troubled)),
    ):
        if count > 0:
            width = max(_LEAST, WIDTH * count / orders)
            found.append(Slice(round(x, 1), round(width, 1), tone, words))
            x += width
    return found


def _stays(step: FunnelStep, viewer: Viewer) -> list[Stay]:
    t, found = viewer.t, []
    for count, state, tone, words in (
        (step.waiting, OrderState.OPEN, "calm", t.ngettext("%(num)s in progress", "%(num)s in progress", step.waiting)),
        (step.stuck, OrderState.STUCK, "bad", t.ngettext("%(num)s stuck", "%(num)s stuck", step.stuck)),
        (step.failed, OrderState.FAILED, "bad", t.ngettext("%(num)s failed", "%(num)s failed", step.failed)),
    ):
        if count:
            url = "/?" + urlencode({"state": state, "status": step.status}) + "#orders"
            found.append(Stay(words, tone, url))
    if step.cancelled:
        words = t.ngettext("%(num)s called off", "%(num)s called off", step.cancelled)
        found.append(Stay(words, "calm", "/?" + urlencode({"state": OrderState.CANCELLED}) + "#orders"))
    return found


def _seconds(seconds: float | None, viewer: Viewer) -> str:
    return "—" if seconds is None else viewer.lasting(seconds)


def _p90(seconds: float | None, viewer: Viewer) -> str:
    return "" if seconds is None else viewer.t.gettext("nine of ten within %(length)s", length=viewer.lasting(seconds))
