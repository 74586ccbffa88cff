"""The page of systems: how fresh, how much joined, with which ids and statuses, clocks, and what would help most. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.coverage import AdviceKind, Coverage, SystemCoverage
from ..texts import advice_sentence, change_place, number_words, share_words
from .viewer import SystemMark, Viewer

METER_WIDTH = 100
GOOD_SHARE, FAIR_SHARE = 0.9, 0.5
CLOCK_SHOWN_SECONDS = 1.0
CLOCK_COARSE_SECONDS = 600.0
STALE_SECONDS = 120.0
_URGENT = {AdviceKind.CONNECT, AdviceKind.RECONNECT}


@dataclass(frozen=True, slots=True)
class Meter:
    """A share as a bar and in words; `tone` is good, soon, bad or calm (nothing to measure)."""

    title: str
    value: str
    note: str
    filled: float
    tone: str


@dataclass(frozen=True, slots=True)
class AdviceView:
    """The one change that would help most; `lines` go where `place` says."""

    sentence: str
    place: str
    lines: tuple[str, ...]
    tone: str


@dataclass(frozen=True, slots=True)
class SystemCard:
    """One system."""

    mark: SystemMark
    owner: str
    heard: str
    heard_title: str
    heard_tone: str
    clock: str
    clock_tone: str
    extent: str
    meters: tuple[Meter, ...]
    advice: AdviceView | None
    fine: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SystemsView:
    """The whole page."""

    headline: str
    headline_tone: str
    subline: str
    cards: tuple[SystemCard, ...]


def build_systems_view(systems: Sequence[SystemCoverage], viewer: Viewer) -> SystemsView:
    """The page for one reader."""
    t = viewer.t
    waiting = sum(1 for system in systems if system.advice)
    headline, tone = t.gettext("All systems are seen well"), "good"
    if waiting:
        headline = t.ngettext("%(num)s system could tell more", "%(num)s systems could tell more", waiting)
        tone = "soon"
    window = max((system.coverage.window_seconds for system in systems), default=0.0)
    subline = t.gettext("measured over the last %(duration)s", duration=viewer.lasting(window)) if window else ""
    return SystemsView(headline, tone, subline, tuple(_card(system, viewer) for system in systems))


def _card(system: SystemCoverage, viewer: Viewer) -> SystemCard:
    sight, seen = system.sight, system.coverage
    heard, heard_title, heard_tone = _heard(system, viewer)
    clock, clock_tone = _clock(system, viewer)
    advice = build_advice(system, viewer)
    meters = tuple(_watched_meters(seen, viewer) if sight.closed else _meters(seen, viewer))
    return SystemCard(
        mark=viewer.mark(sight.name),
        owner=viewer.owner(sight.owner) if sight.owner else "",
        heard=heard,
        heard_title=heard_title,
        heard_tone=heard_tone,
        clock=clock,
        clock_tone=clock_tone,
        extent=_extent(system, viewer),
        meters=meters if seen.spans or seen.watched else (),
        advice=advice,
        fine="" if advice else _fine(seen, sight.closed, viewer),
        fingerprint=f"{[meter.value for meter in meters]} {system.advice and system.advice.kind}",
    )


def _fine(seen: Coverage, closed: bool, viewer: Viewer) -> str:
    """What is said where nothing is advised."""
    if closed and not seen.watched:
        return viewer.t.gettext(
            "No messages pass between it and the others: what it does is known from their calls to it."
        )
    return viewer.t.gettext("Nothing to change: what is needed is there.")


def _heard(system: SystemCoverage, viewer: Viewer) -> tuple[str, str, str]:
    t, at = viewer.t, system.sight.last_seen_at
    if system.sight.closed:
        return t.gettext("seen through others"), t.gettext("sends no telemetry of its own"), "calm"
    if at is None:
        return t.gettext("not heard yet"), "", "bad"
    silent = (viewer.now - at).total_seconds()
    text = t.gettext("heard %(ago)s", ago=viewer.ago(at))
    if system.sight.lag_seconds and system.sight.lag_seconds >= 1:
        text += ", " + t.gettext("usually %(duration)s late", duration=viewer.lasting(system.sight.lag_seconds))
    return text, viewer.exact(at), "soon" if silent > STALE_SECONDS else "good"


def _clock(system: SystemCoverage, viewer: Viewer) -> tuple[str, str]:
    t, skew = viewer.t, system.skew_seconds
    if skew is None:
        return "" if system.sight.closed else t.gettext("clock: nothing to compare with"), "calm"
    if abs(skew) < CLOCK_SHOWN_SECONDS:
        return t.gettext("clock in step"), "good"
    lasting = viewer.lasting(abs(skew))
    if abs(skew) < CLOCK_COARSE_SECONDS:
        lasting = t.gettext("%(seconds)s s", seconds=number_words(abs(skew), viewer.language, 1)).replace(" ", "\xa0")
    if skew > 0:
        return t.gettext("clock %(duration)s ahead, corrected here", duration=lasting), "soon"
    return t.gettext("clock %(duration)s behind, corrected here", duration=lasting), "soon"


def _extent(system: SystemCoverage, viewer: Viewer) -> str:
    t, seen = viewer.t, system.coverage
    if system.sight.closed:
        return t.ngettext("%(num)s message", "%(num)s messages", seen.watched) if seen.watched else ""
    if not seen.received:
        return ""
    spans = t.ngettext("%(num)s span", "%(num)s spans", seen.received)
    records = t.ngettext("%(num)s log record", "%(num)s log records", seen.logs)
    return f"{spans}, {records}"


def _meters(seen: Coverage, viewer: Viewer) -> list[Meter]:
    t = viewer.t
    found = [
        _meter(t.gettext("spans on an order"), seen.joined, seen.spans, viewer),
        _meter(t.gettext("messages with an id"), seen.with_message_id, seen.messages, viewer),
        _meter(t.gettext("errors with a stack"), seen.errors - seen.errors_without_stack, seen.errors, viewer),
    ]
    statuses = t.ngettext("%(num)s span says a status", "%(num)s spans say a status", seen.with_status)
    share = seen.with_status / seen.spans if seen.spans else 0.0
    told = Meter(
        t.gettext("spans with a status"),
        share_words(share, viewer.language),
        statuses,
        round(share * METER_WIDTH, 1),
        "calm" if seen.with_status else "soon",
    )
    return [found[0], told, *found[1:]]


def _watched_meters(seen: Coverage, viewer: Viewer) -> list[Meter]:
    t = viewer.t
    return [
        _meter(t.gettext("messages on an order"), seen.watched_with_order, seen.watched, viewer),
        _meter(t.gettext("messages with a status"), seen.watched_with_status, seen.watched, viewer),
        _meter(t.gettext("messages with an id"), seen.watched_with_id, seen.watched, viewer),
    ]


def _meter(title: str, part: int, whole: int, viewer: Viewer) -> Meter:
    if not whole:
        return Meter(title, "—", viewer.t.gettext("none seen"), 0.0, "calm")
    share = part / whole
    tone = "good" if share >= GOOD_SHARE else "soon" if share >= FAIR_SHARE else "bad"
    words = {"part": number_words(part, viewer.language), "whole": number_words(whole, viewer.language)}
    note = viewer.t.gettext("%(part)s of %(whole)s", **words)
    return Meter(title, share_words(share, viewer.language), note, round(share * METER_WIDTH, 1), tone)


def build_advice(system: SystemCoverage, viewer: Viewer) -> AdviceView | None:
    """The one change that would help most at a system; None where nothing is to be changed."""
    advice = system.advice
    if advice is None:
        return None
    sentence = advice_sentence(advice, viewer.flow.system(system.sight.name), viewer.language)
    tone = "bad" if advice.kind in _URGENT else "soon"
    return AdviceView(sentence, change_place(advice, viewer.language), advice.change, tone)
