"""Answers of the store that several people's pages share: kept for a second, asked once however many look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

KEPT_SECONDS = 1.0
_ANSWERS_MAX = 64
T = TypeVar("T")


class Briefly:
    """Answers by question; the oldest make room for new ones."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def get(self, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, at most a second old. Raises as `ask` does; that is not kept."""
        at, task = self._answers.get(question, (0.0, None))
        if task is None or time.monotonic() - at > KEPT_SECONDS or (task.done() and task.exception()):
            self._answers.pop(question, None)
            while len(self._answers) >= _ANSWERS_MAX:
                self._answers.pop(next(iter(self._answers)))
            task = asyncio.ensure_future(_awaited(ask))
            self._answers[question] = time.monotonic(), task
        answer: T = await asyncio.shield(task)  # who goes away does not take the answer from the others
        return answer


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
