"""`/api/v1/orders/{id}/logs`: the log records that belong to an order."""

# Annotations are values here, not strings: FastAPI reads them.
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ..model import log as log_model
from ..store.logs import LogStore
from .orders import Name
from .problems import problem_responses, refuse_parameters

_NAME_LENGTH_MAX = 200
_NAME_PATTERN = r"^[^\x00-\x1f\x7f]*$"
Severity = Literal["trace", "debug", "info", "warn", "error", "fatal"]
_LOWEST: dict[str, int] = {"": 0, "trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}


class LogQuery(BaseModel):
    """Which records; an empty parameter does not restrict."""

    model_config = ConfigDict(extra="forbid")

    severity: Annotated[Severity | Literal[""], Field(description="Of at least this severity")] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[Name, Field(description="`next` of the page before")] = ""


class LogRecord(BaseModel):
    """One log record, after privacy rules; attribute values are texts, `types` names those that were none."""

    at: datetime
    system: str
    severity: Severity | Literal[""]
    severity_text: str
    body: str
    logger: str
    event_name: str
    trace_id: str
    span_id: str
    joined_by: str
    attributes: dict[str, str]
    types: dict[str, str]


class LogList(BaseModel):
    """One page of log records, earliest first."""

    logs: list[LogRecord]
    next: str | None


def build_logs(logs: LogStore) -> APIRouter:
    """The route about log records."""
    router = APIRouter(prefix="/api/v1", tags=["orders"])

    @router.get("/orders/{id}/logs", responses=problem_responses(400, 404, 503), summary="The log records of one order")
    async def list_logs(
        request: Request,
        order_id: Annotated[str, Path(alias="id", min_length=1, max_length=_NAME_LENGTH_MAX, pattern=_NAME_PATTERN)],
        query: Annotated[LogQuery, Query()],
    ) -> LogList:
        refuse_parameters(request, repeated_only=True)
        page = await logs.find_logs(order_id, query.limit, query.cursor, _LOWEST[query.severity])
        return LogList(logs=[_to_record(record) for record in page.records], next=page.next_cursor)

    return router


def severity_word(severity: int) -> Severity | Literal[""]:
    """The word for a number of OpenTelemetry's; empty where there is none."""
    words: tuple[Severity, ...] = ("trace", "debug", "info", "warn", "error", "fatal")
    return words[min(severity - 1, 23) // 4] if severity > 0 else ""


def _to_record(record: log_model.LogRecord) -> LogRecord:
    return LogRecord(
        at=record.at,
        system=record.system,
        severity=severity_word(record.severity),
        severity_text=record.severity_text,
        body=record.body,
        logger=record.logger,
        event_name=record.event_name,
        trace_id=record.trace_id,
        span_id=record.span_id,
        joined_by=record.joined_by.value,
        attributes=dict(record.attributes),
        types=dict(record.types),
    )
