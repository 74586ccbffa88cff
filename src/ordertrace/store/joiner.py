"""Puts the spans of just inserted groups on their orders. The statements are idempotent: a group may come twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..model.flow import Flow
from .store import Store


class Joiner:
    """Derives order facts from spans, with the systems and the status ranks of one flow."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store = store
        self._parameters = {
            "services": list(flow.system_of_service.keys()),
            "systems": list(flow.system_of_service.values()),
            "statuses": list(flow.ranks.keys()),
            "ranks": list(flow.ranks.values()),
        }

    async def join(self, groups: Sequence[datetime]) -> None:
        """Works the groups with these times of insertion into `order_events`; raises as `Store.execute` does."""
        parameters = {**self._parameters, "groups": list(groups)}
        await self._store.execute("join_traces", parameters)
        await self._store.execute("join_events", parameters)
        await self._store.execute("join_waiting", parameters)

    async def join_logs(self, groups: Sequence[datetime]) -> None:
        """The same for groups of log records: they name traces, and those that an operator wants to see become facts."""
        parameters = {**self._parameters, "groups": list(groups)}
        await self._store.execute("join_log_traces", parameters)
        await self._store.execute("join_log_events", parameters)
        await self._store.execute("join_waiting", parameters)
