"""Whether somebody wants what comes in: then groups close soon, else small ones wait longer, since few groups cost less.

Whoever reads says so first and finds all that was acknowledged more than a moment ago, as if every group closed soon.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from ..settings.sections import JournalSettings

_LOOKING_SECONDS = 10.0  # who has looked will look again
_CATCH_UP_SECONDS = 1.5  # a reader does not wait longer, whatever is the matter
_SMALL_BYTES_MAX = 8 * 1024 * 1024  # under more load waiting saves nothing


class Demand:
    """Told of looks by readers, asked by the intake. `shortest` is the shortest time after which something may be amiss."""

    def __init__(self, journal: JournalSettings, shortest: timedelta = timedelta.max) -> None:
        self._soon = journal.group_age_max.total_seconds()
        late = min(journal.group_age_unseen_max, shortest / 2).total_seconds()
        self._late = max(self._soon, late)
        self._crowded_bytes = journal.queued_bytes_max // 4
        self._looked_until = -math.inf
        self._catching_up: asyncio.Future[None] | None = None
        self._began = 0.0
        self._opened: Callable[[], float | None] = lambda: None
        self._flush: Callable[[], Awaitable[None]] = _nothing
        self._wake: Callable[[], None] = lambda: None
        self._mentions: Callable[[Sequence[bytes]], Awaitable[bool]] = _no_words

    def serve(
        self,
        opened: Callable[[], float | None],
        flush: Callable[[], Awaitable[None]],
        wake: Callable[[], None],
        mentions: Callable[[Sequence[bytes]], Awaitable[bool]],
    ) -> None:
        """`opened` says when the oldest group was opened (monotonic) that waits for nothing but its age, `wake` makes the
        intake ask for ages again, `mentions` tells whether a request in such a group may hold any of these words."""
        self._opened, self._flush, self._wake, self._mentions = opened, flush, wake, mentions

    def age_max(self, size: int, queued_bytes: int) -> float:
        """How old a group of this size may become now, in seconds."""
        in_haste = (
            time.monotonic() < self._looked_until or size > _SMALL_BYTES_MAX or queued_bytes > self._crowded_bytes
        )
        return self._soon if in_haste else self._late

    async def look(self) -> None:
        """Somebody reads now, and probably again: returns as `catch_up` does."""
        self._looked_until = time.monotonic() + _LOOKING_SECONDS
        self._wake()
        await self.catch_up()

    async def catch_up(self, words: Sequence[bytes] | None = None) -> bool:
        """Returns once what was acknowledged more than a moment ago is stored and joined; under trouble earlier.

        With words only if there is anything that holds one of them. Tells whether there was something to wait for.
        """
        if not self._is_catching_up() and (
            not self._is_late() or (words is not None and not await self._mentions(words))
        ):
            return False
        now = time.monotonic()
        if self._catching_up is None or not self._is_catching_up():
            self._catching_up, self._began = asyncio.ensure_future(self._flush()), now
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._began + _CATCH_UP_SECONDS - now)):
                await asyncio.shield(self._catching_up)
        return True

    def _is_catching_up(self) -> bool:
        return self._catching_up is not None and not self._catching_up.done()

    def _is_late(self) -> bool:
        """Whether something waits for its age only that would be stored by now, had anybody looked."""
        opened = self._opened()
        return opened is not None and time.monotonic() - opened > self._soon


async def _nothing() -> None:
    """Before there is an intake nothing waits."""


async def _no_words(words: Sequence[bytes]) -> bool:
    """Nor speaks of anything."""
    return False
