"""How well the brokers are watched, in words: one line a broker, and the spans in which nothing was seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model.message import BrokerSight, WatchGap
from ..texts.translator import N_
from .viewer import Viewer

GAPS_SHOWN = 8
_SOURCES = {
    "tap": N_("messages as they pass"),
    "beat": N_("proof that nothing is missed"),
    "dead_letters": N_("copies of dead letters"),
    "events": N_("events of the broker"),
    "queues": N_("queue lengths"),
    "management": N_("management API"),
    "kept": N_("copies that can be sent again"),
}
_REASONS = {
    "tap_overflow": N_("more came than could be read"),
    "disconnected": N_("the connection to the broker was lost"),
    "broker_restarted": N_("the broker or the connection to it was away"),
    "ordertrace_stopped": N_("ordertrace was not running"),
    "tracing_off": N_("tracing was switched off in the broker"),
    "starting": N_("the watch is just beginning"),
}
_OFF = {
    "not_connected": N_("no connection to the broker"),
    "not_configured": N_("not configured"),
    "turned_off": N_("turned off in the settings"),
    "no_rights": N_("the broker user has no right to it"),
    "not_there": N_("not there in the broker"),
    "declared_otherwise": N_("exists in the broker with other arguments"),
}


@dataclass(frozen=True, slots=True)
class BrokerLine:
    """A broker: `tone` is good, soon (watched in part) or bad (not watched); `missing` lists what is not seen and why."""

    name: str
    tone: str
    text: str
    title: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GapLine:
    """A span of time in which a broker was not watched."""

    text: str
    title: str
    now: bool


@dataclass(frozen=True, slots=True)
class WatchView:
    """All brokers and their gaps. `watched` is False where no broker is configured at all."""

    watched: bool
    blind: bool
    brokers: tuple[BrokerLine, ...]
    gaps: tuple[GapLine, ...]


def build_watch_view(
    watched: bool, sights: Sequence[BrokerSight], gaps: Sequence[WatchGap], viewer: Viewer
) -> WatchView:
    """What is said of the watch on the pages of messages and queues."""
    lines = tuple(_broker_line(sight, viewer) for sight in sights)
    still = any(gap.until is None for gap in gaps)
    blind = bool(watched and (still or (lines and all(line.tone == "bad" for line in lines))))
    return WatchView(watched, blind, lines, tuple(gap_line(gap, viewer) for gap in gaps[:GAPS_SHOWN]))


def overlapping(gaps: Iterable[WatchGap], start: datetime, until: datetime) -> tuple[WatchGap, ...]:
    """The gaps that share a moment with this span, earliest first."""
    found = (gap for gap in gaps if gap.start < until and (gap.until is None or gap.until > start))
    return tuple(sorted(found, key=lambda gap: gap.start))


def gap_line(gap: WatchGap, viewer: Viewer) -> GapLine:
    """A gap as a sentence, with its reason where that is known."""
    t = viewer.t
    words = {"broker": gap.broker, "start": viewer.clock(gap.start)}
    if gap.until is None:
        text = t.gettext("The broker %(broker)s has not been watched since %(start)s", **words)
    else:
        text = t.gettext(
            "The broker %(broker)s was not watched between %(start)s and %(until)s",
            until=viewer.clock(gap.until),
            **words,
        )
    reason = t.gettext(_REASONS[gap.reason]) if gap.reason in _REASONS else gap.reason
    title = viewer.exact(gap.start) + (f" – {viewer.exact(gap.until)}" if gap.until else "")
    return GapLine(f"{text}: {reason}." if reason else f"{text}.", title, gap.until is None)


def _broker_line(sight: BrokerSight, viewer: Viewer) -> BrokerLine:
    t = viewer.t
    missing = tuple(_missing(source.name, source.reason, viewer) for source in sight.sources if not source.on)
    since = viewer.clock(sight.since) if sight.since else ""
    title = viewer.exact(sight.since) if sight.since else ""
    if not sight.connected:
        text = t.gettext("not watched since %(clock)s", clock=since) if since else t.gettext("not watched yet")
        return BrokerLine(sight.broker, "bad", text, title, missing)
    text = t.gettext("watched since %(clock)s", clock=since) if since else t.gettext("watched")
    if missing:
        text = t.gettext("watched in part")
    if sight.lag_seconds is not None and sight.lag_seconds > 5:
        text += ", " + t.gettext("%(duration)s behind", duration=viewer.lasting(sight.lag_seconds))
    return BrokerLine(sight.broker, "soon" if missing else "good", text, title, missing)


def _missing(name: str, reason: str, viewer: Viewer) -> str:
    what = viewer.t.gettext(_SOURCES[name]) if name in _SOURCES else name
    why = viewer.t.gettext(_OFF[reason]) if reason in _OFF else reason
    return f"{what}: {why}" if why else what
