"""The other backend: takes OTLP requests over HTTP or gRPC, and says whether it is worth trying again."""

from __future__ import annotations

import gzip
import ssl
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

import grpc
import httpx2
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ..errors import Invalid, Overloaded, Unavailable
from ..settings.sections import ForwardSettings

_SIGNALS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_LATER = (408, 429, 500, 502, 503, 504)
_LATER_CODES = frozenset(
    (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    )
)


class Backend(Protocol):
    """Open while entered."""

    async def send(self, signal: str, request: Message) -> int:
        """Sends `traces` or `logs`; returns how many of it were rejected.

        Raises Overloaded (come again later, in so many seconds), Unavailable (later) or Invalid (never).
        """
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def build_backend(settings: ForwardSettings) -> Backend:
    """For `http://`, `https://` (OTLP/HTTP) or `grpc://`, `grpcs://`. Raises Invalid."""
    scheme = urlsplit(settings.url).scheme
    if scheme in ("http", "https"):
        return HttpBackend(settings)
    if scheme in ("grpc", "grpcs"):
        return GrpcBackend(settings)
    raise Invalid(f"forward.url {settings.url!r}: write http://host:4318, https://…, grpc://host:4317 or grpcs://…")


class HttpBackend:
    """OTLP over HTTP, protobuf, gzip."""

    def __init__(self, settings: ForwardSettings) -> None:
        self._url = settings.url.rstrip("/").removesuffix("/v1/traces")
        self._headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"} | read_headers(settings)
        verify = ssl.create_default_context(cafile=settings.tls_ca or None) if self._url.startswith("https") else True
        self._http = httpx2.AsyncClient(timeout=settings.timeout.total_seconds(), trust_env=False, verify=verify)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, signal: str, request: Message) -> int:
        """As `Backend` says."""
        body = gzip.compress(request.SerializeToString(deterministic=True), 1)
        try:
            answer = await self._http.post(f"{self._url}/v1/{signal}", content=body, headers=self._headers)
        except httpx2.HTTPError as error:
            raise Unavailable(f"no answer from {self._url} ({type(error).__name__})") from None
        if answer.status_code in _LATER:
            after = answer.headers.get("retry-after", "")
            if after.isascii() and after.isdigit():
                raise Overloaded(f"{self._url} answers {answer.status_code}", float(after))
            raise Unavailable(f"{self._url} answers {answer.status_code}")
        if not answer.is_success:
            raise Invalid(f"{self._url} answers {answer.status_code}")
        return _rejected(answer.content)


class GrpcBackend:
    """OTLP over gRPC."""

    def __init__(self, settings: ForwardSettings) -> None:
        parts = urlsplit(settings.url)
        options = [("grpc.max_send_message_length", -1)]
        if parts.scheme == "grpcs":
            ca = Path(settings.tls_ca).read_bytes() if settings.tls_ca else None
            self._channel = grpc.aio.secure_channel(parts.netloc, grpc.ssl_channel_credentials(ca), options)
        else:
            self._channel = grpc.aio.insecure_channel(parts.netloc, options)
        self._name = settings.url
        self._timeout = settings.timeout.total_seconds()
        self._metadata = tuple((name.lower(), value) for name, value in read_headers(settings).items())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def send(self, signal: str, request: Message) -> int:
        """As `Backend` says."""
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(_SIGNALS[signal])
        body = request.SerializeToString(deterministic=True)
        try:
            answer = await call(body, timeout=self._timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            kind = Unavailable if error.code() in _LATER_CODES else Invalid
            raise kind(f"{self._name} answers {error.code().name}") from None
        return _rejected(answer)


def read_headers(settings: ForwardSettings) -> dict[str, str]:
    """`name: value` lines of the headers' file. Raises Invalid."""
    if not settings.headers_file:
        return {}
    try:
        lines = Path(settings.headers_file).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"forward.headers_file {settings.headers_file}: cannot be read") from None
    pairs = [line.partition(":") for line in lines if line.strip()]
    if not all(colon for _, colon, _ in pairs):
        raise Invalid(f"forward.headers_file {settings.headers_file}: write a line `name: value` for each header")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _rejected(answer: bytes) -> int:
    """Of a partial success; for logs it looks the same in protobuf."""
    try:
        return int(ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
    except DecodeError:
        return 0
