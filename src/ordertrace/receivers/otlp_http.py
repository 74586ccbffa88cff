"""OTLP over HTTP (4318): `/v1/traces`, `/v1/logs`, `/v1/metrics`; protobuf and JSON; gzip.

Errors are google.rpc.Status in the request's encoding.
"""

from __future__ import annotations

import zlib
from types import TracebackType
from typing import Self

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.types import Receive, Scope, Send

from ..errors import Invalid, NotFound, OrdertraceError, Overloaded, TooLarge, Unavailable
from ..ingest.intake import Intake
from ..ingest.kinds import Kind
from ..listening import HttpListener
from ..metrics import Metrics
from ..settings import Settings
from .answers import answer_word, to_http_status, to_metrics_response, to_response, to_status
from .otlp_json import from_json

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_DISCARDED_BYTES_MAX = 256 * 1024 * 1024
_KINDS = {"/v1/traces": Kind.SPANS, "/v1/logs": Kind.LOGS}
_REQUESTS: dict[Kind, type[Message]] = {Kind.SPANS: ExportTraceServiceRequest, Kind.LOGS: ExportLogsServiceRequest}
_PATHS = (*_KINDS, "/v1/metrics")


class _WrongMethod(Invalid):
    """Anything but POST."""


class _WrongType(Invalid):
    """A content type or encoding that OTLP does not know."""


_OWN_STATUSES: tuple[tuple[type[OrdertraceError], int], ...] = ((_WrongMethod, 405), (_WrongType, 415))


class OtlpHttpReceiver:
    """Listens while entered; `port` is the real one where 0 was asked for."""

    def __init__(self, intake: Intake, settings: Settings, metrics: Metrics) -> None:
        self._intake = intake
        self._metrics = metrics
        self._bytes_max = settings.listen.request_bytes_max
        self._listener = HttpListener(self._application, settings.listen.otlp_http, settings.listen.connections_max)

    @property
    def address(self) -> str:
        return self._listener.address

    @property
    def port(self) -> int:
        return self._listener.port

    async def __aenter__(self) -> Self:
        """Raises Unavailable when the address is taken."""
        await self._listener.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.__aexit__(kind, error, trace)

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            raise _WrongMethod(f"{scope['method']} {path}: use POST")
        if content_type not in (_PROTOBUF, _JSON):
            raise _WrongType(f"content type {content_type[:80]!r}: send {_PROTOBUF} or {_JSON}")
        encoding = headers.get(b"content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise _WrongType(f"content encoding {encoding[:80]!r}: send gzip or none")
        body = await self._read(headers, receive)
        if encoding == "gzip":
            body = self._unpacked(body)
        if kind := _KINDS.get(path):
            return await self._admit(body, content_type, kind)
        return _metrics_answer(body, content_type)

    async def _admit(self, body: bytes, content_type: str, kind: Kind) -> Message:
        payload = from_json(body, _REQUESTS[kind]) if content_type == _JSON else body
        return to_response(kind, await self._intake.admit(payload, "http", kind))

    async def _read(self, headers: dict[bytes, str], receive: Receive) -> bytes:
        """The body, as long as it is within bounds; a larger one is not kept."""
        announced = headers.get(b"content-length", "0")
        if announced.isdigit() and int(announced) > self._bytes_max:
            await _discard(receive)
            raise self._too_large(f"the body has {announced} bytes")
        pieces, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Invalid("the sender left before the end of the body")
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._bytes_max:
                await _discard(receive)
                raise self._too_large(f"the body has more than {self._bytes_max} bytes")
            pieces.append(piece)
            more = message.get("more_body", False)
        return b"".join(pieces)

    def _unpacked(self, body: bytes) -> bytes:
        """The content of a gzip body; stops at the bound, whatever the body would become."""
        pieces, size = [], 0
        try:
            while body:
                unpacking = zlib.decompressobj(wbits=31)
                pieces.append(unpacking.decompress(body, self._bytes_max + 1 - size))
                size += len(pieces[-1])
                if size > self._bytes_max:
                    raise self._too_large(f"the unpacked body has more than {self._bytes_max} bytes")
                if not unpacking.eof:
                    raise Invalid("the gzip body ends too early")
                body = unpacking.unused_data
        except zlib.error:
            raise Invalid("the body is not gzip, as its content encoding says") from None
        return b"".join(pieces)

    def _too_large(self, what: str) -> TooLarge:
        self._metrics.limits_hit.labels("request_bytes").inc()
        return TooLarge(f"{what}, {self._bytes_max} are allowed; send fewer spans at a time")


async def _discard(receive: Receive) -> None:
    """Lets the rest of a body pass, within bounds: a sender that is cut off never reads the answer."""
    passed = 0
    while passed < _DISCARDED_BYTES_MAX:
        message = await receive()
        passed += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _metrics_answer(body: bytes, content_type: str) -> Message:
    """Metrics are not kept; the answer says how many."""
    try:
        payload = from_json(body, ExportMetricsServiceRequest) if content_type == _JSON else body
        return to_metrics_response(ExportMetricsServiceRequest.FromString(payload))
    except DecodeError:
        raise Invalid(f"{len(body)} bytes are not an ExportMetricsServiceRequest in protobuf") from None


async def _send(send: Send, answer: Message, content_type: str, failure: OrdertraceError | None) -> None:
    status = 200
    headers = [(b"content-type", (_JSON if content_type == _JSON else _PROTOBUF).encode())]
    if failure is not None:
        status = next((number for kind, number in _OWN_STATUSES if isinstance(failure, kind)), to_http_status(failure))
        if isinstance(failure, _WrongMethod):
            headers.append((b"allow", b"POST"))
        if isinstance(failure, (Overloaded, Unavailable)):
            headers.append((b"retry-after", str(max(1, round(getattr(failure, "retry_after_seconds", 1)))).encode()))
        if isinstance(failure, TooLarge):
            headers.append((b"connection", b"close"))
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
