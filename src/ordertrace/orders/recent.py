"""Answers that may be a moment old: asked for once, however many people look. Knows nothing of what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Recent(Generic[Answer]):
    """The last answers by what was asked, each until `age_max` has passed; beyond `answers_max` the oldest go first.

    Who asks while an answer is under way waits for that one. A failure goes to all who wait for it and is not kept.
    With `late_max` nobody waits for a newer answer before the last one is so old: it is asked for, and given from then on.
    """

    def __init__(self, age_max: timedelta, answers_max: int = 1, late_max: timedelta | None = None) -> None:
        self._age_max = age_max
        self._late_max = late_max or age_max
        self._answers_max = answers_max
        self._kept: dict[Hashable, tuple[datetime, asyncio.Future[Answer]]] = {}
        self._renewed: dict[Hashable, asyncio.Future[Answer]] = {}

    async def get(self, asked: Hashable, now: datetime, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer as of `now` or little before. Raises what `ask` raises."""
        at, answer = self._kept.get(asked, (now, None))
        if answer is None or _failed(answer) or abs(now - at) >= self._late_max:
            self._kept.pop(asked, None)
            while len(self._kept) >= self._answers_max:
                del self._kept[next(iter(self._kept))]
            answer = asyncio.ensure_future(ask())
            self._kept[asked] = now, answer
        elif answer.done() and abs(now - at) >= self._age_max and asked not in self._renewed:
            self._renewed[asked] = newer = asyncio.ensure_future(ask())
            newer.add_done_callback(lambda _: self._renew(asked, now, newer))
        return await asyncio.shield(answer)  # who goes away does not take it from the others

    def _renew(self, asked: Hashable, now: datetime, newer: asyncio.Future[Answer]) -> None:
        del self._renewed[asked]
        if not _failed(newer) and asked in self._kept:
            self._kept[asked] = now, newer


def _failed(answer: asyncio.Future[Answer]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
