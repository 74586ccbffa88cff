"""OTLP over gRPC (4317): traces and logs. Requests stay bytes: the intake checks them, nothing here reads a span."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NoReturn, Self, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from ..certificates import Certificates, Pem
from ..errors import Internal, Invalid, OrdertraceError, Overloaded, Unavailable
from ..ingest.intake import Intake
from ..ingest.kinds import Kind
from ..listening import split_address
from ..metrics import Metrics
from ..settings import Settings
from .answers import answer_word, to_grpc_code, to_metrics_response, to_response, to_status

_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
_Export = Callable[[bytes, _Context], Awaitable[bytes]]
_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"


class OtlpGrpcReceiver:
    """Listens while entered; `port` is the real one where 0 was asked for."""

    def __init__(self, intake: Intake, settings: Settings, metrics: Metrics) -> None:
        self._intake = intake
        self._metrics = metrics
        self._host, self.port = split_address(settings.listen.otlp_grpc)
        self._certificates = Certificates.of(settings.listen)
        self._server = grpc.aio.server(
            options=[
                # somewhat more than is allowed, so that the intake can say and count what was too large
                ("grpc.max_receive_message_length", 2 * settings.listen.request_bytes_max),
                ("grpc.max_concurrent_streams", 1000),
                ("grpc.so_reuseport", 0),
                # large requests in a few frames, and no probing for how much may be under way: a fifth less to receive
                ("grpc.http2.max_frame_size", 1 << 20),
                ("grpc.http2.bdp_probe", 0),
                ("grpc.http2.lookahead_bytes", 1 << 22),
            ],
            # beyond our own bound, which is counted and says when to come again
            maximum_concurrent_rpcs=2 * settings.listen.connections_max,
        )
        self._at_once, self._at_once_max = 0, settings.listen.connections_max

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Raises Unavailable when the address is taken."""
        exports: dict[str, _Export] = {
            "trace": self._export_traces,
            "logs": self._export_logs,
            "metrics": self._export_metrics,
        }
        self._server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(
                    _SERVICE.format(signal, signal.capitalize()),
                    {"Export": grpc.unary_unary_rpc_method_handler(export)},
                )
                for signal, export in exports.items()
            )
        )
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            if self._certificates:
                self.port = self._server.add_secure_port(f"{host}:{self.port}", _credentials(self._certificates))
            else:
                self.port = self._server.add_insecure_port(f"{host}:{self.port}")
        except RuntimeError:
            raise Unavailable(f"cannot listen on {self.address}; is another ordertrace running?") from None
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(5)

    async def _export_traces(self, payload: bytes, context: _Context) -> bytes:
        return await self._admit(payload, Kind.SPANS, context)

    async def _export_logs(self, payload: bytes, context: _Context) -> bytes:
        return await self._admit(payload, Kind.LOGS, context)

    async def _admit(self, payload: bytes, kind: Kind, context: _Context) -> bytes:
        self._at_once += 1
        try:
            if self._at_once > self._at_once_max:
                self._metrics.limits_hit.labels("connections").inc()
                raise Overloaded(f"{self._at_once_max} requests are being taken; send again later")
            admission = await self._intake.admit(payload, "grpc", kind)
        except OrdertraceError as error:
            await self._refuse(error, context)
        finally:
            self._at_once -= 1
        self._metrics.requests.labels("grpc", "ok").inc()
        return to_response(kind, admission).SerializeToString() if admission.refused else b""

    async def _export_metrics(self, payload: bytes, context: _Context) -> bytes:
        try:
            request = ExportMetricsServiceRequest.FromString(payload)
        except DecodeError:
            await self._refuse(
                Invalid(f"{len(payload)} bytes are not an ExportMetricsServiceRequest in protobuf"), context
            )
        self._metrics.requests.labels("grpc", "ok").inc()
        return to_metrics_response(request).SerializeToString()

    async def _refuse(self, error: OrdertraceError, context: _Context) -> NoReturn:
        self._metrics.requests.labels("grpc", answer_word(error)).inc()
        details = (("grpc-status-details-bin", to_status(error).SerializeToString()),)
        await context.abort(to_grpc_code(error), str(error), details)
        raise Internal("the answer was not given")


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Credentials that are asked for newer certificates at each handshake."""
    pem = certificates.read()

    def fetch() -> grpc.ServerCertificateConfiguration:
        changed = certificates.read_changed()
        return _configuration(changed) if changed else None  # type: ignore[return-value]  # None: as before

    return grpc.dynamic_ssl_server_credentials(_configuration(pem), fetch, pem.client_ca is not None)


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], pem.client_ca)
