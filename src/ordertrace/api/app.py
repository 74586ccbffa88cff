"""Assembles the API: `/api/v1`, `/metrics`, `/healthz`, `/readyz`. Everything it needs comes in as an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from fastapi import FastAPI

from .. import __version__
from ..analysis.exporting import Exporter
from ..analysis.reader import AnalysisReader
from ..metrics import Metrics
from ..model.forwarding import ForwardingState
from ..orders.incident_keeper import IncidentKeeper
from ..orders.reader import OrderReader
from ..orders.resending import Resending
from ..orders.trial import RuleTrials
from ..settings import Settings
from ..store.logs import LogStore
from ..store.messages import MessageStore
from ..store.traces import TraceStore
from .analysis import build_analysis
from .firehose import TakeRecorded, build_firehose
from .guard import Guard
from .incidents import build_incidents
from .logs import build_logs
from .messages import build_messages
from .ocel import build_exports
from .operations import build_operations
from .orders import build_orders
from .problems import Problem, add_problem_answers
from .replay import Progress, build_replay
from .rules import build_rules
from .traces import build_traces

Readiness = Callable[[], tuple[bool, str]]


def build_api(
    reader: OrderReader,
    settings: Settings,
    metrics: Metrics,
    readiness: Readiness,
    addresses: Callable[[], Mapping[str, str]] | None = None,
    messages: MessageStore | None = None,
    incidents: IncidentKeeper | None = None,
    resending: Resending | None = None,
    logs: LogStore | None = None,
    take_recorded: TakeRecorded | None = None,
    analysis: AnalysisReader | None = None,
    exporter: Exporter | None = None,
    forwarding: Callable[[], ForwardingState] | None = None,
    traces: TraceStore | None = None,
    replay: Progress | None = None,
    trials: RuleTrials | None = None,
    joined_until: Callable[[datetime], datetime] | None = None,
) -> FastAPI:
    """The API as an ASGI application with full paths.

    `readiness` says whether we can serve now, and if not, why. `addresses` gives what the receivers really listen on
    (`otlp_grpc`, `otlp_http` as host:port) where that differs from the settings, as with port 0. `messages` is there where
    a broker is watched, and so is `take_recorded`, which works recordings of a broker in; `forwarding` where something is
    passed on. `replay` says how far history is worked through again, and what keeps that from going on;
    `joined_until` until when what is stored has been joined.
    """
    app = FastAPI(
        title="ordertrace",
        summary="Where is an order, why is it stuck, what was lost, who is next",
        description="Times are RFC 3339 in UTC, durations are seconds, errors are problem+json (RFC 9457).",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(build_orders(reader, settings))
    app.include_router(build_messages(reader.flow, settings, messages, resending))
    if logs is not None:
        app.include_router(build_logs(logs))
    if analysis is not None:
        app.include_router(build_analysis(analysis, settings.company.language))
    if traces is not None:
        app.include_router(build_traces(traces))
    if exporter is not None:
        app.include_router(build_exports(exporter))
    if incidents is not None:
        app.include_router(build_incidents(reader.flow, settings, incidents))
    if take_recorded is not None:
        app.include_router(build_firehose(settings, take_recorded))
    if trials is not None:
        app.include_router(build_rules(trials))
    app.include_router(build_replay(replay or (lambda: (None, ""))))
    app.include_router(build_operations(settings, metrics, readiness, addresses, forwarding, joined_until))
    add_problem_answers(app)
    app.add_middleware(Guard)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Adds the schema that all error answers refer to; no route returns it as its own result."""
    build = app.openapi

    def openapi() -> dict[str, object]:
        document = build()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]
