"""However many look at a page, the store is asked once a second."""

from __future__ import annotations

import asyncio

import pytest

from ordertrace.errors import Unavailable
from ordertrace.web.briefly import Briefly


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    asked: list[str] = []
    begun = asyncio.Event()

    async def ask() -> str:
        asked.append("")
        await begun.wait()
        return "answer"

    answers = Briefly()
    waiting = [asyncio.create_task(answers.get("question", ask)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # goes away, and takes nothing from the others
    begun.set()
    assert await asyncio.gather(*waiting[1:]) == ["answer", "answer"]
    assert len(asked) == 1
    await answers.get("another question", ask)
    assert len(asked) == 2


async def test_a_failure_is_not_kept() -> None:
    answers, times = Briefly(), [0]

    async def ask() -> str:
        times[0] += 1
        if times[0] == 1:
            raise Unavailable("the store is away")
        return "answer"

    with pytest.raises(Unavailable):
        await answers.get("question", ask)
    assert await answers.get("question", ask) == "answer"
