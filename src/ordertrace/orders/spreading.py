"""Whose are messages, spans and traces that name no order, but have something in common with what does? Pure.

A link has two ends; an id is held by the message that bears it, by the answers that refer to it, and by their spans. What an
order is known for hands it on to what has no name; that hands it on in turn. The nearest counts; where several orders are as
near, the thing belongs to none of them and hands on nothing; and what several orders have in common says nothing at all. So the
result is a function of what is known, whatever came first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..model.order import JoinedBy
from .joining import CONFIDENCE


class Node(NamedTuple):
    """A trace ('trace', its id, ''), a span of a trace that serves several orders ('span', trace, span), or a message
    ('message', broker, key).
    """

    kind: str
    first: str
    second: str = ""


@dataclass(frozen=True, slots=True)
class Tie:
    """What `ends` have in common."""

    by: JoinedBy
    ends: frozenset[Node]


@dataclass(frozen=True, slots=True)
class Known:
    """The orders that something is named for: said by itself or in its place, or merely suggested by time and sequence."""

    said: frozenset[str] = frozenset()
    suggested: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Derived:
    """The order that something without a name belongs to, and by the surest of what says so."""

    order_id: str
    by: JoinedBy


def spread(ties: Iterable[Tie], known: Mapping[Node, Known]) -> dict[Node, Derived]:
    """What follows for nodes that nothing names. What is suggested gives way, and is handed on where nothing else is."""
    of_node: dict[Node, list[Tie]] = defaultdict(list)
    for tie in set(ties):
        for end in tie.ends:
            of_node[end].append(tie)
    names: dict[Node, str] = {node: _only(one.said) for node, one in known.items() if one.said}
    derived: dict[Node, Derived] = {}
    _hand_on(set(names), of_node, names, derived)
    suggested = {node: _only(one.suggested) for node, one in known.items() if one.suggested and node not in names}
    names |= suggested
    _hand_on(set(suggested), of_node, names, derived)
    return derived


def _hand_on(
    edge: set[Node], of_node: Mapping[Node, list[Tie]], names: dict[Node, str], derived: dict[Node, Derived]
) -> None:
    """One step outwards after another, as long as anything gets a name; '' is what several orders claim."""
    while edge:
        offers: dict[Node, dict[str, JoinedBy]] = defaultdict(dict)
        for tie in {tie for node in edge for tie in of_node.get(node, ())}:
            orders = {names[end] for end in tie.ends if names.get(end)}
            if len(orders) != 1:
                continue
            (order,) = orders
            for end in tie.ends - names.keys():
                offers[end][order] = max(tie.by, offers[end].get(order, tie.by), key=_sureness)
        for node, offered in offers.items():
            names[node] = _only(offered)
            if len(offered) == 1:
                derived[node] = Derived(*next(iter(offered.items())))
        edge = set(offers)


def _only(orders: Iterable[str]) -> str:
    found = set(orders)
    return next(iter(found)) if len(found) == 1 else ""


def _sureness(by: JoinedBy) -> tuple[float, str]:
    return CONFIDENCE[by], by
