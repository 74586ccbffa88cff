"""What all pages share: who looks, the frame around a page, and pages for what goes wrong. Nothing is kept between requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ..errors import Forbidden, Invalid, NotFound, OrdertraceError, Overloaded, Unavailable
from ..metrics import Metrics
from ..model.flow import Flow
from ..model.replay import Replay
from ..settings import Settings
from ..texts import Translator
from .reading import COOKIE, language_links, read_language, wants_fragment
from .rendering import render
from .viewer import Viewer

REFRESH_SECONDS = 3
YEAR_SECONDS = 31_536_000

Progress = Callable[[], tuple[Replay | None, str]]
"""The replay that runs or ran last, and what keeps it from going on."""

Endpoint = Callable[[Request], Awaitable[Response]]
_log = structlog.get_logger(__name__)


class Frame:
    """Makes viewers and pages for one company."""

    def __init__(self, flow: Flow, settings: Settings, metrics: Metrics, replay: Progress = lambda: (None, "")) -> None:
        self._replay = replay
        self._flow = flow
        self._settings = settings
        self._metrics = metrics
        self._zone = ZoneInfo(settings.company.timezone)

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint with its errors as pages, its language kept in a cookie and its answers counted."""

        async def answer(request: Request) -> Response:
            try:
                response = await endpoint(request)
            except OrdertraceError as error:
                response = self._error_page(request, error)
            except Exception as error:  # the last line of defence: a page instead of a torn connection
                _log.exception("page failed", path=request.url.path, error=type(error).__name__)
                response = self._error_page(request, error)
            if request.query_params.get("lang") == (language := self._language(request)):
                response.set_cookie(COOKIE, language, max_age=YEAR_SECONDS, httponly=True, samesite="lax")
            self._metrics.requests.labels("pages", str(response.status_code)).inc()
            return response

        return answer

    def _language(self, request: Request) -> str:
        return read_language(request, self._settings.company.language)

    def viewer(self, request: Request) -> Viewer:
        """Who asks, and when."""
        return Viewer(self._language(request), self._zone, self._flow, datetime.now(UTC))

    def page(
        self,
        name: str,
        request: Request,
        viewer: Viewer,
        values: Mapping[str, object],
        *,
        here: str,
        live: int = 0,
        search: str = "",
        status: int = 200,
    ) -> Response:
        """A template within the frame that all pages share."""
        frame = {
            "layout": "fragment.html" if wants_fragment(request) else "base.html",
            "language": viewer.language,
            "languages": language_links(request),
            "company": self._settings.company.name,
            "zone": self._settings.company.timezone,
            "clock": viewer.clock(viewer.now),
            "here": here,
            "live": live,
            "search": search,
            "replay": replay_line(*self._replay(), viewer.t),
        }
        response = render(name, viewer.language, frame | dict(values), status)
        response.headers["X-Clock"] = viewer.now.astimezone(self._zone).strftime("%H:%M:%S")
        return response

    def _error_page(self, request: Request, error: Exception) -> Response:
        viewer = self.viewer(request)
        status, title, advice = _explain(error, request, viewer.t)
        detail = str(error) if isinstance(error, Invalid) else ""
        values = {"status": status, "title": title, "advice": advice, "detail": detail}
        response = self.page("error.html", request, viewer, values, here="error", status=status)
        if isinstance(error, Overloaded):
            response.headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
        return response


def replay_line(replay: Replay | None, problem: str, t: Translator) -> str:
    """What people should know while orders are still shown by earlier rules; empty when they are not."""
    if replay is None or not replay.runs:
        return ""
    if problem:
        return t.gettext(
            "The rules have changed, but history cannot be worked through now; “ordertrace doctor” says why."
        )
    share = f"{int(replay.share * 100)} %"
    return t.gettext(
        "The rules have changed: history is being worked through, %(share)s done. Until then orders are shown by the old rules.",
        share=share,
    )


def _explain(error: Exception, request: Request, t: Translator) -> tuple[int, str, str]:
    """Status, title and advice for an error."""
    if isinstance(error, Invalid):
        return (
            400,
            t.gettext("This address does not work"),
            t.gettext("A part of it is not understood. Start again from the list."),
        )
    if isinstance(error, NotFound) and "order_id" in request.path_params:
        title = t.gettext("Order %(order)s is not known", order=unquote(request.path_params["order_id"])[:80])
        advice = t.gettext("Is the number right? An order appears as soon as a system has sent telemetry about it.")
        return 404, title, advice
    if isinstance(error, NotFound) and "message" in request.path_params:
        title = t.gettext("Message %(name)s is not known", name=unquote(request.path_params["message"])[:80])
        return 404, title, t.gettext("It has not been seen, or so long ago that it is not kept any more.")
    if isinstance(error, NotFound):
        return 404, t.gettext("There is no such page"), t.gettext("Perhaps the link is old or has been cut off.")
    if isinstance(error, Forbidden):
        return 403, t.gettext("You may not see this"), t.gettext("Ask an administrator for access.")
    if isinstance(error, Overloaded):
        return 429, t.gettext("Too much at once"), t.gettext("Try again in a few seconds.")
    if isinstance(error, Unavailable):
        advice = t.gettext("The store does not answer. What was received is safe; try again in a minute.")
        return 503, t.gettext("Not available at the moment"), advice
    return 500, t.gettext("Something broke here"), t.gettext("It is our mistake and has been recorded. Try again.")
