"""The ways that orders went, kept as one row an order and made again when something new came in about it.

They are made when somebody asks, not while telemetry comes in: a look costs what has changed since the last one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ..model.flow import Flow
from ..model.order import OrderFilter
from .cursor import offset_of
from .orders import OrderStore
from .store import Row, Store

_BATCH = 25_000
_BATCHES_A_LOOK = 5
_OVERLAP = timedelta(seconds=60)  # a group is seen a little after the moment that it is stamped with
_FRESH = timedelta(seconds=2)
_SKEW_STEP_SECONDS = 2.0  # corrections that changed by less are not worth making all paths again
_EPOCH = datetime.fromtimestamp(0, UTC)


class PathStore:
    """Paths of one flow's orders, and statements over them."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store = store
        self._flow = flow
        self._orders = OrderStore(store, flow)
        self._lock = asyncio.Lock()
        self._skews: Mapping[str, float] = {}
        self._basis: int | None = None
        self._made = _EPOCH
        self._looked_at: datetime | None = None
        self._behind = 0

    async def bring_up_to_date(self, skews: Mapping[str, float], now: datetime) -> int:
        """Makes the paths of orders with news, by `skews` (seconds ahead, by system). How many orders still wait.

        Bounded: what does not fit into one look is left to the next one.
        """
        async with self._lock:
            if self._looked_at is None or not timedelta() <= now - self._looked_at < _FRESH:
                await self._choose_basis(skews)
                self._behind = await self._make(now)
                self._looked_at = now
            return self._behind

    async def query(self, name: str, parameters: Mapping[str, object], now: datetime) -> Sequence[Row]:
        """Rows of a statement over `order_ways`; `parameters` are those it has beside the common ones."""
        first = self._flow.steps[0].status if self._flow.steps else ""
        return await self._store.query(name, self._orders.states(now) | {"first": first} | dict(parameters))

    async def find_ids(
        self, variant: str, query: OrderFilter, parameters: Mapping[str, object], now: datetime
    ) -> tuple[list[str], tuple[str, ...], str | None]:
        """One page of the orders that went one way: ids, the way, cursor of the next page. Raises Invalid for a foreign
        cursor."""
        offset = offset_of(query.cursor)
        states = [query.state] if query.state else []
        wanted = {"variant": variant, "states": states, "limit": query.limit + 1, "offset": offset}
        rows = await self.query("variant_orders", dict(parameters) | wanted, now)
        ids = [row[0] for row in rows[: query.limit]]
        path = tuple(rows[0][1]) if rows else ()
        return ids, path, str(offset + query.limit) if len(rows) > query.limit else None

    async def _choose_basis(self, skews: Mapping[str, float]) -> None:
        """Paths depend on the flow and on corrected clocks; a real change of either begins anew."""
        moved = skews.keys() != self._skews.keys() or any(
            abs(seconds - self._skews[name]) > _SKEW_STEP_SECONDS for name, seconds in skews.items()
        )
        if self._basis is not None and not moved:
            return
        self._skews = dict(skews)
        said = repr(
            (
                [(step.status, step.system, self._flow.rank(step.status)) for step in self._flow.steps],
                sorted((name, round(seconds / _SKEW_STEP_SECONDS)) for name, seconds in skews.items()),
            )
        )
        self._basis = int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big")
        rows = await self._store.query("paths_made", {"basis": self._basis})
        self._made = rows[0][0] if rows else _EPOCH

    async def _make(self, now: datetime) -> int:
        since = max(_EPOCH, self._made - _OVERLAP)
        flow, known = self._flow, self._flow.ranks
        owners = {step.status: step.system for step in flow.steps}
        parameters: dict[str, object] = {
            "statuses": list(known),
            "owners": [owners.get(status, "") for status in known],
            "ranks": list(known.values()),
            "skewed": list(self._skews),
            "skews": [int(seconds * 1e9) for seconds in self._skews.values()],
            "basis": self._basis,
            "stamp": now,
        }
        waiting = 0
        for _ in range(_BATCHES_A_LOOK):
            ((until, waiting),) = await self._store.query("paths_due", {"since": since, "batch": _BATCH})
            if not waiting:
                break
            await self._store.execute("make_paths", parameters | {"since": since, "until": until})
            self._made = since = until
        return max(0, waiting - _BATCH)
