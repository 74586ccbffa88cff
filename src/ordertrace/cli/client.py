"""Asks a running server through its API."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import httpx2

from ..errors import Invalid, NotFound, OrdertraceError, Unavailable
from ..settings import Settings

_TIMEOUT_SECONDS = 30.0


def api_url(api: str | None, settings: Settings) -> str:
    """The server's address: as given, or as the settings have it listen. Raises Invalid."""
    scheme = "https" if settings.listen.tls_certificate else "http"
    url = (api or f"{scheme}://{settings.listen.web}").rstrip("/").removesuffix("/api/v1")
    if not url.startswith(("http://", "https://")):
        raise Invalid(f"--api {url!r}: write it as http://127.0.0.1:8080")
    return url


def trust_of(url: str) -> ssl.SSLContext | bool:
    """Whom to trust at this address: the system's authorities, or those of `SSL_CERT_FILE`."""
    return ssl.create_default_context() if url.startswith("https:") else True


class ApiClient:
    """A connection to one server; answers as plain JSON objects."""

    def __init__(self, url: str, language: str) -> None:
        self.url = url
        self._http = httpx2.Client(
            base_url=url,
            timeout=_TIMEOUT_SECONDS,
            headers={"Accept-Language": language},
            trust_env=False,
            verify=trust_of(url),
        )

    def get(self, path: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON at a path. Raises the error that the answer's problem stands for, Unavailable if nobody answers."""
        return self.get_page(path, parameters)[0]

    def get_page(self, path: str, parameters: dict[str, Any] | None = None) -> tuple[dict[str, Any], str | None]:
        """The same, with the cursor of the next page where the answer's header names one."""
        return self._answer("GET", path, params=parameters or {})

    def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """The answer to a JSON object sent to a path. Raises as `get` does."""
        return self._answer("POST", path, json=content)[0]

    def _answer(self, method: str, path: str, **sent: Any) -> tuple[dict[str, Any], str | None]:
        try:
            answer = self._http.request(method, path, **sent)
        except httpx2.HTTPError as error:
            hint = "is it running (ordertrace serve), and is --api right?"
            raise Unavailable(f"no answer from {self.url} ({type(error).__name__}); {hint}") from None
        try:
            content = answer.json()
        except ValueError:
            raise Unavailable(f"{self.url} does not answer as ordertrace does; is --api right?") from None
        if answer.is_success and isinstance(content, dict):
            following = answer.headers.get("x-next")
            return content, None if following is None else unquote(following)
        raise _error(answer.status_code, content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()


def _error(status: int, content: object) -> OrdertraceError:
    detail = content.get("detail") if isinstance(content, dict) else None
    text = str(detail or f"the server answered with status {status}")
    return {400: Invalid, 404: NotFound}.get(status, Unavailable)(text)
