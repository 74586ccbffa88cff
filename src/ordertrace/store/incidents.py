"""Reading and writing incidents: rows ↔ model. Judges nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from ..model.incident import Affected, Cause, EntryKind, Incident, IncidentEntry, IncidentState, IncidentView
from .store import Row, Store

_INCIDENTS_MAX = 1_000
_ENTRIES_MAX = 200
_SUBJECTS_MAX = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_INCIDENT = (
    "id", "kind", "system", "facts", "state", "began_at", "detected_at", "last_at", "acknowledged_at",
    "acknowledged_by", "resolved_at", "resolved_by", "orders", "affected", "messages", "times", "inserted_at",
)  # fmt: skip
_SUBJECT = ("incident_id", "subject", "order_id", "since", "ended_at", "inserted_at")
_ENTRY = ("incident_id", "at", "kind", "by", "text")


class IncidentStore:
    """Incidents in the store; every method raises as `Store.query` does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, since: datetime, limit: int = _INCIDENTS_MAX) -> list[Incident]:
        """All that are not resolved, and those resolved at `since` or later; open ones first, then the newest."""
        rows = await self._store.query("incidents", {"id": "", "since": since, "limit": limit})
        return [_incident(row) for row in rows]

    async def get(self, incident_id: str) -> Incident | None:
        """One incident, however long ago it ended."""
        rows = await self._store.query("incidents", {"id": incident_id, "since": _EPOCH, "limit": 1})
        return _incident(rows[0]) if rows else None

    async def views(self, incidents: Sequence[Incident], orders_max: int) -> list[IncidentView]:
        """These incidents with their histories and up to `orders_max` of the orders that they affect now."""
        ids = [incident.id for incident in incidents]
        if not ids:
            return []
        histories, orders = defaultdict(list), defaultdict(list)
        for row in await self._store.query("incident_entries", {"ids": ids, "limit": _ENTRIES_MAX}):
            histories[row[0]].append(IncidentEntry(row[0], row[1], EntryKind(row[2]), row[3], row[4]))
        for one in await self.affected(ids, orders_max):
            if one.order_id:
                orders[one.incident_id].append(one.order_id)
        return [IncidentView(one, tuple(histories[one.id]), tuple(orders[one.id])) for one in incidents]

    async def affected(self, incident_ids: Sequence[str], limit: int = _SUBJECTS_MAX) -> list[Affected]:
        """Who suffers from these incidents now, at most `limit` each."""
        rows = await self._store.query("incident_subjects", {"ids": list(incident_ids), "limit": limit})
        return [Affected(*row) for row in rows]

    async def of_order(self, order_id: str) -> list[Incident]:
        """The incidents that an order suffers from now."""
        rows = await self._store.query("incidents_of_order", {"order_id": order_id})
        found = [await self.get(row[0]) for row in rows[:5]]
        return [incident for incident in found if incident is not None]

    async def save(self, incidents: Sequence[Incident], affected: Sequence[Affected], now: datetime) -> None:
        """Puts these in force, in place of earlier ones with the same ids."""
        if affected:
            rows = [(a.incident_id, a.subject, a.order_id, a.since, a.ended_at, now) for a in affected]
            await self._store.insert("incident_subjects", _SUBJECT, rows)
        if incidents:
            await self._store.insert("incidents", _INCIDENT, [_row(incident, now) for incident in incidents])

    async def append(self, entries: Sequence[IncidentEntry]) -> None:
        """Adds lines to histories."""
        if entries:
            rows = [(e.incident_id, e.at, e.kind.value, e.by, e.text) for e in entries]
            await self._store.insert("incident_entries", _ENTRY, rows)


def _incident(row: Row) -> Incident:
    incident_id, kind, system, facts, state, began, detected, last, *rest = row
    cause = Cause(incident_id, kind, system, dict(facts))
    return Incident(cause, IncidentState(state), began, detected, last, *rest)


def _row(incident: Incident, now: datetime) -> Row:
    cause = incident.cause
    return (
        cause.id,
        cause.kind,
        cause.system,
        dict(cause.facts),
        incident.state.value,
        incident.began_at,
        incident.detected_at,
        incident.last_at,
        incident.acknowledged_at,
        incident.acknowledged_by,
        incident.resolved_at,
        incident.resolved_by,
        incident.orders,
        incident.affected,
        incident.messages,
        incident.times,
        now,
    )
