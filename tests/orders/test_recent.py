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


async def test_nobody_waits_for_a_newer_answer_before_the_last_one_is_too_old() -> None:
    recent, asked = Recent[int](timedelta(seconds=1), late_max=timedelta(seconds=5)), Asked()
    assert await recent.get("skews", NOW, asked) == 1
    asked.ready.clear()
    async with asyncio.timeout(20):
        assert [await recent.get("skews", NOW + timedelta(seconds=2), asked) for _ in range(2)] == [1, 1]
        asked.ready.set()
        while await recent.get("skews", NOW + timedelta(seconds=2), asked) != 2:  # noqa: ASYNC110 - it is given some turns later
            await asyncio.sleep(0)
        assert asked.times == 2
        assert await recent.get("skews", NOW + timedelta(seconds=7), asked) == 3


async def test_an_answer_outlives_failures_to_renew_it() -> None:
    recent, asked = Recent[int](timedelta(seconds=1), late_max=timedelta(seconds=5)), Asked()
    assert await recent.get("skews", NOW, asked) == 1

    async def fail() -> int:
        raise OSError("the store is away")

    assert await recent.get("skews", NOW + timedelta(seconds=2), fail) == 1
    await asyncio.sleep(0)
    assert await recent.get("skews", NOW + timedelta(seconds=3), fail) == 1
    with pytest.raises(OSError, match="away"):
        await recent.get("skews", NOW + timedelta(seconds=6), fail)
