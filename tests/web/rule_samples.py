"""A trial of rules as the page gets it: every way of belonging to an order, and every reason for belonging to none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ordertrace.errors import NotFound
from ordertrace.model.trial import RuleUse, Trial, Tried, TriedTrace, Verdict, Why
from ordertrace.store.trials import Rules

from .samples import NOW

_NAMED = frozenset(Why) - {Why.NOTHING_NAMED, Why.SEVERAL, Why.NAMES_SEVERAL, Why.UNKNOWN_KEY, Why.UNKNOWN_ORDER}
_PATTERN = "pattern:url.path:^/(?:api/)?orders/(?P<id>[^/]+)"


class SampleTrials:
    """Knows one order and its trace."""

    in_force = Rules(("attribute:order.id", _PATTERN), ("attribute:order.status",))

    async def try_order(self, order_id: str, rules: Rules | None = None) -> Trial:
        if order_id != "A-24551":
            raise NotFound(order_id)
        return every_way(others=rules is not None)

    async def try_trace(self, trace_id: str, rules: Rules | None = None) -> Trial:
        if trace_id != "a" * 32:
            raise NotFound(trace_id)
        return replace(every_way(others=rules is not None), order_id="")


def every_way(others: bool) -> Trial:
    """With other rules the first span goes to another order, the last is gained and one changes its status."""
    tried = tuple(_tried(place, why) for place, why in enumerate(Why))
    if others:
        first, second = tried[:2]
        moved = replace(first, stored=replace(first.verdict, order_id="A-1"))
        changed = replace(second, stored=replace(second.verdict, status="SUBMITTED"))
        gained = replace(tried[-1], verdict=first.verdict)
        tried = (moved, changed, *tried[2:-1], gained)
    uses = (
        RuleUse("id", "attribute:order.id", 0),
        RuleUse("id", _PATTERN, 2),
        RuleUse("status", "attribute:order.status", 1),
    )
    empty = TriedTrace("b" * 32, ())
    return Trial("A-24551", (TriedTrace("a" * 32, tried), empty), uses, ("traces", "spans", "log_records"))


def _tried(place: int, why: Why) -> Tried:
    named = why in _NAMED
    verdict = Verdict(
        "A-24551" if named else "", "pattern" if named else "", 0.95 if named else 0.0, why, _PATTERN if place < 2 else "",
        "1234567890abcdef" if why in (Why.ABOVE, Why.BELOW) else "", "PRICE_CALCULATED" if place == 1 else "",
        "attribute:order.status" if place == 1 else "",
    )  # fmt: skip
    kind = "Log" if place == 2 else "Server"
    at = NOW + timedelta(milliseconds=place)
    return Tried(
        kind, f"{place:016x}", "", min(place, 14), at, "shop", f"work <b>{place}</b>", named, verdict, verdict, ()
    )
