"""A collector that keeps what it gets: real OTLP over gRPC and HTTP on free ports, spans in a list."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True)
class Seen:
    """A span, the service that sent it and the way it came."""

    service: str
    transport: str
    span: Span
    attributes: dict[str, Any]


_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Collector:
    """Listens while it is entered; `seen` grows."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._grpc = grpc.server(ThreadPoolExecutor(2))
        export = grpc.unary_unary_rpc_method_handler(
            self._export, ExportTraceServiceRequest.FromString, ExportTraceServiceResponse.SerializeToString
        )
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Export": export}),))
        self.grpc_address = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._build_http())
        self.http_url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def _export(self, request: ExportTraceServiceRequest, _: object) -> ExportTraceServiceResponse:
        self._keep("grpc", request)
        return ExportTraceServiceResponse()

    def __enter__(self) -> Collector:
        self._grpc.start()
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._grpc.stop(1).wait()
        self._http.shutdown()
        self._http.server_close()

    def _keep(self, transport: str, request: ExportTraceServiceRequest) -> None:
        for group in request.resource_spans:
            service = next(each.value.string_value for each in group.resource.attributes if each.key == "service.name")
            for scope in group.scope_spans:
                self.seen.extend(Seen(service, transport, span, _attributes(span)) for span in scope.spans)

    def _build_http(self) -> type[BaseHTTPRequestHandler]:
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                keep("http", ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


def _attributes(span: Span) -> dict[str, Any]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in span.attributes}
