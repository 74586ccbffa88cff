"""The pages: board, order, search, static files, and pages for what goes wrong.

`build_web` gives the routes to mount beside the API; `build_fallback` the page for unknown addresses, to be
mounted after everything else. Nothing here is kept between requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..errors import Forbidden, Invalid, NotFound, OrdertraceError, Overloaded, Unavailable
from ..metrics import Metrics
from ..model.order import OrderFilter, OrderState
from ..orders.reader import OrderReader
from ..settings import Settings
from ..texts import Translator
from .reading import COOKIE, language_links, read_filter, read_language, read_search, wants_fragment
from .rendering import SECURITY_HEADERS, render, static_content
from .viewer import Viewer
from .views_board import build_board_view
from .views_order import build_order_view
from .views_orders import build_row, order_url

REFRESH_SECONDS = 3
REFRESH_ENDED_SECONDS = 30  # an order that has ended hardly changes any more
SEARCH_ROWS = 50
_YEAR_SECONDS = 31_536_000

Endpoint = Callable[[Request], Awaitable[Response]]
_log = structlog.get_logger(__name__)


class Pages:
    """The endpoints, with what they need."""

    def __init__(self, reader: OrderReader, settings: Settings, metrics: Metrics) -> None:
        self._reader = reader
        self._settings = settings
        self._metrics = metrics
        self._zone = ZoneInfo(settings.company.timezone)

    async def board(self, request: Request) -> Response:
        viewer, wanted = self._viewer(request), read_filter(request)
        board = await self._reader.get_board(viewer.now)
        page = await self._reader.find_orders(wanted, viewer.now)
        sights = await self._reader.get_systems(viewer.now)
        view = build_board_view(board, page, wanted, sights, viewer)
        listen = self._settings.listen
        values = {"board": view, "otlp_grpc": listen.otlp_grpc, "otlp_http": listen.otlp_http}
        return self._page("board.html", request, viewer, values, here="board", live=REFRESH_SECONDS)

    async def order(self, request: Request) -> Response:
        viewer = self._viewer(request)
        order_id = unquote(request.path_params["order_id"])
        timeline = await self._reader.get_timeline(order_id, viewer.now)
        ended = timeline.order.state in (OrderState.CLOSED, OrderState.CANCELLED)
        values = {"order": build_order_view(timeline, viewer)}
        live = REFRESH_ENDED_SECONDS if ended else REFRESH_SECONDS
        return self._page("order.html", request, viewer, values, here="order", live=live)

    async def search(self, request: Request) -> Response:
        viewer, text = self._viewer(request), read_search(request)
        if not text:
            return RedirectResponse("/", 303, SECURITY_HEADERS)
        page = await self._reader.find_orders(OrderFilter(q=text, sort="id", limit=SEARCH_ROWS), viewer.now)
        if any(order.id == text for order in page.orders) or (
            page.next_cursor and await self._exists(text, viewer.now)
        ):
            return RedirectResponse(order_url(text), 303, SECURITY_HEADERS)
        count = sum(page.counts.values()) or len(page.orders)
        t = viewer.t
        headline = t.ngettext("%(num)s order with “%(text)s”", "%(num)s orders with “%(text)s”", count, text=text)
        if not page.orders:
            headline = t.gettext("No order with “%(text)s”", text=text)
        rows = [build_row(order, viewer) for order in page.orders]
        values = {"rows": rows, "headline": headline, "more": bool(page.next_cursor)}
        return self._page("search.html", request, viewer, values, here="search", search=text)

    async def static(self, request: Request) -> Response:
        try:
            content, media_type, version = static_content(request.path_params["name"])
        except KeyError:
            raise NotFound(request.url.path) from None
        known = request.query_params.get("v") == version
        caching = f"public, max-age={_YEAR_SECONDS}, immutable" if known else "no-cache"
        headers = SECURITY_HEADERS | {"Cache-Control": caching, "ETag": f'"{version}"'}
        if request.headers.get("if-none-match") == f'"{version}"':
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    async def unknown(self, request: Request) -> Response:
        raise NotFound(request.url.path)

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
                response.set_cookie(COOKIE, language, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
            self._metrics.requests.labels("pages", str(response.status_code)).inc()
            return response

        return answer

    async def _exists(self, order_id: str, now: datetime) -> bool:
        try:
            await self._reader.get_timeline(order_id, now)
        except NotFound:
            return False
        return True

    def _language(self, request: Request) -> str:
        return read_language(request, self._settings.company.language)

    def _viewer(self, request: Request) -> Viewer:
        return Viewer(self._language(request), self._zone, self._reader.flow, datetime.now(UTC))

    def _page(
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
        }
        response = render(name, viewer.language, frame | dict(values), status)
        response.headers["X-Clock"] = viewer.now.astimezone(self._zone).strftime("%H:%M:%S")
        return response

    def _error_page(self, request: Request, error: Exception) -> Response:
        viewer = self._viewer(request)
        status, title, advice = _explain(error, request, viewer.t)
        detail = str(error) if isinstance(error, Invalid) else ""
        values = {"status": status, "title": title, "advice": advice, "detail": detail}
        response = self._page("error.html", request, viewer, values, here="error", status=status)
        if isinstance(error, Overloaded):
            response.headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
        return response


def build_web(reader: OrderReader, settings: Settings, metrics: Metrics) -> list[BaseRoute]:
    """Routes of all pages."""
    pages = Pages(reader, settings, metrics)
    return [
        Route("/", pages.guarded(pages.board)),
        Route("/search", pages.guarded(pages.search)),
        Route("/orders/{order_id:path}", pages.guarded(pages.order)),
        Route("/static/{name}", pages.guarded(pages.static)),
    ]


def build_fallback(reader: OrderReader, settings: Settings, metrics: Metrics) -> BaseRoute:
    """The page for addresses that nothing else answers; it takes every path, so it comes last."""
    pages = Pages(reader, settings, metrics)
    return Route("/{path:path}", pages.guarded(pages.unknown))


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
