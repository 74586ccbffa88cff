"""The pages of variants: the ways that orders take, with share, times and ends; and one way with its orders. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ..analysis.variants import returns
from ..model.analysis import Coverage, Variant, Variants
from ..model.order import OrderFilter, OrderPage, OrderState
from ..texts import number_words, share_words, state_title, status_reached
from .viewer import Viewer
from .views_board import Choice
from .views_orders import OrderRow, build_row
from .views_strip import wrap
from .views_ways import WIDTH, Way, build_way, columns, place_of

BAR = 100.0
_TITLE_CHARACTERS = 11


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar, in its hundredths, and what it stands for."""

    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class VariantLine:
    """One way."""

    id: str
    url: str
    orders: str
    share: str
    filled: float
    way: Way
    notes: tuple[str, ...]
    median: str
    p95: str
    ends: tuple[Part, ...]
    ends_words: tuple[tuple[str, str], ...]
    troubled_url: str
    why_url: str


@dataclass(frozen=True, slots=True)
class Station:
    """A column's head: a step of the flow."""

    x: float
    lines: tuple[str, ...]
    title: str
    accent: str


@dataclass(frozen=True, slots=True)
class VariantsView:
    """The list of ways."""

    headline: str
    tone: str
    subline: str
    width: float
    stations: tuple[Station, ...]
    lines: tuple[VariantLine, ...]
    other: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VariantView:
    """One way, step by step, and its orders."""

    headline: str
    way: Way
    width: float
    stations: tuple[Station, ...]
    steps: tuple[tuple[str, str, bool], ...]  # what was reached, the accent of its system, whether again
    states: tuple[Choice, ...]
    rows: tuple[OrderRow, ...]
    next_url: str
    first_url: str
    why_url: str


def build_variants_view(found: Variants, query: str, viewer: Viewer) -> VariantsView:
    """The list for one reader; `query` keeps the period in addresses."""
    t = viewer.t
    stations = columns((status for variant in found.variants for status in variant.path), viewer)
    headline, tone = _headline(found, viewer)
    ways = len(found.variants) + found.other_variants
    subline = ""
    if found.orders:
        subline = t.ngettext("%(num)s way", "%(num)s ways", ways) + " · " + _orders(found.orders, viewer)
    other = ""
    if found.other_orders:
        other = t.gettext(
            "%(orders)s (%(share)s) went another %(ways)s.",
            orders=_orders(found.other_orders, viewer),
            share=share_words(found.other_orders / found.orders, viewer.language),
            ways=t.ngettext("%(num)s way", "%(num)s ways", found.other_variants),
        )
    return VariantsView(
        headline=headline,
        tone=tone,
        subline=subline,
        width=WIDTH,
        stations=build_stations(stations, viewer),
        lines=tuple(_line(variant, found, stations, query, viewer) for variant in found.variants),
        other=other,
        notes=coverage_notes(found.coverage, viewer),
    )


def build_variant_view(
    name: str, path: Sequence[str], page: OrderPage, wanted: OrderFilter, period: str, viewer: Viewer
) -> VariantView:
    """One way for one reader."""
    t, stations = viewer.t, columns(path, viewer)
    again = set(returns(path))
    steps = []
    for i, status in enumerate(path):
        step = viewer.flow.step(status)
        accent = viewer.mark(step.system).accent if step else "other"
        steps.append((status_reached(status, viewer.language), accent, i in again))
    states = [Choice("", t.gettext("all"), not wanted.state, _url(name, period))]
    states += [
        Choice(state, state_title(state, viewer.language), wanted.state == state, _url(name, period, state=state))
        for state in OrderState
    ]
    return VariantView(
        headline=t.gettext("Orders that went this way"),
        way=build_way(path, stations, viewer),
        width=WIDTH,
        stations=build_stations(stations, viewer),
        steps=tuple(steps),
        states=tuple(states),
        rows=tuple(build_row(order, viewer) for order in page.orders),
        next_url=_url(name, period, state=wanted.state, cursor=page.next_cursor) if page.next_cursor else "",
        first_url=_url(name, period, state=wanted.state) if wanted.cursor else "",
        why_url=""
        if viewer.flow.is_end(path[-1] if path else "")
        else "/analysis/differences?" + urlencode({"variant": name, "period": period}),
    )


def build_stations(stations: Sequence[str], viewer: Viewer) -> tuple[Station, ...]:
    """The heads of the columns."""
    found = []
    for i, status in enumerate(stations):
        step, title = viewer.flow.step(status), status_reached(status, viewer.language)
        accent = viewer.mark(step.system).accent if step else "other"
        found.append(Station(place_of(i, len(stations)), wrap(title, _TITLE_CHARACTERS), title, accent))
    return tuple(found)


def coverage_notes(coverage: Coverage, viewer: Viewer) -> tuple[str, ...]:
    """What an answer leaves out, in words."""
    t, notes = viewer.t, []
    if coverage.orders_max:
        notes.append(
            t.gettext(
                "Only the newest %(count)s orders were looked at.",
                count=number_words(coverage.orders_max, viewer.language),
            )
        )
    if coverage.behind:
        notes.append(
            t.ngettext(
                "News of %(num)s order is not worked in yet; look again in a moment.",
                "News of %(num)s orders is not worked in yet; look again in a moment.",
                coverage.behind,
            )
        )
    if coverage.one_in > 1:
        notes.append(
            t.gettext(
                "Of messages and calls one in %(count)s was looked at.",
                count=number_words(coverage.one_in, viewer.language),
            )
        )
    return tuple(notes)


def _headline(found: Variants, viewer: Viewer) -> tuple[str, str]:
    t = viewer.t
    if not found.variants:
        return t.gettext("No orders in this period"), "calm"
    first = found.variants[0]
    share = share_words(first.share, viewer.language)
    if first.share >= 0.5:
        return t.gettext("%(share)s of the orders go the same way", share=share), "calm"
    return t.gettext("No way is taken by most orders; the commonest by %(share)s", share=share), "calm"


def _line(variant: Variant, found: Variants, stations: Sequence[str], query: str, viewer: Viewer) -> VariantLine:
    t, url = viewer.t, f"/analysis/variants/{variant.id}?{query}"
    notes = []
    if again := len(returns(variant.path)):
        notes.append(t.ngettext("%(num)s step again", "%(num)s steps again", again))
    return VariantLine(
        id=variant.id,
        url=url,
        orders=number_words(variant.orders, viewer.language),
        share=share_words(variant.share, viewer.language),
        filled=round(BAR * variant.orders / found.variants[0].orders, 1),
        way=build_way(variant.path, stations, viewer),
        notes=tuple(notes),
        median=viewer.lasting(variant.median_seconds) if len(variant.path) > 1 else "—",  # one status takes no time
        p95=viewer.lasting(variant.p95_seconds) if len(variant.path) > 1 else "—",
        ends=tuple(_ends(variant, viewer)),
        ends_words=tuple((part.tone, part.title) for part in _ends(variant, viewer)),
        troubled_url=f"{url}&state={OrderState.STUCK}" if variant.troubled else "",
        why_url=f"/analysis/differences?{urlencode({'variant': variant.id})}&{query}" if variant.troubled else "",
    )


def _ends(variant: Variant, viewer: Viewer) -> list[Part]:
    t, parts, x = viewer.t, [], 0.0
    counts = (
        (variant.closed, "good", t.ngettext("%(num)s done", "%(num)s done", variant.closed)),
        (variant.open, "calm", t.ngettext("%(num)s in progress", "%(num)s in progress", variant.open)),
        (variant.cancelled, "done", t.ngettext("%(num)s called off", "%(num)s called off", variant.cancelled)),
        (variant.troubled, "bad", t.ngettext("%(num)s in trouble", "%(num)s in trouble", variant.troubled)),
    )
    for count, tone, words in counts:
        if count:
            width = BAR * count / variant.orders
            parts.append(Part(round(x, 1), round(width, 1), tone, words))
            x += width
    return parts


def _orders(count: int, viewer: Viewer) -> str:
    return viewer.t.ngettext("%(num)s order", "%(num)s orders", count)


def _url(name: str, period: str, **more: str | None) -> str:
    given = {key: value for key, value in more.items() if value}
    return f"/analysis/variants/{name}?{urlencode({'period': period} | given)}"
