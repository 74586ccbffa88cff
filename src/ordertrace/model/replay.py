"""How far history is worked through again after a change of rules or of the flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

Counts = Mapping[str, int]
"""Rows by the table that they are in."""


class ReplayPhase(StrEnum):
    """What is being done: order ids and statuses found anew in stored rows, facts made beside those in force, put in force."""

    COLUMNS = "columns"
    FACTS = "facts"
    SWITCHING = "switching"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Replay:
    """One working through of what came before `until`; `id` is when it began.

    `prints` are digests of what determines the derived rows, by the part of the settings; `reasons` the parts that differ from
    those of the rows in force. `day`, `source`, `place` and `key` tell up to where everything is done; what came after `until`
    is done up to `arrived`. `done` and `total` count rows by table.
    """

    id: datetime
    phase: ReplayPhase
    prints: Mapping[str, str]
    reasons: tuple[str, ...]
    until: datetime
    day: date
    source: str
    place: str
    key: str
    stamp: datetime
    arrived: datetime
    done: Counts
    total: Counts
    finished_at: datetime | None = None

    @property
    def runs(self) -> bool:
        """Whether it is still under way."""
        return self.phase is not ReplayPhase.DONE

    @property
    def share(self) -> float:
        """How much of it is done, 0…1."""
        total = sum(self.total.values())
        if self.phase is ReplayPhase.DONE:
            return 1.0
        return min(sum(self.done.values()) / total, 1.0) if total else 0.0
