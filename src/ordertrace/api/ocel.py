"""`/api/v1/export/ocel`: an object-centric event log in OCEL 2.0's JSON, page by page. Each page is a log of its own."""

# Annotations are values here, not strings: FastAPI reads them.
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ..analysis.exporting import Exporter
from .analysis import PeriodQuery
from .orders import Name
from .problems import problem_responses, refuse_parameters


class _Model(BaseModel):
    """Names as the standard writes them."""

    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)


class AttributeType(_Model):
    """A named attribute of a type."""

    name: str
    type: str


class Type(_Model):
    """A type of objects or events."""

    name: str
    attributes: list[AttributeType]


class Relationship(_Model):
    """To an object."""

    object_id: str
    qualifier: str


class ObjectAttribute(_Model):
    """A value from a time on."""

    name: str
    time: datetime
    value: str | float


class EventAttribute(_Model):
    """A value of an event."""

    name: str
    value: str | float


class Object(_Model):
    """An order, message, trace, system or queue."""

    id: str
    type: str
    attributes: list[ObjectAttribute]
    relationships: list[Relationship]


class Event(_Model):
    """Something that happened."""

    id: str
    type: str
    time: datetime
    attributes: list[EventAttribute]
    relationships: list[Relationship]


class EventLog(_Model):
    """OCEL 2.0."""

    object_types: list[Type]
    event_types: list[Type]
    objects: list[Object]
    events: list[Event]


class ExportQuery(PeriodQuery):
    """Which orders, and how many a page."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    cursor: Annotated[
        Name, Field(description="The order id behind which the page begins; the header X-Next has it")
    ] = ""


def build_exports(exporter: Exporter) -> APIRouter:
    """The routes of exports."""
    router = APIRouter(prefix="/api/v1", tags=["export"])

    @router.get(
        "/export/ocel",
        responses={
            **problem_responses(400, 503),
            200: {
                "description": "One page, a valid log by itself",
                "headers": {
                    "X-Next": {"description": "Cursor of the next page, percent-encoded", "schema": {"type": "string"}}
                },
            },
        },
        summary="Orders, messages, traces, systems and queues with their events (OCEL 2.0)",
    )
    async def export_ocel(request: Request, response: Response, query: Annotated[ExportQuery, Query()]) -> EventLog:
        refuse_parameters(request, repeated_only=True)
        log, following = await exporter.get_event_log(query.to_period(), query.cursor, query.limit, datetime.now(UTC))
        if following is not None:
            response.headers["X-Next"] = quote(following, safe="")
        return EventLog.model_validate(log)

    return router
