"""A log record that belongs to an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .order import JoinedBy


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record, after privacy rules. `severity` is a number of OpenTelemetry's, 0 where the sender gave none.

    Attribute values are texts; `types` names the kind of those that were none (int, bool, double, bytes, array, map).
    """

    at: datetime
    system: str
    severity: int
    severity_text: str
    body: str
    logger: str
    event_name: str
    trace_id: str
    span_id: str
    joined_by: JoinedBy
    attributes: Mapping[str, str]
    types: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Records in order of time, and the cursor of the next page."""

    records: tuple[LogRecord, ...]
    next_cursor: str | None
