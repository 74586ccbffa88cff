"""What troubled orders have more often than finished ones: rows by value → differences, the most telling first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..model.analysis import Difference
from .chance import fisher_greater, survives

_LIFT_MIN = 1.2  # a value that is hardly commoner explains nothing


def build_differences(
    rows: Sequence[Sequence[Any]], troubled: int, finished: int, limit: int
) -> tuple[tuple[Difference, ...], int]:
    """From rows of `contrast_values.sql` about so many orders of either set; also how many values were tried.

    Only what is commoner among the troubled: orders that stop early lack much that the finished ones have, and that
    explains nothing.
    """
    tried = rows[0][6] if rows else 0
    found = [_difference(row, troubled, finished, tried) for row in rows]
    telling = [one for one in found if one.lift is None or one.lift >= _LIFT_MIN]
    telling.sort(key=lambda one: (one.chance, -(one.lift or 1e9), one.system, one.key, one.value))
    return tuple(_each_once(telling)[:limit]), tried


def _difference(row: Sequence[Any], troubled: int, finished: int, tried: int) -> Difference:
    system, key, value, with_troubled, with_finished, examples, _ = row
    share, other = with_troubled / troubled, with_finished / finished if finished else 0.0
    chance = fisher_greater(with_troubled, troubled, with_finished, finished)
    lift = share / other if other else None
    sure = survives(chance, tried)
    return Difference(
        system, key, value, with_troubled, with_finished, share, other, lift, chance, sure, tuple(examples)
    )


def _each_once(found: Sequence[Difference]) -> list[Difference]:
    """One line for values that the same orders of one system have and that hold one another: they say the same thing."""
    kept: dict[tuple[object, ...], list[Difference]] = defaultdict(list)
    for one in found:
        same = kept[one.system, one.troubled, one.finished, one.examples]
        alike = next((i for i, other in enumerate(same) if one.value in other.value or other.value in one.value), None)
        if alike is None:
            same.append(one)
        else:
            same[alike] = min(same[alike], one, key=lambda two: (len(two.value), len(two.key)))
    return sorted((one for same in kept.values() for one in same), key=found.index)
