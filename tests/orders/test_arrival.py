"""What is joined depends on the evidence alone: not on what came first, nor on what contradicts what."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ordertrace.store.store import Row
from tests.orders.replaying import BEGAN, Evidence, build_evidence, dump, joining


async def rows_of(directory: Path, evidence: Evidence, chance: random.Random | None) -> list[list[Row]]:
    """What becomes of evidence that comes in as it is, or shuffled."""
    async with joining(directory, new=True) as place:
        portions = place.portions(evidence)
        if chance:
            chance.shuffle(portions)
        await place.take_in_turn(portions, BEGAN)
        return await dump(place.store)


@pytest.mark.parametrize(("seed", "contradicting"), [(0, False), (5, False), (1, True), (2, True), (3, True)])
async def test_results_do_not_depend_on_the_order_of_arrival(tmp_path: Path, seed: int, contradicting: bool) -> None:
    evidence = build_evidence(seed, contradicting=contradicting)
    expected = await rows_of(tmp_path / "sorted", evidence, None)
    for turn in range(2):
        shuffled = await rows_of(tmp_path / f"shuffled {turn}", evidence, random.Random(100 * seed + turn))
        assert shuffled == expected
