"""Up to which moment is telemetry complete? Agents send in batches, so the newest seconds are still under way.

Keeps, for each system, when it was last heard and how late its spans have lately been. Deadlines are judged at
`complete_until(now)`: no order is called late for a span that is merely on its way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

_HALF_LIFE = timedelta(minutes=2)


@dataclass(slots=True)
class _Heard:
    at: datetime
    lag_seconds: float


class EventClock:
    """The reporting lag of all systems; never more than `lag_max`."""

    def __init__(self, lag_max: timedelta) -> None:
        self._lag_max = lag_max.total_seconds()
        self._heard: dict[str, _Heard] = {}

    def hear(self, system: str, at: datetime, lag_seconds: float) -> None:
        """Notes that spans of `system` came at `at`, the latest of them `lag_seconds` after it had ended.

        A longer lag counts at once, a shorter one gradually.
        """
        lag = min(max(lag_seconds, 0.0), self._lag_max)
        before = self._heard.get(system)
        if before is None:
            self._heard[system] = _Heard(at, lag)
        else:
            faded = before.lag_seconds * 0.5 ** (
                max(0.0, (at - before.at).total_seconds()) / _HALF_LIFE.total_seconds()
            )
            self._heard[system] = _Heard(max(at, before.at), max(lag, faded))

    def complete_until(self, now: datetime) -> datetime:
        """The moment up to which all systems are believed to have reported."""
        return now - timedelta(seconds=max((heard.lag_seconds for heard in self._heard.values()), default=0.0))

    def last_heard(self, system: str) -> datetime | None:
        heard = self._heard.get(system)
        return heard.at if heard else None

    def heard(self) -> dict[str, datetime]:
        """When each system was last heard."""
        return {system: heard.at for system, heard in self._heard.items()}

    def lag_seconds(self, system: str) -> float | None:
        heard = self._heard.get(system)
        return heard.lag_seconds if heard else None

    def systems(self) -> Iterable[str]:
        return self._heard.keys()
