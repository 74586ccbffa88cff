"""An HTTP listener in our own event loop: uvicorn without its signal handling, for every port that speaks HTTP.

Also: whether a request was sent by a page of another site, which no port may act upon.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import uvicorn

from .certificates import Certificates
from .errors import Invalid, Unavailable

_DATE_SECONDS = 1.0


def split_address(address: str) -> tuple[str, int]:
    """`"127.0.0.1:8080"` → `("127.0.0.1", 8080)`; `[::1]:0` works too. Raises Invalid."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise Invalid(f"address {address!r}: write host:port, as in 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def is_cross_site(headers: Mapping[str, str], *, from_browser: bool = False) -> bool:
    """Whether a browser says that a page of another origin sent this request (Fetch Metadata, else Origin).

    A program that is no browser says neither and may pass, unless the request can only come from a browser.
    """
    if site := headers.get("sec-fetch-site", ""):
        return site not in ("same-origin", "none")
    if origin := headers.get("origin", ""):
        return urlsplit(origin).netloc != headers.get("host", "")
    return from_browser


class _Server(uvicorn.Server):
    """Sleeps between requests, where uvicorn's own loop looks ten times a second whether it should end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """No more requests; those under way are finished."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """Sets the header with the date each second, until `end`."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_DATE_SECONDS):
                    await self._ending.wait()


class HttpListener:
    """Serves an ASGI application on one address while entered; `port` is the real one where 0 was asked for."""

    def __init__(
        self,
        application: Any,
        address: str,
        connections_max: int,
        certificates: Certificates | None = None,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """`refused` is told of each request that came over more connections than are allowed."""
        self._host, self.port = split_address(address)
        context = certificates.context() if certificates else None
        self._application, self._connections_max, self._refused = application, connections_max, refused
        self._config = uvicorn.Config(
            self._limited,
            interface="asgi3",
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            ssl_context_factory=(lambda *_: context) if context else None,
        )
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Raises Unavailable when the address is taken."""
        listening = self._bind()
        self._task = asyncio.create_task(self._server._serve([listening]), name=f"http {self.address}")
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.end()
        if self._task:
            await self._task

    async def _limited(self, scope: Any, receive: Any, send: Any) -> None:
        if len(self._server.server_state.connections) <= self._connections_max:
            await self._application(scope, receive, send)
            return
        self._refused()
        text = b"there are too many connections; come again later\n"
        headers = [(b"retry-after", b"1"), (b"connection", b"close"), (b"content-type", b"text/plain")]
        headers.append((b"content-length", str(len(text)).encode()))
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self._host, self.port))
        except OSError as error:
            listening.close()
            raise Unavailable(
                f"cannot listen on {self.address}: {error.strerror}; is another ordertrace running?"
            ) from None
        self.port = listening.getsockname()[1]
        return listening
