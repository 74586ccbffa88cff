"""OTLP over HTTP (4318): `/v1/traces`, `/v1/logs`, `/v1/metrics`; protobuf and JSON; gzip, zstd.

Errors are google.rpc.Status in the request's encoding.
"""

from __future__ import annotations

import asyncio
from functools import partial

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.types import Receive, Scope, Send

from ..errors import Invalid, NotFound, OrdertraceError
from ..ingest.intake import Intake
from ..ingest.kinds import Kind
from ..metrics import Metrics
from ..settings import Settings
from .answers import answer_word, to_metrics_response, to_response, to_status
from .bodies import WrongMethod, WrongType, to_status_and_headers
from .http_receiver import HttpReceiver
from .otlp_json import from_json

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_KINDS = {"/v1/traces": Kind.SPANS, "/v1/logs": Kind.LOGS}
_REQUESTS: dict[Kind, type[Message]] = {Kind.SPANS: ExportTraceServiceRequest, Kind.LOGS: ExportLogsServiceRequest}
_AT_ONCE_BYTES_MAX = 256 * 1024  # a larger JSON is taken apart beside the event loop, which others wait for
_PATHS = (*_KINDS, "/v1/metrics")


class OtlpHttpReceiver(HttpReceiver):
    """Listens while entered; `port` is the real one where 0 was asked for."""

    def __init__(self, intake: Intake, settings: Settings, metrics: Metrics) -> None:
        super().__init__(self._take, settings.listen.otlp_http, intake, settings, metrics)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        content_type = headers.get(b"content-type", "").split(";")[0].strip().lower()
        failure: OrdertraceError | None = None
        try:
            answer = await self._answer(scope, headers, content_type, receive)
        except OrdertraceError as error:
            answer, failure = to_status(error), error
        self._metrics.requests.labels("http", answer_word(failure)).inc()
        await _send(send, answer, content_type, failure)

    async def _answer(self, scope: Scope, headers: dict[bytes, str], content_type: str, receive: Receive) -> Message:
        path = scope["path"]
        if path not in _PATHS:
            raise NotFound(f"there is nothing at {path}; OTLP is taken at {', '.join(_PATHS)}")
        if scope["method"] != "POST":
            raise WrongMethod(f"{scope['method']} {path}: use POST")
        if content_type not in (_PROTOBUF, _JSON):
            raise WrongType(f"content type {content_type[:80]!r}: send {_PROTOBUF} or {_JSON}")
        body = await self._bodies.read(headers, receive)
        if kind := _KINDS.get(path):
            return await self._admit(body, content_type, kind)
        return _metrics_answer(body, content_type)

    async def _admit(self, body: bytes, content_type: str, kind: Kind) -> Message:
        payload = body
        if content_type == _JSON:
            large = len(body) > _AT_ONCE_BYTES_MAX
            convert = partial(from_json, body, _REQUESTS[kind])
            payload = await asyncio.to_thread(convert) if large else convert()
        return to_response(kind, await self._intake.admit(payload, "http", kind))


def _metrics_answer(body: bytes, content_type: str) -> Message:
    """Metrics are not kept; the answer says how many."""
    try:
        payload = from_json(body, ExportMetricsServiceRequest) if content_type == _JSON else body
        return to_metrics_response(ExportMetricsServiceRequest.FromString(payload))
    except DecodeError:
        raise Invalid(f"{len(body)} bytes are not an ExportMetricsServiceRequest in protobuf") from None


async def _send(send: Send, answer: Message, content_type: str, failure: OrdertraceError | None) -> None:
    status, headers = (200, []) if failure is None else to_status_and_headers(failure)
    headers.append((b"content-type", (_JSON if content_type == _JSON else _PROTOBUF).encode()))
    body = (
        json_format.MessageToJson(answer, indent=None).encode() if content_type == _JSON else answer.SerializeToString()
    )
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
