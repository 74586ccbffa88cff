"""`POST /api/v1/firehose`: recorded trace messages of a broker, one JSON object a line."""

# Annotations are values here, not strings: FastAPI reads them, and some name a local function.
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ..errors import TooLarge
from ..settings import Settings
from .orders import Name
from .problems import problem_responses, refuse_parameters


class Counts(Protocol):
    """How many lines were worked in, and how many are about no message."""

    @property
    def taken(self) -> int: ...

    @property
    def passed_over(self) -> int: ...


TakeRecorded = Callable[[bytes, str], Awaitable[Counts]]


class FirehoseQuery(BaseModel):
    """Whose recording it is."""

    model_config = ConfigDict(extra="forbid")

    broker: Annotated[Name, Field(description="Its name in the settings; without it the first one")] = ""


class FirehoseTaken(BaseModel):
    """What became of the lines; those that were taken are stored."""

    taken: int
    passed_over: int


def build_firehose(settings: Settings, take: TakeRecorded) -> APIRouter:
    """The route for recordings of brokers; `take` works lines in, by the name of the broker in the settings."""
    router = APIRouter(prefix="/api/v1", tags=["messages"])
    size_max = settings.listen.request_bytes_max

    @router.post(
        "/firehose",
        responses=problem_responses(400, 404, 413, 503),
        summary="Recorded trace messages of a broker (amq.rabbitmq.trace), one JSON object a line",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/x-ndjson": {
                        "schema": {
                            "type": "string",
                            "description": "Objects with seen_unix_nano, routing_key, headers and body_base64",
                        }
                    }
                },
            }
        },
    )
    async def take_firehose(request: Request, query: Annotated[FirehoseQuery, Query()]) -> FirehoseTaken:
        refuse_parameters(request, repeated_only=True)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > size_max:
                raise TooLarge(f"the request has more than {size_max} bytes; send fewer lines at a time")
        done = await take(bytes(body), query.broker)
        return FirehoseTaken(taken=done.taken, passed_over=done.passed_over)

    return router
