"""How far the passing on of telemetry to another backend is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ForwardingState:
    """Since the start. `queued_groups` wait, the oldest since `queued_since`; `sent` spans and log records were taken over there,
    `rejected` were not, though their request was; `dropped_groups` by reason: `refused`, `queue`, `age`, `disk`.

    `failing_since` is there while nothing gets through; `last_error` stays when it does again.
    """

    target: str
    queued_groups: int
    queued_since: datetime | None = None
    sent: int = 0
    rejected: int = 0
    dropped_groups: dict[str, int] = field(default_factory=dict)
    last_sent_at: datetime | None = None
    failing_since: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
