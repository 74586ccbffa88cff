"""What is broken, since when, and who is on it: one incident a cause. All times are timezone-aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class IncidentState(StrEnum):
    """How far people are with it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class EntryKind(StrEnum):
    """What was written into an incident's history."""

    OPENED = "opened"
    REOPENED = "reopened"
    ACKNOWLEDGED = "acknowledged"
    NOTE = "note"
    RESOLVED = "resolved"  # by a person
    RECOVERED = "recovered"  # by itself: nothing was wrong any more for a while


@dataclass(frozen=True, slots=True)
class Cause:
    """What several orders may suffer from: a diagnosis kind, a system, and the facts that tell causes apart.

    `id` is a short hash of them and stays the same whenever the cause recurs.
    """

    id: str
    kind: str
    system: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trouble:
    """That one order, or one queue's messages that belong to no order, suffers from a cause.

    `subject` names it among all others of the cause; `order_id` is empty where no order is known.
    """

    subject: str
    order_id: str
    cause: Cause
    since: datetime
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """A cause in its present course. `orders` counts all that suffered from it, `affected` those that still do.

    `resolved_by` is empty where it ended by itself; `last_at` is when it last hit another order or message.
    """

    cause: Cause
    state: IncidentState
    began_at: datetime
    detected_at: datetime
    last_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    resolved_by: str = ""
    orders: int = 0
    affected: int = 0
    messages: int = 0
    times: int = 1

    @property
    def id(self) -> str:
        return self.cause.id


@dataclass(frozen=True, slots=True)
class IncidentEntry:
    """One line of an incident's history; never changed, only added. `by` is empty for what happened by itself."""

    incident_id: str
    at: datetime
    kind: EntryKind
    by: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Affected:
    """An order that suffers, or suffered, from an incident."""

    incident_id: str
    subject: str
    order_id: str
    since: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident with its history, oldest first, and the orders it affects now, at most as many as asked for."""

    incident: Incident
    entries: tuple[IncidentEntry, ...] = ()
    order_ids: tuple[str, ...] = ()
