"""OTLP over gRPC (4317): traces and logs. Requests stay bytes: the intake checks them, nothing here reads a span."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from ..certificates import Certificates
from ..errors import Internal, Invalid, NotFound, OrdertraceError, Overloaded, TooLarge, Unavailable
from ..ingest.intake import Intake
from ..ingest.kinds import Kind
from ..listening import split_address
from ..metrics import Metrics
from ..settings import Settings
from .answers import answer_word, to_metrics_response, to_response
from .bodies import BodyReader
from .grpc_calls import ENVELOPE_BYTES, HEADERS, NOT_GRPC, answered, failed, is_call, to_message
from .http2 import Calls, Connection, Headers, Reply

_Export = Callable[[bytes], Awaitable[bytes]]
_EXPORT = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
_STOP_SECONDS = 5.0
_BACKLOG = 1_000  # connections that are not accepted yet

_log = structlog.get_logger(__name__)


class OtlpGrpcReceiver:
    """Listens while entered; `port` is the real one where 0 was asked for."""

    def __init__(self, intake: Intake, settings: Settings, metrics: Metrics) -> None:
        self._intake = intake
        self._metrics = metrics
        self._host, self.port = split_address(settings.listen.otlp_grpc)
        certificates = Certificates.of(settings.listen, speaks=["h2"])
        self._tls = certificates.context() if certificates else None
        self._bytes_max = settings.listen.request_bytes_max
        self._bodies = BodyReader(self._bytes_max, settings.journal.queued_bytes_max, metrics)
        self._at_once, self._at_once_max = 0, settings.listen.connections_max
        exports = {"trace": self._export_traces, "logs": self._export_logs, "metrics": self._export_metrics}
        self._exports: dict[bytes, _Export] = {
            _EXPORT.format(signal, signal.capitalize()).encode(): export for signal, export in exports.items()
        }
        self._calls = Calls(
            HEADERS,
            ENVELOPE_BYTES,
            self._serve,
            self._refuse,
            metrics.limits_hit.labels("connections").inc,
            self._bytes_max + ENVELOPE_BYTES,
            settings.journal.queued_bytes_max,
            settings.listen.connections_max,
        )
        self._nothing_refused = answered(b"")
        self._count_ok = metrics.requests.labels("grpc", "ok").inc

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Raises Unavailable when the address is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self._calls), self._host, self.port, ssl=self._tls, backlog=_BACKLOG
            )
        except OSError:
            raise Unavailable(f"cannot listen on {self.address}; is another ordertrace running?") from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._calls.stop(_STOP_SECONDS)

    async def _serve(self, headers: Headers, envelope: bytes, content: bytes) -> Reply:
        if not is_call(headers):
            return NOT_GRPC
        try:
            export = self._exports.get(path := headers.get(b":path", b""))
            if export is None:
                raise NotFound(f"{path[:200].decode('ascii', 'replace')} is no method of OTLP")
            response = await export(to_message(headers, envelope, content, self._bodies.unpacked))
        except OrdertraceError as error:
            return self._failed(error)
        except Exception as error:
            _log.error("a call failed by a fault of ours", exc_info=error)
            return self._failed(Internal(f"{type(error).__name__}; the server's log says more"))
        self._count_ok()
        return answered(response) if response else self._nothing_refused

    async def _export_traces(self, payload: bytes) -> bytes:
        return await self._admit(payload, Kind.SPANS)

    async def _export_logs(self, payload: bytes) -> bytes:
        return await self._admit(payload, Kind.LOGS)

    async def _admit(self, payload: bytes, kind: Kind) -> bytes:
        self._at_once += 1
        try:
            if self._at_once > self._at_once_max:
                self._metrics.limits_hit.labels("connections").inc()
                raise Overloaded(f"{self._at_once_max} requests are being taken; send again later")
            admission = await self._intake.admit(payload, "grpc", kind)
        finally:
            self._at_once -= 1
        return to_response(kind, admission).SerializeToString() if admission.refused else b""

    async def _export_metrics(self, payload: bytes) -> bytes:
        try:
            request = ExportMetricsServiceRequest.FromString(payload)
        except DecodeError:
            raise Invalid(f"{len(payload)} bytes are not an ExportMetricsServiceRequest in protobuf") from None
        return to_metrics_response(request).SerializeToString()

    def _refuse(self, size: int) -> Reply:
        """The reply to a call that is not let go on; so much of it has come."""
        if size > self._bytes_max + ENVELOPE_BYTES:
            self._metrics.limits_hit.labels("request_bytes").inc()
            return self._failed(
                TooLarge(f"the request has more than {self._bytes_max} bytes, which are allowed; send less at a time")
            )
        self._metrics.limits_hit.labels("held_bytes").inc()
        return self._failed(Overloaded(f"{self._calls.held_bytes} bytes of requests are being read; send again later"))

    def _failed(self, error: OrdertraceError) -> Reply:
        self._metrics.requests.labels("grpc", answer_word(error)).inc()
        return failed(error)
