"""`/api/v1/messages`: checks the question, asks the store, words the answer."""

# Annotations are values here, not strings: FastAPI reads them, and some name a local function.
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ..errors import Forbidden, NotFound
from ..listening import is_cross_site
from ..model.flow import Flow
from ..model.message import MessageFilter
from ..orders.resending import NAME_MAX, Resending
from ..settings import Settings
from ..store.messages import MessageStore
from .message_models import FailedGroups, MessageDetail, MessageList, Republication, State, Verdict, Wording
from .orders import Moment, Name
from .problems import problem_responses, refuse_parameters
from .wording import NO_CONTROL, wording_for


class MessageQuery(BaseModel):
    """Which messages; an empty parameter does not restrict."""

    model_config = ConfigDict(extra="forbid")

    state: State | Literal[""] = ""
    verdict: Verdict | Literal[""] = ""
    queue: Annotated[str, Field(max_length=255, pattern=NO_CONTROL)] = ""
    order: Annotated[Name, Field(description="The whole id of an order")] = ""
    broker: Name = ""
    since: Annotated[
        Moment | None,
        Field(description="Published then or later; without it the last hour, or 30 days with a verdict or an order"),
    ] = None
    cleared: Annotated[bool, Field(description="Also messages whose verdict holds no longer")] = False
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[Name, Field(description="`next` of the page before")] = ""


class Republish(BaseModel):
    """Who has a message sent again, and from which queue it was lost, where that are several."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[str, Field(min_length=1, max_length=NAME_MAX, pattern=NO_CONTROL)]
    queue: Annotated[str, Field(max_length=255, pattern=NO_CONTROL)] | None = None


def _from_here(request: Request) -> None:
    """Refuses what a page of another site sends."""
    refuse_parameters(request)
    if is_cross_site(request.headers):
        raise Forbidden("this was sent by a page of another site")


_Id = Annotated[str, Path(alias="id", min_length=1, max_length=1000, pattern=NO_CONTROL)]


def build_messages(
    flow: Flow, settings: Settings, messages: MessageStore | None, resending: Resending | None = None
) -> APIRouter:
    """The routes about messages; without a watched broker there are none."""
    router = APIRouter(prefix="/api/v1")

    wording = Annotated[Wording, Depends(wording_for(flow, settings))]

    @router.get("/messages", responses=problem_responses(400, 503), tags=["messages"], summary="Messages, newest first")
    async def list_messages(request: Request, query: Annotated[MessageQuery, Query()], say: wording) -> MessageList:
        refuse_parameters(request, repeated_only=True)
        if messages is None:
            return MessageList(messages=[], next=None)
        page = await messages.find_messages(MessageFilter(**query.model_dump()), say.now)
        return MessageList(messages=[say.to_message(life) for life in page.messages], next=page.next_cursor)

    @router.get(
        "/failed-messages",
        responses=problem_responses(400, 503),
        tags=["messages"],
        summary="Failed messages by queue, verdict, routing key and exception",
    )
    async def list_failed(request: Request, say: wording) -> FailedGroups:
        refuse_parameters(request)
        found = await messages.failed_groups_by_error(say.now) if messages else ()
        return FailedGroups(groups=[say.to_group(group) for group in found])

    @router.get(
        "/messages/{id:path}",
        responses=problem_responses(400, 404, 503),
        tags=["messages"],
        summary="One message's life",
    )
    async def get_message(request: Request, message: _Id, say: wording) -> MessageDetail:
        refuse_parameters(request)
        if messages is None:
            raise NotFound(f"message {message[:80]!r}: no broker is watched, see [[broker]] in the settings")
        lives = await messages.get_message(message)
        republications = await resending.history(lives) if resending else ()
        return say.to_detail(lives, await messages.steps(lives[0].key), republications)

    @router.post(
        "/messages/{id:path}/republish",
        responses=problem_responses(400, 403, 404, 503),
        dependencies=[Depends(_from_here)],
        tags=["messages"],
        summary="Have a lost message sent again",
        description="Off by default, and for this machine alone. What came of it is in the answer and stays on record.",
    )
    async def republish(request: Request, message: _Id, asked: Republish, say: wording) -> Republication:
        if resending is None:
            raise NotFound(f"message {message[:80]!r}: no broker is watched, see [[broker]] in the settings")
        client = request.client.host if request.client else None
        return say.to_republication(await resending.send(message, asked.queue, asked.by, client))

    return router
