"""`/api/v1/traces/{id}`: the spans of a trace as they came, after privacy rules, in OTLP's JSON."""

# Annotations are values here, not strings: FastAPI reads them.
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import BaseModel, ConfigDict, Field

from ..store.traces import TraceStore
from .orders import Name
from .problems import problem_responses, refuse_parameters

_LIMIT_MAX = 2_000
_NO_TRACE = "0" * 32


class TraceQuery(BaseModel):
    """Which spans."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=_LIMIT_MAX)] = 500
    cursor: Annotated[Name, Field(description="`next` of the page before")] = ""


class TraceSpans(BaseModel):
    """One page of a trace; a reader of OTLP's JSON passes over `next`."""

    resource_spans: list[dict[str, Any]] = Field(
        serialization_alias="resourceSpans",
        description="As OTLP's JSON has them: ids in hex, 64-bit numbers as texts",
    )
    next: str | None


def build_traces(traces: TraceStore) -> APIRouter:
    """The route about one trace."""
    router = APIRouter(prefix="/api/v1", tags=["traces"])

    @router.get("/traces/{id}", responses=problem_responses(400, 404, 503), summary="The spans of one trace")
    async def get_trace(
        request: Request,
        trace_id: Annotated[str, Path(alias="id", pattern="^[0-9a-f]{32}$", examples=[_NO_TRACE])],
        query: Annotated[TraceQuery, Query()],
    ) -> TraceSpans:
        refuse_parameters(request, repeated_only=True)
        page = await traces.find_spans(trace_id, query.limit, query.cursor)
        return TraceSpans(resource_spans=to_json(page.request), next=page.next_cursor)

    return router


def to_json(request: ExportTraceServiceRequest) -> list[dict[str, Any]]:
    """`resourceSpans` of OTLP's JSON. It differs from protobuf's own in that ids are hex and enums numbers."""
    content = MessageToDict(request, use_integers_for_enums=True).get("resourceSpans", [])
    for built, resource in zip(content, request.resource_spans, strict=True):
        for built_scope, scope in zip(built["scopeSpans"], resource.scope_spans, strict=True):
            for built_span, span in zip(built_scope["spans"], scope.spans, strict=True):
                built_span |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
                if span.parent_span_id:
                    built_span["parentSpanId"] = span.parent_span_id.hex()
                for built_link, link in zip(built_span.get("links", []), span.links, strict=True):
                    built_link |= {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()}
    return list(content)
