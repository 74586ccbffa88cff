"""For those who run ordertrace: metrics, health, and how far the intake is."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from ..metrics import Metrics
from ..model.forwarding import ForwardingState
from ..settings import Settings
from . import system_models
from .problems import problem_responses, refuse_parameters, to_problem


class Health(BaseModel):
    """Being there to answer is the health that can be answered for."""

    status: str


def build_operations(
    settings: Settings,
    metrics: Metrics,
    readiness: Callable[[], tuple[bool, str]],
    addresses: Callable[[], Mapping[str, str]] | None,
    forwarding: Callable[[], ForwardingState] | None = None,
    joined_until: Callable[[datetime], datetime] | None = None,
) -> APIRouter:
    """The routes that look at the process itself."""
    router = APIRouter(tags=["operations"])

    @router.get("/metrics", response_class=PlainTextResponse, summary="Prometheus's text format")
    async def get_metrics() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/healthz", summary="The process answers")
    async def get_health() -> Health:
        return Health(status="ok")

    @router.get("/readyz", responses=problem_responses(503), response_model=Health, summary="It can serve now")
    async def get_readiness() -> JSONResponse:
        ready, reason = readiness()
        if ready:
            return JSONResponse({"status": "ready"})
        return to_problem(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": "1"})

    @router.get("/api/v1/intake", responses=problem_responses(400), summary="What came in, and what of it waits")
    async def get_intake(request: Request) -> system_models.Intake:
        refuse_parameters(request)
        now = datetime.now(UTC)
        told, totals = addresses() if addresses else {}, _totals(metrics.registry)
        return system_models.Intake(
            receivers=system_models.Receivers(
                otlp_grpc=told.get("otlp_grpc", settings.listen.otlp_grpc),
                otlp_http=told.get("otlp_http", settings.listen.otlp_http),
                zipkin=told.get("zipkin", settings.listen.zipkin),
            ),
            spans_received=totals["ordertrace_spans_received_total"],
            spans_stored=totals["ordertrace_spans_stored_total"],
            spans_refused=totals["ordertrace_spans_refused_total"],
            log_records_received=totals["ordertrace_log_records_received_total"],
            log_records_stored=totals["ordertrace_log_records_stored_total"],
            queued_bytes=totals["ordertrace_journal_queued_bytes"],
            sweeps=totals["ordertrace_sweep_seconds_count"],
            at=now,
            joined_until=joined_until(now) if joined_until else now,
            settle_seconds=settings.sweep.settle.total_seconds(),
            forwarding=system_models.Forwarding(**asdict(forwarding())) if forwarding else None,
        )

    return router


def _totals(registry: CollectorRegistry) -> Mapping[str, int]:
    """The samples of the registry, each over all its labels; 0 for one that there is not."""
    totals: defaultdict[str, float] = defaultdict(float)
    for family in registry.collect():
        for one in family.samples:
            totals[one.name] += one.value
    return Counter({name: int(total) for name, total in totals.items() if math.isfinite(total)})
