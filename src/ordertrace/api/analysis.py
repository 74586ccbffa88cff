"""`/api/v1/variants`, `/funnel`, `/bottlenecks`, `/differences`: checks the question, asks the reader."""

# Annotations are values here, not strings: FastAPI reads them, and some name a local function.
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..analysis.reader import AnalysisReader
from ..model.analysis import Period
from ..model.order import DiagnosisKind, OrderFilter
from . import analysis_models, models
from .orders import Moment, Name, sentences
from .problems import problem_responses, refuse_parameters


class PeriodQuery(BaseModel):
    """Which orders: those that started in the period."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[Moment | None, Field(description="Started at this time or later")] = None
    until: Annotated[Moment | None, Field(description="Started before this time")] = None

    @model_validator(mode="after")
    def _is_a_period(self) -> "PeriodQuery":
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is later than until")
        return self

    def to_period(self) -> Period:
        """The same in the model's terms."""
        return Period(self.since, self.until)


class VariantsQuery(PeriodQuery):
    """How many variants of which orders."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20


class VariantOrdersQuery(PeriodQuery):
    """Which orders of a variant."""

    state: models.State | Literal[""] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[Name, Field(description="`next` of the page before")] = ""


class DifferencesQuery(PeriodQuery):
    """Which orders are compared with the finished ones; an empty parameter does not restrict."""

    state: Literal["stuck", "failed", ""] = ""
    kind: Annotated[DiagnosisKind | Literal[""], Field(description="Kind of the diagnosis")] = ""
    status: Annotated[Name, Field(description="The last status that they reached")] = ""
    variant: Annotated[Name, Field(description="The way that they took")] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


def build_analysis(reader: AnalysisReader, language: str) -> APIRouter:
    """The routes about many orders; `language` is the company's."""
    router = APIRouter(prefix="/api/v1", tags=["analysis"], responses=problem_responses(400, 503))
    reads = sentences(reader.flow, language)

    @router.get("/variants", summary="The ways that orders take, the commonest first")
    async def list_variants(request: Request, query: Annotated[VariantsQuery, Query()]) -> analysis_models.Variants:
        refuse_parameters(request, repeated_only=True)
        found = await reader.get_variants(query.to_period(), query.limit, datetime.now(UTC))
        return analysis_models.Variants.model_validate(found)

    @router.get(
        "/variants/{id}", responses=problem_responses(404), summary="The orders of one variant, the newest first"
    )
    async def list_variant_orders(
        request: Request,
        variant: Annotated[str, Path(alias="id", pattern="^[0-9a-f]{16}$")],
        query: Annotated[VariantOrdersQuery, Query()],
        sentence: Annotated[models.Sentence, Depends(reads)],
    ) -> analysis_models.VariantOrders:
        refuse_parameters(request, repeated_only=True)
        wanted = OrderFilter(state=query.state, limit=query.limit, cursor=query.cursor)
        path, page = await reader.find_variant_orders(variant, query.to_period(), wanted, datetime.now(UTC))
        listed = models.to_list(page, sentence)
        return analysis_models.VariantOrders(id=variant, path=list(path), orders=listed.orders, next=listed.next)

    @router.get("/funnel", summary="How far the orders of a period came, step by step")
    async def get_funnel(request: Request, query: Annotated[PeriodQuery, Query()]) -> analysis_models.Funnel:
        refuse_parameters(request, repeated_only=True)
        found = await reader.get_funnel(query.to_period(), datetime.now(UTC))
        return analysis_models.Funnel.model_validate(found)

    @router.get("/bottlenecks", summary="Where the time goes: steps, messages, calls, and what got worse")
    async def get_bottlenecks(request: Request, query: Annotated[PeriodQuery, Query()]) -> analysis_models.Bottlenecks:
        refuse_parameters(request, repeated_only=True)
        return analysis_models.to_bottlenecks(await reader.get_bottlenecks(query.to_period(), datetime.now(UTC)))

    @router.get("/differences", summary="What sets troubled orders apart from finished ones")
    async def get_differences(
        request: Request, query: Annotated[DifferencesQuery, Query()]
    ) -> analysis_models.Differences:
        refuse_parameters(request, repeated_only=True)
        found = await reader.get_differences(
            query.to_period(), datetime.now(UTC), query.state, query.kind, query.status, query.variant, query.limit
        )
        return analysis_models.Differences.model_validate(found)

    return router
