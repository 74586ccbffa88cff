"""Which order each span of a trace works for, when the trace serves several. Pure; the order of the arguments does not matter.

A span belongs to an order that it names itself, or that something else names it for: a log record written in it, a message
that it sent or received, a key of the order. It hands that on to the spans below it, unless these name others; and spans
above it that lead to one order only belong to that order, too. What several orders share belongs to none of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..model.order import JoinedBy

CONFIDENCE: Mapping[JoinedBy, float] = {
    JoinedBy.ATTRIBUTE: 1.0,
    JoinedBy.PATTERN: 0.95,
    JoinedBy.MESSAGE: 0.95,
    JoinedBy.LOG: 0.9,
    JoinedBy.TRACE: 0.9,
    JoinedBy.CORRELATION: 0.9,
    JoinedBy.LINK: 0.85,
    JoinedBy.KEY: 0.85,
    JoinedBy.SEQUENCE: 0.8,
    JoinedBy.TIME: 0.6,
}
_SUGGESTED = frozenset({JoinedBy.SEQUENCE, JoinedBy.TIME})
_SAID = frozenset({JoinedBy.ATTRIBUTE, JoinedBy.PATTERN, JoinedBy.MESSAGE, JoinedBy.LOG})
_DEPTH_MAX = 10_000


@dataclass(frozen=True, slots=True)
class SpanSight:
    """A span as far as joining needs it; `keys` are keys of orders that it holds, known or not; times in ns since 1970."""

    span_id: str
    parent_id: str
    keys: frozenset[str] = frozenset()
    began: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Name:
    """That a span works for an order, and what says so; an empty `span_id` speaks of the trace as a whole."""

    span_id: str
    order_id: str
    by: JoinedBy


@dataclass(frozen=True, slots=True)
class Joined:
    """The order that a span belongs to, how that is known and how surely (0…1)."""

    order_id: str
    by: JoinedBy
    confidence: float


@dataclass(frozen=True, slots=True)
class Division:
    """What a trace holds of whom: the order of each span that belongs to exactly one; spans that several orders share;
    whose the keys in it are, as far as its course shows that; and its order as a whole, if it works for one only.
    """

    joined: Mapping[str, Joined]
    shared: frozenset[str]
    keys: Mapping[str, str]
    whole: Joined | None = None


def divide(spans: Iterable[SpanSight], names: Iterable[Name]) -> Division:
    """Divides a trace among the orders that it serves."""
    sights = {sight.span_id: sight for sight in sorted(spans, key=lambda one: (one.span_id, one.parent_id))}
    named = _by_span(names)
    everything = frozenset(order for orders in named.values() for order in orders)
    keys = frozenset(key for sight in sights.values() for key in sight.keys)
    told = _keys_beside_names(sights, named)
    if len(keys) <= 1 and len(everything) <= 1:  # its only key is its only order's
        sights = {span_id: replace(sight, keys=frozenset()) for span_id, sight in sights.items()}
    below = _orders_below(sights, named)
    stranger = any(sight.keys and not named.get(sight.span_id) for sight in sights.values())
    joined: dict[str, Joined] = {}
    for span_id, sight in sights.items():
        found = _own(named.get(span_id, {}))
        if found is None and not named.get(span_id) and not sight.keys:
            found = _from_above(sight, sights, named, below) or _from_below(below[span_id])
            if found is None and len(everything) == 1 and not stranger:
                found = Joined(next(iter(everything)), JoinedBy.TRACE, CONFIDENCE[JoinedBy.TRACE])
        if found:
            joined[span_id] = found
    shared = frozenset(span_id for span_id, orders in below.items() if len(orders) > 1)
    whole = Joined(next(iter(everything)), JoinedBy.TRACE, CONFIDENCE[JoinedBy.TRACE]) if len(everything) == 1 else None
    return Division(joined, shared, _keys_in_turn(sights, below) | told, None if stranger else whole)


def _by_span(names: Iterable[Name]) -> dict[str, dict[str, JoinedBy]]:
    """For each span the orders that it is named for, each by the surest way."""
    named: dict[str, dict[str, JoinedBy]] = defaultdict(dict)
    for name in names:
        have = named[name.span_id].get(name.order_id)
        if have is None or (CONFIDENCE[name.by], name.by) > (CONFIDENCE[have], have):
            named[name.span_id][name.order_id] = name.by
    return {span_id: _surest(orders) for span_id, orders in named.items()}


def _surest(orders: dict[str, JoinedBy]) -> dict[str, JoinedBy]:
    """What sequence or time alone suggest does not count beside what is said."""
    said = {order_id: by for order_id, by in orders.items() if by not in _SUGGESTED}
    return said or orders


def _own(orders: Mapping[str, JoinedBy]) -> Joined | None:
    """What the span is named for, if that is one order only."""
    if len(orders) != 1:
        return None
    ((order_id, by),) = orders.items()
    return Joined(order_id, by, CONFIDENCE[by])


def _orders_below(
    sights: Mapping[str, SpanSight], named: Mapping[str, Mapping[str, JoinedBy]]
) -> dict[str, frozenset[str]]:
    """The orders named in the subtree of each span; a key that nobody knows counts as an order of its own."""
    found: dict[str, set[str]] = {span_id: set() for span_id in sights}
    for span_id, sight in sights.items():
        mine = set(named.get(span_id, ())) or {f"\0{key}" for key in sight.keys}
        if not mine:
            continue
        at: SpanSight | None = sight
        seen: set[str] = set()
        while at is not None and at.span_id not in seen and len(seen) < _DEPTH_MAX:
            seen.add(at.span_id)
            found[at.span_id] |= mine
            at = sights.get(at.parent_id)
    return {span_id: frozenset(orders) for span_id, orders in found.items()}


def _from_above(
    sight: SpanSight,
    sights: Mapping[str, SpanSight],
    named: Mapping[str, Mapping[str, JoinedBy]],
    below: Mapping[str, frozenset[str]],
) -> Joined | None:
    """The order of the nearest named span above, if nothing below that names another one."""
    at, seen = sights.get(sight.parent_id), {sight.span_id}
    while at is not None and at.span_id not in seen:
        seen.add(at.span_id)
        if orders := named.get(at.span_id):
            if len(orders) != 1 or len(below[at.span_id]) != 1:
                return None
            ((order_id, by),) = orders.items()
            return Joined(order_id, JoinedBy.TRACE, min(CONFIDENCE[by], CONFIDENCE[JoinedBy.TRACE]))
        at = sights.get(at.parent_id)
    return None


def _from_below(orders: frozenset[str]) -> Joined | None:
    """The order that all named spans below work for."""
    known = [order for order in orders if not order.startswith("\0")]
    if len(orders) != 1 or not known:
        return None
    return Joined(known[0], JoinedBy.TRACE, CONFIDENCE[JoinedBy.TRACE])


def _keys_beside_names(sights: Mapping[str, SpanSight], named: Mapping[str, Mapping[str, JoinedBy]]) -> dict[str, str]:
    """Whose keys are that a span holds which is named itself, such as the conversation id of a message about an order."""
    found: dict[str, set[str]] = defaultdict(set)
    for span_id, sight in sights.items():
        said = [order_id for order_id, by in named.get(span_id, {}).items() if by in _SAID]
        if len(said) == 1 and len(sight.keys) == 1:
            found[next(iter(sight.keys))].add(said[0])
    return {key: next(iter(orders)) for key, orders in found.items() if len(orders) == 1}


def _keys_in_turn(sights: Mapping[str, SpanSight], below: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Whose keys are, where a span works through them one after another: what follows a key, up to the next one, is of its
    order. Nothing follows from spans that run side by side.
    """
    children: dict[str, list[SpanSight]] = defaultdict(list)
    for sight in sights.values():
        children[sight.parent_id].append(sight)
    found: dict[str, set[str]] = defaultdict(set)
    for siblings in children.values():
        if sum(1 for sight in siblings if sight.keys) < 2:
            continue
        key, until = "", 0
        for sight in sorted(siblings, key=lambda one: (one.began, one.span_id)):
            if sight.keys:
                key = next(iter(sight.keys)) if len(sight.keys) == 1 and sight.began >= until else ""
            elif key and sight.began >= until:
                found[key] |= {order for order in below[sight.span_id] if not order.startswith("\0")}
            until = max(until, sight.ended) if sight.keys else until
    return {key: next(iter(orders)) for key, orders in found.items() if len(orders) == 1}
