"""The ways that orders take: rows → variants, and the way of one order from its facts. Pure.

`build_path` says for one order what `make_paths.sql` says for very many: the tests hold them together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..model.analysis import Coverage, Variant, Variants
from ..model.flow import Flow
from ..model.order import OrderEvent


@dataclass(frozen=True, slots=True)
class PathStep:
    """A status that an order reached, and the fact that tells so first."""

    status: str
    at: datetime
    event_id: str


def build_path(events: Iterable[OrderEvent], flow: Flow) -> tuple[PathStep, ...]:
    """The statuses that an order really reached, by the facts about it (clocks corrected), earliest first.

    The system that brings a status about has the word: each trace, or message, in which it says so is one time that the
    status was reached, when it logs or publishes that, else when its span begins. Where it says nothing itself, what
    others tell counts once, at its earliest.
    """
    told: dict[str, list[OrderEvent]] = defaultdict(list)
    for event in events:
        if event.status:
            told[event.status].append(event)
    steps = [step for status, facts in told.items() for step in _reached(status, facts, flow)]
    return tuple(sorted(steps, key=lambda step: (step.at, flow.rank(step.status), step.status)))


def build_variants(rows: Sequence[Sequence[Any]], coverage: Coverage) -> Variants:
    """From rows of `variants.sql`, the commonest first."""
    orders, ways, troubled = (rows[0][8], rows[0][9], rows[0][10]) if rows else (0, 0, 0)
    variants = tuple(_variant(row, orders) for row in rows)
    return Variants(
        variants=variants,
        orders=orders,
        troubled=troubled,
        other_orders=orders - sum(variant.orders for variant in variants),
        other_variants=ways - len(variants),
        coverage=coverage,
    )


def returns(path: Sequence[str]) -> tuple[int, ...]:
    """Places in a path at which a status comes again that the order had reached before."""
    return tuple(i for i, status in enumerate(path) if status in path[:i])


def _variant(row: Sequence[Any], orders: int) -> Variant:
    name, path, taken, closed, cancelled, troubled, (median, p95), example = row[:8]
    return Variant(
        name, tuple(path), taken, taken / orders, closed, cancelled, troubled, max(0.0, median), max(0.0, p95), example
    )


def _reached(status: str, facts: Sequence[OrderEvent], flow: Flow) -> Iterable[PathStep]:
    step = flow.step(status)
    owned = [fact for fact in facts if step and fact.system == step.system]
    if not owned:
        first = min(facts, key=lambda fact: (fact.at, fact.id))
        return [PathStep(status, first.at, first.id)]
    occasions: dict[str, list[OrderEvent]] = defaultdict(list)
    for fact in owned:
        occasions[fact.trace_id or fact.id].append(fact)
    firsts = [min(found, key=lambda fact: (_lasts(fact), fact.at, fact.id)) for found in occasions.values()]
    return [PathStep(status, first.at, first.id) for first in firsts]


def _lasts(fact: OrderEvent) -> bool:
    """A span that takes its time: the status was reached somewhere in it."""
    return fact.duration_seconds > 0 and fact.span_kind != "Producer"
