"""Fisher's exact test, by tables whose probabilities are known."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordertrace.analysis.chance import fisher_greater, survives


@pytest.mark.parametrize(
    ("table", "chance"),
    [
        ((4, 4, 0, 4), 1 / 70),  # the lady who tastes tea, all right
        ((3, 4, 1, 4), 17 / 70),
        ((0, 4, 4, 4), 1.0),
        ((0, 0, 3, 9), 1.0),
        ((2, 3, 0, 0), 1.0),
    ],
)
def test_known_tables(table: tuple[int, int, int, int], chance: float) -> None:
    assert fisher_greater(*table) == pytest.approx(chance, rel=1e-9)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_it_is_the_share_of_all_ways_to_deal(with_a: int, without_a: int, with_b: int, without_b: int) -> None:
    all_a, all_b, having = with_a + without_a, with_b + without_b, with_a + with_b
    ways = sum(comb(all_a, k) * comb(all_b, having - k) for k in range(with_a, having + 1))
    expected = ways / comb(all_a + all_b, having)
    assert fisher_greater(with_a, all_a, with_b, all_b) == pytest.approx(expected, rel=1e-9)


def test_small_groups_prove_nothing_and_many_tries_need_more() -> None:
    assert not survives(fisher_greater(2, 2, 5, 20), 1)
    chance = fisher_greater(9, 10, 1, 20)
    assert survives(chance, 100)
    assert not survives(chance, 10_000)
