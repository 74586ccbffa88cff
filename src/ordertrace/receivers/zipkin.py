"""Zipkin over HTTP (9411): `POST /api/v2/spans` in JSON or protobuf; gzip, zstd. Errors are one line of text."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from ..errors import NotFound, OrdertraceError
from ..ingest.intake import Intake
from ..ingest.kinds import Kind
from ..ingest.zipkin import to_json
from ..metrics import Metrics
from ..settings import Settings
from .answers import answer_word
from .bodies import WrongMethod, WrongType, to_status_and_headers
from .http_receiver import HttpReceiver

_PATH = "/api/v2/spans"
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"


class ZipkinReceiver(HttpReceiver):
    """Listens while entered; `port` is the real one where 0 was asked for."""

    def __init__(self, intake: Intake, settings: Settings, metrics: Metrics) -> None:
        super().__init__(self._take, settings.listen.zipkin, intake, settings, metrics)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        failure: OrdertraceError | None = None
        try:
            await self._admit(scope, receive)
        except OrdertraceError as error:
            failure = error
        self._metrics.requests.labels("zipkin", answer_word(failure)).inc()
        await _send(send, failure)

    async def _admit(self, scope: Scope, receive: Receive) -> None:
        if scope["path"] != _PATH:
            raise NotFound(f"there is nothing at {scope['path']}; Zipkin spans are taken at {_PATH}")
        if scope["method"] != "POST":
            raise WrongMethod(f"{scope['method']} {_PATH}: use POST")
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        content_type = headers.get(b"content-type", "").split(";")[0].strip().lower()
        if content_type not in (_PROTOBUF, _JSON):
            raise WrongType(f"content type {content_type[:80]!r}: send {_JSON} or {_PROTOBUF}")
        body = await self._bodies.read(headers, receive)
        await self._intake.admit(to_json(body) if content_type == _PROTOBUF else body, "zipkin", Kind.ZIPKIN)


async def _send(send: Send, failure: OrdertraceError | None) -> None:
    status, headers, body = 202, list[tuple[bytes, bytes]](), b""
    if failure is not None:
        status, headers = to_status_and_headers(failure)
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
        body = f"{failure}\n".encode()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
