"""`/api/v1/orders`, `/flow` and `/systems`: checks the question, asks the reader, words the answer."""

# Annotations are values here, not strings: FastAPI reads them, and some name a local function.
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from ..model.coverage import Advice
from ..model.flow import Flow
from ..model.order import Deviation, Diagnosis, Order, OrderFilter
from ..orders.closed_work import infer_operations
from ..orders.reader import OrderReader
from ..settings import Settings
from ..texts import advice_sentence, change_place, deviation_sentence, diagnosis_sentence
from . import models, system_models
from .language import choose_language
from .problems import problem_responses, refuse_parameters

_NAME_LENGTH_MAX = 200
# Control characters are no part of any name; surrogates cannot be sent on.
_NAME_PATTERN = r"^[^\x00-\x1f\x7f]*$"
# The store counts nanoseconds in 64 bits.
Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]
Name = Annotated[str, Field(max_length=_NAME_LENGTH_MAX, pattern=_NAME_PATTERN)]


class OrderQuery(BaseModel):
    """Which orders; an empty parameter does not restrict."""

    model_config = ConfigDict(extra="forbid")

    state: models.State | Literal[""] = ""
    status: Name = ""
    system: Name = ""
    owner: Name = ""
    q: Annotated[Name, Field(description="A part of an order id")] = ""
    deviation: Annotated[
        Literal["", "any", "skipped", "repeated", "back", "illegal"], Field(description="Orders that left the flow")
    ] = ""
    since: Annotated[Moment | None, Field(description="Started at this time or later")] = None
    until: Annotated[Moment | None, Field(description="Started before this time")] = None
    sort: Literal["harm", "age", "deadline", "started", "id"] = "harm"
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[Name, Field(description="`next` of the page before")] = ""

    @model_validator(mode="after")
    def _is_a_period(self) -> "OrderQuery":
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is later than until")
        return self

    def to_filter(self) -> OrderFilter:
        """The same in the model's terms."""
        return OrderFilter(**self.model_dump())


def sentences(flow: Flow, default: str) -> Callable[..., models.Sentence]:
    """A dependency of routes: how to word a diagnosis for the caller, in `default` where no other language is asked for."""

    def reads(response: Response, accept_language: Annotated[str, Header()] = "") -> models.Sentence:
        language = choose_language(accept_language, default)
        response.headers["Content-Language"] = language
        response.headers["Vary"] = "Accept-Language"

        def sentence(said: Diagnosis | Deviation, order: Order) -> str:
            if isinstance(said, Deviation):
                return deviation_sentence(said, flow, language)
            return diagnosis_sentence(said, order, flow, language)

        return sentence

    return reads


def advices(flow: Flow, default: str) -> Callable[..., system_models.WordAdvice]:
    """A dependency of routes: how to word an advice for the caller."""

    def reads(response: Response, accept_language: Annotated[str, Header()] = "") -> system_models.WordAdvice:
        language = choose_language(accept_language, default)
        response.headers["Content-Language"] = language
        response.headers["Vary"] = "Accept-Language"

        def word(advice: Advice, system: str) -> tuple[str, str]:
            return advice_sentence(advice, flow.system(system), language), change_place(advice, language)

        return word

    return reads


def build_orders(reader: OrderReader, settings: Settings) -> APIRouter:
    """The routes about orders, over one reader."""
    router = APIRouter(prefix="/api/v1", tags=["orders"])
    reads = sentences(reader.flow, settings.company.language)
    advises = advices(reader.flow, settings.company.language)

    @router.get("/orders", responses=problem_responses(400, 503), summary="Orders, the most harmed first")
    async def list_orders(
        request: Request, query: Annotated[OrderQuery, Query()], sentence: Annotated[models.Sentence, Depends(reads)]
    ) -> models.OrderList:
        refuse_parameters(request, repeated_only=True)
        return models.to_list(await reader.find_orders(query.to_filter(), datetime.now(UTC)), sentence)

    @router.get("/orders/{id}", responses=problem_responses(400, 404, 503), summary="Everything about one order")
    async def get_order(
        request: Request,
        order_id: Annotated[str, Path(alias="id", min_length=1, max_length=_NAME_LENGTH_MAX, pattern=_NAME_PATTERN)],
        sentence: Annotated[models.Sentence, Depends(reads)],
        word: Annotated[system_models.WordAdvice, Depends(advises)],
    ) -> models.OrderTimeline:
        refuse_parameters(request)
        timeline = await reader.get_timeline(order_id, datetime.now(UTC))
        inferred = infer_operations(timeline.events, timeline.lives, reader.flow)
        surer = await reader.get_surer(timeline.order, datetime.now(UTC))
        return models.to_timeline(timeline, sentence, inferred, system_models.to_advice(surer, word) if surer else None)

    @router.get("/flow", responses=problem_responses(400), summary="The expected life of an order")
    async def get_flow(request: Request) -> system_models.Flow:
        refuse_parameters(request)
        return system_models.to_flow(reader.flow)

    @router.get("/systems", responses=problem_responses(400, 503), summary="The systems and how well they are seen")
    async def list_systems(
        request: Request, word: Annotated[system_models.WordAdvice, Depends(advises)]
    ) -> system_models.SystemList:
        refuse_parameters(request)
        return system_models.to_systems(await reader.get_systems(datetime.now(UTC)), word)

    return router
