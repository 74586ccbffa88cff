"""One table for each protocol from a kind of error to its status, and the messages that OTLP answers with."""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ..errors import Invalid, NotFound, OrdertraceError, Overloaded, TooLarge, Unavailable
from ..ingest.intake import Admission
from ..ingest.kinds import Kind

_METRICS_NOT_KEPT = "ordertrace does not keep metrics; turn their export off"

# First match wins: a kind stands before the one it is a kind of.
_STATUSES: tuple[tuple[type[OrdertraceError], grpc.StatusCode, int], ...] = (
    (TooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
    (Invalid, grpc.StatusCode.INVALID_ARGUMENT, 400),
    (NotFound, grpc.StatusCode.UNIMPLEMENTED, 404),
    (Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    (Unavailable, grpc.StatusCode.UNAVAILABLE, 503),
)


def to_grpc_code(error: OrdertraceError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    return next((code for kind, code, _ in _STATUSES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def to_http_status(error: OrdertraceError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, _, status in _STATUSES if isinstance(error, kind)), 500)


def to_status(error: OrdertraceError) -> status_pb2.Status:
    """The error as google.rpc.Status; an overload says when to come again, without which senders give up."""
    number, _ = to_grpc_code(error).value
    status = status_pb2.Status(code=number, message=str(error))
    if isinstance(error, (Overloaded, Unavailable)):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(getattr(error, "retry_after_seconds", 1.0) * 1000))
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status.details.append(detail)
    return status


def answer_word(error: OrdertraceError | None) -> str:
    """How an answer is counted: `ok` or the error's kind."""
    return "ok" if error is None else type(error).__name__.lower()


def to_response(kind: Kind, admission: Admission) -> Message:
    """OTLP's answer to a request that was taken, with a partial success where a part of it was refused."""
    if kind is Kind.LOGS:
        logs = ExportLogsServiceResponse()
        if admission.refused:
            logs.partial_success.rejected_log_records = admission.refused
            logs.partial_success.error_message = admission.message
        return logs
    spans = ExportTraceServiceResponse()
    if admission.refused:
        spans.partial_success.rejected_spans = admission.refused
        spans.partial_success.error_message = admission.message
    return spans


def to_metrics_response(request: ExportMetricsServiceRequest) -> ExportMetricsServiceResponse:
    """Says that nothing of it is kept; an empty request is taken in full."""
    points = sum(
        len(getattr(metric, metric.WhichOneof("data") or "gauge").data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
    response = ExportMetricsServiceResponse()
    if points:
        response.partial_success.rejected_data_points = points
        response.partial_success.error_message = _METRICS_NOT_KEPT
    return response
