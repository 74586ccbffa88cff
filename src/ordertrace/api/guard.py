"""What holds for every answer of the API: headers of safety, HEAD beside GET, and no error without an answer."""

from __future__ import annotations

import uuid
from http import HTTPStatus

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import to_problem

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware around the whole API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        head = scope["method"] == "HEAD"
        answer = _Answer(send, head)
        try:
            await self.app({**scope, "method": "GET"} if head else scope, receive, answer.send)
        except Exception as error:
            instance = f"urn:uuid:{uuid.uuid4()}"
            log.error("A request failed", path=scope["path"], instance=instance, exc_info=error)
            if answer.started:
                raise
            detail = "this is a fault of ordertrace itself; its log has more under the instance"
            await to_problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, instance=instance)(scope, receive, answer.send)


class _Answer:
    def __init__(self, send: Send, head: bool) -> None:
        self._send = send
        self._head = head
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        elif self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)
