"""One table for each protocol from a kind of error to its status, and the messages that OTLP answers with."""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from ..errors import Invalid, NotFound, OrdertraceError, Overloaded, TooLarge, Unavailable

NOT_KEPT = "ordertrace does not keep {0} yet; turn their export off"

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
