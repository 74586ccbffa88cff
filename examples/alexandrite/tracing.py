"""How Shop and CRM are traced: OpenTelemetry's SDK, its standard instrumentations, and two attributes of our own.

Where telemetry goes is said by the usual OTEL_EXPORTER_OTLP_… variables; MES and the carrier do not use this module.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.instrumentation.aio_pika import AioPikaInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, RequestInfo
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from starlette.applications import Starlette


def start_tracing(exporter: SpanExporter, peers: Mapping[str, str]) -> TracerProvider:
    """Instruments HTTP client and RabbitMQ client; to be called before the first of them is opened.

    `peers` are the systems that the service calls, by URL: their name goes on the client spans.
    """
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    AioPikaInstrumentor().instrument()

    async def name_peer(span: trace.Span, request: RequestInfo) -> None:
        if peer := next((name for url, name in peers.items() if str(request.url).startswith(f"{url}/")), None):
            span.set_attribute("peer.service", peer)

    HTTPX2ClientInstrumentor().instrument(async_request_hook=name_peer)
    return provider


def trace_requests(app: Starlette) -> None:
    """Instruments the HTTP server side of a service."""
    StarletteInstrumentor.instrument_app(app)


def about_order(order_id: str) -> None:
    """Says on the current span which order it works on."""
    trace.get_current_span().set_attribute("order.id", order_id)


def reached(order_id: str, status: str) -> None:
    """Says on the current span that the order has reached that status; to be called when it really has."""
    span = trace.get_current_span()
    span.set_attribute("order.id", order_id)
    span.set_attribute("order.status", status)


def failed(error: BaseException) -> None:
    """Records an error that is answered rather than raised."""
    span = trace.get_current_span()
    span.record_exception(error)
    span.set_status(trace.Status(trace.StatusCode.ERROR, f"{type(error).__name__}: {error}"))
