"""Answers that may be a moment old: asked for once, again when they are old, and failures not kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ordertrace.orders.recent import Recent

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Asked:
    """Counts how often it was asked; answers when `ready`."""

    def __init__(self, ready: bool = True) -> None:
        self.times = 0
        self.ready = asyncio.Event()
        if ready:
            self.ready.set()

    async def __call__(self) -> int:
        self.times += 1
        await self.ready.wait()
        return self.times


async def test_asked_again_only_when_old() -> None:
    recent, asked = Recent[int](timedelta(seconds=1)), Asked()
    answers = [await recent.get("board", NOW + timedelta(milliseconds=ms), asked) for ms in (0, 999, 1000, 1500)]
    assert answers == [1, 1, 2, 2]


async def test_who_asks_meanwhile_waits_for_the_same_answer() -> None:
    recent, asked = Recent[int](timedelta(seconds=1)), Asked(ready=False)
    waiting = [asyncio.ensure_future(recent.get("board", NOW, asked)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    asked.ready.set()
    assert await asyncio.gather(*waiting[1:]) == [1, 1]
    assert asked.times == 1


async def test_a_failure_is_not_kept() -> None:
    recent, asked = Recent[int](timedelta(seconds=1)), Asked()

    async def fail() -> int:
        raise OSError("the store is away")

    with pytest.raises(OSError, match="away"):
        await recent.get("board", NOW, fail)
    assert await recent.get("board", NOW, asked) == 1


async def test_the_oldest_answers_go_first() -> None:
    recent, asked = Recent[int](timedelta(seconds=1), answers_max=2), Asked()
    for question in ("a", "b", "c", "b", "c"):
        await recent.get(question, NOW, asked)
    assert asked.times == 3
    assert await recent.get("a", NOW, asked) == 4
