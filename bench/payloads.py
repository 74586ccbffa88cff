"""Realistic OTLP requests: ten spans a trace, one trace an order.

Attributes are as a Java agent sends them, 440 bytes and 11 attributes a span.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

SPANS_A_TRACE = 10
_STATUSES = (
    "INITIATED",
    "SUBMITTED",
    "PRICE_CALCULATED",
    "MANUFACTURING_APPROVED",
    "MANUFACTURING_STARTED",
    "SHIPPED",
    "CLOSED",
)
_RESOURCE: dict[str, str | int] = {
    "service.version": "1.4.2",
    "host.name": "node-17",
    "telemetry.sdk.language": "java",
    "telemetry.sdk.name": "opentelemetry",
    "process.pid": 4711,
}
_Values = dict[str, str | int]


def build_request(number: int, spans: int, start_ns: int, statuses: Sequence[str] = ()) -> bytes:
    """The serialised request `number` with so many spans; orders and ids differ between numbers, the same number is the same.

    Orders are in the given statuses in turn, else in any.
    """
    random_ = random.Random(number)
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    _set(resource_spans.resource.attributes, {"service.name": ("shop", "crm")[number % 2], **_RESOURCE})
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "io.opentelemetry.tomcat-10.0", "2.33.1-alpha"
    for i in range(spans):
        if i % SPANS_A_TRACE == 0:
            trace_id, parent = random_.randbytes(16), b""
            order = f"BNC-{number:06d}-{i // SPANS_A_TRACE:03d}"
        span = scope_spans.spans.add(trace_id=trace_id, span_id=random_.randbytes(8), parent_span_id=parent)
        parent = parent or span.span_id
        span.start_time_unix_nano = start_ns + i * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + random_.randrange(50_000, 10_000_000)
        turn = i // SPANS_A_TRACE
        status = statuses[turn % len(statuses)] if statuses else random_.choice(_STATUSES)
        _fill(span, i % SPANS_A_TRACE, order, status, random_)
    return request.SerializeToString()


def _fill(span: Span, place: int, order: str, status: str, random_: random.Random) -> None:
    thread: _Values = {
        "thread.id": random_.randrange(20, 200),
        "thread.name": f"http-nio-exec-{random_.randrange(30)}",
    }
    if place == 0:
        span.name, span.kind = "POST /api/orders/{id}/submit", Span.SPAN_KIND_SERVER
        _set(
            span.attributes,
            {
                **_http(f"/api/orders/{order}/submit"),
                **thread,
                "order.id": order,
                "order.status": status,
            },
        )
    elif place in (3, 7):
        span.name, span.kind = (
            "alexandrite.orders publish" if place == 3 else "mes.orders process",
            Span.SPAN_KIND_CONSUMER if place == 7 else Span.SPAN_KIND_PRODUCER,
        )
        _set(span.attributes, {**_message(random_), **thread})
    elif place in (4, 8):
        span.name, span.kind = "OrderService.applyStatus", Span.SPAN_KIND_INTERNAL
        _set(span.attributes, {**_code(), **thread})
    elif place == 5:
        span.name, span.kind = "GET", Span.SPAN_KIND_CLIENT
        _set(span.attributes, {**_http("/v1/shipments"), "url.full": "http://carrier:18090/v1/shipments", **thread})
    else:
        span.name, span.kind = "SELECT shop.orders", Span.SPAN_KIND_CLIENT
        _set(span.attributes, {**_database(), **thread})
    if place == 5 and random_.random() < 0.05:
        span.status.code, span.status.message = Status.STATUS_CODE_ERROR, "500"
        event = span.events.add(time_unix_nano=span.end_time_unix_nano, name="exception")
        _set(
            event.attributes,
            {"exception.type": "java.net.SocketTimeoutException", "exception.message": "Read timed out"},
        )


def _http(path: str) -> _Values:
    return {
        "http.request.method": "POST", "http.route": "/api/orders/{id}/submit", "url.path": path, "url.scheme": "http",
        "server.address": "shop", "server.port": 8080, "client.address": "10.2.3.4",
        "user_agent.original": "okhttp/4.12.0", "http.response.status_code": 200,
    }  # fmt: skip


def _database() -> _Values:
    return {
        "db.system": "postgresql", "db.name": "shop", "db.operation": "SELECT", "db.sql.table": "orders", "db.user": "shop",
        "db.statement": "select o.id, o.status from orders o where o.id = ?",
        "server.address": "postgres", "server.port": 5432, "db.connection_string": "postgres:5432",
    }  # fmt: skip


def _message(random_: random.Random) -> _Values:
    return {
        "messaging.system": "rabbitmq", "messaging.operation": "publish", "messaging.destination.name": "alexandrite.orders",
        "messaging.rabbitmq.destination.routing_key": "order.submitted", "messaging.message.body.size": 312,
        "messaging.message.id": f"{random_.getrandbits(128):032x}", "network.peer.address": "10.2.3.9", "network.peer.port": 5672,
        "network.type": "ipv4",
    }  # fmt: skip


def _code() -> _Values:
    return {
        "code.namespace": "shop.orders.OrderService", "code.function": "applyStatus", "code.lineno": 148,
        "spring.transaction": "OrderService.applyStatus", "app.component": "status-machine",
        "app.version": "1.4.2", "app.shard": 3, "app.retry": 0, "app.queue.depth": 17,
    }  # fmt: skip


def _set(attributes: object, values: _Values) -> None:
    for key, value in values.items():
        any_value = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
        attributes.append(KeyValue(key=key, value=any_value))  # type: ignore[attr-defined]


def to_zipkin(request: bytes) -> bytes:
    """The same spans as Zipkin's JSON, as OpenTelemetry's exporters write them."""
    spans = list[dict[str, Any]]()
    for resource_spans in ExportTraceServiceRequest.FromString(request).resource_spans:
        resource = {one.key: _text(one.value) for one in resource_spans.resource.attributes}
        for span in resource_spans.scope_spans[0].spans:
            spans.append(_zipkin_span(span, resource))
    return json.dumps(spans).encode()


def _zipkin_span(span: Span, resource: dict[str, str]) -> dict[str, Any]:
    tags = resource | {one.key: _text(one.value) for one in span.attributes}
    if span.status.code == Status.STATUS_CODE_ERROR:
        tags |= {"otel.status_code": "ERROR", "error": span.status.message}
    kind = Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
    return {
        "traceId": span.trace_id.hex(),
        "id": span.span_id.hex(),
        **({"parentId": span.parent_span_id.hex()} if span.parent_span_id else {}),
        **({"kind": kind} if kind != "INTERNAL" else {}),
        "name": span.name,
        "timestamp": span.start_time_unix_nano // 1000,
        "duration": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "localEndpoint": {"serviceName": resource["service.name"]},
        "tags": tags,
    }


def _text(value: AnyValue) -> str:
    return value.string_value if value.WhichOneof("value") == "string_value" else str(value.int_value)
