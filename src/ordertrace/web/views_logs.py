"""The log records on the order page: what was logged about the order, the latest last. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.log import LogPage, LogRecord
from .viewer import SystemMark, Viewer

_SERIOUS, _WARNING = 17, 13  # OpenTelemetry's numbers of ERROR and WARN
_BODY_CHARACTERS_MAX = 600
_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@dataclass(frozen=True, slots=True)
class LogRow:
    """One record; `tone` is bad, soon or empty. `key` tells it from others while the page refreshes itself."""

    key: str
    clock: str
    title: str
    system: SystemMark
    level: str
    tone: str
    body: str
    logger: str
    stack: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class LogsView:
    """The latest records; `more` where there are earlier ones that are not shown."""

    rows: tuple[LogRow, ...]
    more: bool


def build_logs_view(page: LogPage, viewer: Viewer) -> LogsView:
    """The section for one reader."""
    return LogsView(tuple(_row(record, viewer) for record in page.records), page.next_cursor is not None)


def _row(record: LogRecord, viewer: Viewer) -> LogRow:
    level = record.severity_text or (_LEVELS[min(record.severity - 1, 23) // 4] if record.severity else "")
    body = record.body or record.event_name or record.attributes.get("exception.message", "")
    return LogRow(
        key=f"{record.at.timestamp():.6f}-{record.span_id}-{len(record.body)}",
        clock=viewer.clock(record.at) + record.at.astimezone(viewer.zone).strftime(".%f")[:4],
        title=viewer.exact(record.at),
        system=viewer.mark(record.system),
        level=level,
        tone="bad" if record.severity >= _SERIOUS else "soon" if record.severity >= _WARNING else "",
        body=body if len(body) <= _BODY_CHARACTERS_MAX else f"{body[:_BODY_CHARACTERS_MAX]}…",
        logger=record.logger,
        stack=record.attributes.get("exception.stacktrace", ""),
        trace_id=record.trace_id,
    )
