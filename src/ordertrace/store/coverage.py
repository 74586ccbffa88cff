"""What recent telemetry holds, by service: rows ↔ values. What follows from it is said by `orders.coverage`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from .store import Row, Store

_WINDOWS = (timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))
_ENOUGH_SPANS = 20_000  # to speak for a window
_SAMPLE_SPANS = 10_000  # of each service, about


@dataclass(frozen=True, slots=True)
class ServiceRows:
    """Rows by service over `window`: `received` (spans, last inserted), `spans` and `logs` as the statements say; `messages`
    by system.
    """

    window: timedelta
    received: Mapping[str, tuple[int, datetime]]
    spans: Mapping[str, Row]
    logs: Mapping[str, int]
    messages: Mapping[str, tuple[int, int, int, int]]


class CoverageStore:
    """Counts over the shortest window that holds enough, and of much telemetry over a sample of its traces."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, now: datetime) -> ServiceRows:
        """What came in lately. Raises as `Store.query` does."""
        window, received = _WINDOWS[-1], {}
        for window in _WINDOWS:
            rows = await self._store.query("recent_services", {"since": now - window})
            received = {row[0]: (row[1], row[2]) for row in rows}
            if sum(count for count, _ in received.values()) >= _ENOUGH_SPANS:
                break
        since = {"since": now - window}
        every = {service: max(1, count // _SAMPLE_SPANS) for service, (count, _) in received.items()}
        sample = since | {"services": list(every), "every": list(every.values())}
        spans = await self._store.query("span_coverage", sample) if every else ()
        logs = await self._store.query("log_coverage", since)
        messages = await self._store.query("message_coverage", since)
        return ServiceRows(
            window,
            received,
            {row[0]: row[1:] for row in spans},
            {row[0]: row[1] for row in logs},
            {row[0]: (row[1], row[2], row[3], row[4]) for row in messages},
        )
