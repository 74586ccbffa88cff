"""Whether somebody wants what comes in: then groups close soon, else small ones wait longer, since few groups cost less.

Whoever reads says so first and finds all that was acknowledged more than a moment ago, as if every group closed soon.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
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

    def serve(
        self, opened: Callable[[], float | None], flush: Callable[[], Awaitable[None]], wake: Callable[[], None]
    ) -> None:
        """`opened` says when the oldest group was opened (monotonic) that waits for nothing but its age, `wake` makes the
        intake ask for ages again."""
        self._opened, self._flush, self._wake = opened, flush, wake

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

    async def catch_up(self) -> None:
        """Returns once what was acknowledged more than a moment ago is stored and joined; under trouble earlier."""
        now = time.monotonic()
        if self._catching_up is None or self._catching_up.done():
            opened = self._opened()
            if opened is None or now - opened <= self._soon:
                return
            self._catching_up, self._began = asyncio.ensure_future(self._flush()), now
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._began + _CATCH_UP_SECONDS - now)):
                await asyncio.shield(self._catching_up)


async def _nothing() -> None:
    """Before there is an intake nothing waits."""
