"""“Why these?”: what stuck and failed orders have more often than finished ones, with shares side by side. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.analysis import Difference, Differences
from ..model.order import DiagnosisKind, OrderFilter, OrderState
from ..texts import number_words, problem_title, share_words, state_title
from .viewer import SystemMark, Viewer
from .views_board import Choice
from .views_orders import order_url, shorten_id
from .views_variants import coverage_notes

BAR = 100.0
HINT = 0.05  # beyond this chance a difference is not shown at all
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """One value of an attribute."""

    system: SystemMark
    key: str
    value: str
    troubled: str
    troubled_filled: float
    troubled_title: str
    finished: str
    finished_filled: float
    finished_title: str
    lift: str
    surely: bool
    certainty: str
    chance_title: str
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DifferencesView:
    """The whole page."""

    headline: str
    tone: str
    subline: str
    states: tuple[Choice, ...]
    kinds: tuple[Choice, ...]
    kept: tuple[tuple[str, str], ...]
    lines: tuple[DifferenceLine, ...]
    comparable: bool
    tried: str
    notes: tuple[str, ...]


def build_differences_view(
    found: Differences, wanted: OrderFilter, kind: str, variant: str, viewer: Viewer
) -> DifferencesView:
    """The page for one reader."""
    t, language = viewer.t, viewer.language
    shown = [one for one in found.differences if one.surely or one.chance < HINT]
    headline, tone, subline = _headline(found, shown, viewer)
    states = [Choice("", t.gettext("any"), not wanted.state)] + [
        Choice(state, state_title(state, language), wanted.state == state)
        for state in (OrderState.STUCK, OrderState.FAILED)
    ]
    kinds = [Choice("", t.gettext("any"), not kind)]
    kinds += [Choice(one, problem_title(one, language), kind == one) for one in DiagnosisKind]
    notes = list(coverage_notes(found.coverage, viewer))
    for looked_at, of_all in ((found.troubled_orders, found.troubled_all), (found.finished_orders, found.finished_all)):
        if looked_at < of_all:
            counts = {"count": number_words(looked_at, language), "all": number_words(of_all, language)}
            notes.append(t.gettext("%(count)s of %(all)s orders were looked at.", **counts))
    return DifferencesView(
        headline=headline,
        tone=tone,
        subline=subline,
        states=tuple(states),
        kinds=tuple(kinds),
        kept=tuple((name, value) for name, value in (("status", wanted.status), ("variant", variant)) if value),
        lines=tuple(_line(one, found, viewer) for one in shown),
        comparable=bool(found.troubled_orders and found.finished_orders),
        tried=t.ngettext("%(num)s value was compared.", "%(num)s values were compared.", found.values_tried),
        notes=tuple(notes),
    )


def _headline(found: Differences, shown: list[Difference], viewer: Viewer) -> tuple[str, str, str]:
    t, language = viewer.t, viewer.language
    counts = t.gettext(
        "%(troubled)s beside %(finished)s",
        troubled=t.ngettext("%(num)s order in trouble", "%(num)s orders in trouble", found.troubled_orders),
        finished=t.ngettext("%(num)s finished one", "%(num)s finished ones", found.finished_orders),
    )
    if not found.troubled_orders:
        return t.gettext("No order is in trouble like this"), "good", ""
    if not found.finished_orders:
        return t.gettext("No finished order to compare with"), "calm", counts
    if not shown:
        return t.gettext("Nothing sets these orders apart"), "calm", counts
    first = shown[0]
    headline = t.gettext(
        "“%(value)s”: %(troubled)s of the orders in trouble, %(finished)s of the finished ones",
        value=first.value if len(first.value) <= 60 else f"{first.value[:59]}…",
        troubled=share_words(first.troubled_share, language),
        finished=share_words(first.finished_share, language),
    )
    return headline, "calm", counts


def _line(one: Difference, found: Differences, viewer: Viewer) -> DifferenceLine:
    t, language = viewer.t, viewer.language
    chance = one.chance * 100
    words = "<0.01" if chance < 0.01 else number_words(chance, language, 2 if chance < 1 else 0)
    if language == "ru":
        words = words.replace("<0.01", "<0,01")
    return DifferenceLine(
        system=viewer.mark(one.system),
        key=_key_words(one.key, viewer),
        value=one.value,
        troubled=share_words(one.troubled_share, language),
        troubled_filled=round(BAR * one.troubled_share, 1),
        troubled_title=t.gettext("%(count)s of %(all)s", count=one.troubled, all=found.troubled_orders),
        finished=share_words(one.finished_share, language),
        finished_filled=round(BAR * one.finished_share, 1),
        finished_title=t.gettext("%(count)s of %(all)s", count=one.finished, all=found.finished_orders),
        lift=t.gettext("only these") if one.lift is None else "×" + number_words(one.lift, language, 1),
        surely=one.surely,
        certainty=t.gettext("surely") if one.surely else t.gettext("perhaps chance"),
        chance_title=t.gettext("chance alone would do this in %(percent)s %% of cases", percent=words),
        examples=tuple((shorten_id(name, 14), order_url(name)) for name in one.examples[:EXAMPLES]),
    )


def _key_words(key: str, viewer: Viewer) -> str:
    """What a fact's own columns are called; attributes keep their names."""
    t = viewer.t
    words = {
        "queue": t.gettext("queue"),
        "destination": t.gettext("destination of a message"),
        "peer": t.gettext("called address"),
        "response code": t.gettext("response code"),
        "error": t.gettext("error"),
        "operation": t.gettext("operation"),
    }
    return words.get(key, key)
