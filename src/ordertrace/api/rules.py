"""`/api/v1/rules/test`: which rule takes what to which order and status, and what other rules would change. Changes nothing."""

# Annotations are values here, not strings: FastAPI reads them.
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..model import trial as trial_model
from ..orders.trial import RuleTrials
from ..settings.rules import parse_rule
from ..store.trials import Rules
from .orders import Name
from .problems import problem_responses, refuse_parameters

_RULES_MAX = 50
_Rule = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_RuleList = Annotated[list[_Rule], Field(max_length=_RULES_MAX)]


class Subject(BaseModel):
    """What the rules are tried on: an order or a trace."""

    model_config = ConfigDict(extra="forbid")

    order: Annotated[Name, Field(description="An order id; its traces, and with other rules those that they find")] = ""
    trace: Annotated[Name, Field(description="A trace id")] = ""

    @model_validator(mode="after")
    def _is_one(self) -> "Subject":
        if bool(self.order) == bool(self.trace):
            raise ValueError("name an order or a trace, and not both")
        return self


class OtherRules(Subject):
    """Rules to try in place of those in force, written as in the settings; what is left out stays as it is."""

    id: Annotated[_RuleList | None, Field(description="In place of `order.id`")] = None
    status: Annotated[_RuleList | None, Field(description="In place of `order.status`")] = None

    @field_validator("id", "status")
    @classmethod
    def _are_rules(cls, rules: list[str] | None) -> list[str] | None:
        for rule in rules or ():
            parse_rule(rule)
        return rules


class RuleUse(BaseModel):
    """A rule, and how many spans and log records it decides."""

    purpose: Annotated[str, Field(description="`id` or `status`")]
    rule: str
    uses: int


class Verdict(BaseModel):
    """What rules say of a span or log record; texts are empty where they say nothing."""

    order_id: str
    joined_by: str
    confidence: float
    why: Annotated[str, Field(description="What takes it to the order, or why it belongs to none")]
    rule: Annotated[str, Field(description="The rule that found the order id")]
    from_span: Annotated[str, Field(description="The span that the order was handed on from")]
    status: str
    status_rule: str


class Fact(BaseModel):
    """A fact about an order that is in force."""

    order_id: str
    status: str
    joined_by: str
    confidence: float


class Tried(BaseModel):
    """A span or log record; `stored` is by the rules that its rows were made with."""

    kind: Annotated[str, Field(description="Of the span, or `Log`")]
    span_id: str
    parent_span_id: str
    depth: int
    at: datetime
    system: str
    name: str
    tells: Annotated[bool, Field(description="Whether it tells a fact about its order")]
    verdict: Verdict
    stored: Verdict
    difference: Annotated[str, Field(description="`gained`, `lost`, `moved`, `status`, or empty")]
    facts: list[Fact]


class TriedTrace(BaseModel):
    """A trace, parents before children, each span followed by its log records."""

    trace_id: str
    orders: list[str]
    differences: int
    spans: list[Tried]


class Trial(BaseModel):
    """The rules tried; `limits` names what cut it short: `traces`, `spans`, `log_records`."""

    order: str
    rules: list[RuleUse]
    traces: list[TriedTrace]
    differences: int
    limits: list[str]


def build_rules(trials: RuleTrials) -> APIRouter:
    """The routes about rules."""
    router = APIRouter(prefix="/api/v1", tags=["orders"])

    @router.get(
        "/rules/test", responses=problem_responses(400, 404, 503), summary="Which rule takes which span to which order"
    )
    async def explain(request: Request, subject: Annotated[Subject, Query()]) -> Trial:
        refuse_parameters(request, repeated_only=True)
        return _to_trial(await _try(trials, subject, None))

    @router.post("/rules/test", responses=problem_responses(400, 404, 503), summary="What other rules would change")
    async def try_others(request: Request, others: OtherRules) -> Trial:
        refuse_parameters(request)
        rules = Rules(
            tuple(others.id) if others.id is not None else trials.in_force.ids,
            tuple(others.status) if others.status is not None else trials.in_force.statuses,
        )
        return _to_trial(await _try(trials, others, rules))

    return router


async def _try(trials: RuleTrials, subject: Subject, rules: Rules | None) -> trial_model.Trial:
    if subject.order:
        return await trials.try_order(subject.order, rules)
    return await trials.try_trace(subject.trace, rules)


def _to_trial(trial: trial_model.Trial) -> Trial:
    return Trial(
        order=trial.order_id,
        rules=[RuleUse(purpose=one.purpose, rule=one.rule, uses=one.uses) for one in trial.rules],
        traces=[
            TriedTrace(
                trace_id=trace.trace_id,
                orders=list(trace.orders),
                differences=trace.differences,
                spans=[_to_tried(one) for one in trace.tried],
            )
            for trace in trial.traces
        ],
        differences=trial.differences,
        limits=list(trial.limits),
    )


def _to_tried(tried: trial_model.Tried) -> Tried:
    return Tried(
        kind=tried.kind,
        span_id=tried.span_id,
        parent_span_id=tried.parent_id,
        depth=tried.depth,
        at=tried.at,
        system=tried.system,
        name=tried.name,
        tells=tried.tells,
        verdict=_to_verdict(tried.verdict),
        stored=_to_verdict(tried.stored),
        difference=tried.difference.value,
        facts=[
            Fact(order_id=order, status=status, joined_by=by, confidence=confidence)
            for order, status, by, confidence in tried.facts
        ],
    )


def _to_verdict(verdict: trial_model.Verdict) -> Verdict:
    return Verdict(
        order_id=verdict.order_id,
        joined_by=verdict.joined_by,
        confidence=round(verdict.confidence, 3),
        why=verdict.why.value,
        rule=verdict.rule,
        from_span=verdict.from_span,
        status=verdict.status,
        status_rule=verdict.status_rule,
    )
