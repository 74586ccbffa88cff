"""How likely a difference between two groups is without any cause: Fisher's exact test. Pure.

Exact for small groups, where the usual approximations are wrong, and the groups of troubled orders are small.
"""

from __future__ import annotations

from math import exp, lgamma

SURE = 0.01


def fisher_greater(with_a: int, all_a: int, with_b: int, all_b: int) -> float:
    """The probability that, of all that have something, at least `with_a` fall into group A by chance alone.

    `with_a` of `all_a` have it, and `with_b` of `all_b` of the other group. 1.0 where a group is empty.
    """
    having, everybody = with_a + with_b, all_a + all_b
    whole = _log_choose(everybody, having)
    most = min(having, all_a)
    chance = sum(
        exp(_log_choose(all_a, k) + _log_choose(all_b, having - k) - whole)
        for k in range(max(with_a, having - all_b), most + 1)
    )
    return min(1.0, chance)


def survives(chance: float, tried: int) -> bool:
    """Whether a chance is small enough to count although `tried` things were looked at (Bonferroni's correction)."""
    return chance * max(1, tried) < SURE


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
