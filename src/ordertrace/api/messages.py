"""`/api/v1/messages`: checks the question, asks the store, words the answer."""

# Annotations are values here, not strings: FastAPI reads them, and some name a local function.
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ..errors import NotFound
from ..model.flow import Flow
from ..model.message import MessageFilter
from ..settings import Settings
from ..store.messages import MessageStore
from .message_models import MessageDetail, MessageList, State, Verdict, Wording
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


def build_messages(flow: Flow, settings: Settings, messages: MessageStore | None) -> APIRouter:
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
        "/messages/{id:path}",
        responses=problem_responses(400, 404, 503),
        tags=["messages"],
        summary="One message's life",
    )
    async def get_message(
        request: Request,
        message: Annotated[str, Path(alias="id", min_length=1, max_length=1000, pattern=NO_CONTROL)],
        say: wording,
    ) -> MessageDetail:
        refuse_parameters(request)
        if messages is None:
            raise NotFound(f"message {message[:80]!r}: no broker is watched, see [[broker]] in the settings")
        lives = await messages.get_message(message)
        return say.to_detail(lives, await messages.steps(lives[0].key))

    return router
