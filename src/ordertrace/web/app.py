"""The pages: board, order, search, systems, messages, queues, incidents, static files, and pages for what goes wrong.

`build_web` gives the routes to mount beside the API; `build_fallback` the page for unknown addresses, to be
mounted after everything else. Nothing here is kept between requests.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..analysis.reader import AnalysisReader
from ..errors import NotFound
from ..metrics import Metrics
from ..model.incident import Incident
from ..model.log import LogPage
from ..model.order import OrderFilter, OrderState
from ..orders.incident_keeper import IncidentKeeper
from ..orders.reader import OrderReader
from ..orders.resending import Resending
from ..orders.trial import RuleTrials
from ..settings import Settings
from ..store.logs import LogStore
from ..store.messages import MessageStore
from ..store.traces import TraceStore
from .analysis_pages import AnalysisPages
from .frame import REFRESH_SECONDS, YEAR_SECONDS, Frame, Progress
from .incident_pages import IncidentPages
from .reading import read_filter, read_search
from .rendering import SECURITY_HEADERS, static_content
from .rule_pages import RulePages
from .trace_pages import TracePages
from .views_board import build_board_view
from .views_incidents import build_incident_line
from .views_logs import build_logs_view
from .views_order import build_order_view
from .views_orders import build_row, order_url
from .views_rules import rules_url
from .views_systems import build_advice, build_systems_view
from .watch_pages import Sights, WatchPages

REFRESH_ENDED_SECONDS = 30  # an order that has ended hardly changes any more
REFRESH_SYSTEMS_SECONDS = 15  # as often as coverage is measured
SEARCH_ROWS = 50
LOG_RECORDS_MAX = 100


class OrderPages:
    """The endpoints about orders, with what they need."""

    def __init__(
        self,
        frame: Frame,
        reader: OrderReader,
        settings: Settings,
        incidents: IncidentKeeper | None = None,
        logs: LogStore | None = None,
    ) -> None:
        self._logs = logs
        self._frame = frame
        self._reader = reader
        self._settings = settings
        self._incidents = incidents

    async def board(self, request: Request) -> Response:
        viewer, wanted = self._frame.viewer(request), read_filter(request)
        board, page = await asyncio.gather(
            self._reader.get_board(viewer.now), self._reader.find_orders(wanted, viewer.now)
        )
        view = build_board_view(board, page, wanted, self._reader.get_sights(), viewer)
        listen = self._settings.listen
        values = {"board": view, "otlp_grpc": listen.otlp_grpc, "otlp_http": listen.otlp_http}
        return self._frame.page("board.html", request, viewer, values, here="board", live=REFRESH_SECONDS)

    async def order(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        order_id = unquote(request.path_params["order_id"])
        timeline, troubles, logs = await asyncio.gather(
            self._reader.get_timeline(order_id, viewer.now), self._troubles_of(order_id), self._logs_of(order_id)
        )
        ended = timeline.order.state in (OrderState.CLOSED, OrderState.CANCELLED)
        surer = await self._reader.get_surer(timeline.order, viewer.now)
        values = {
            "order": build_order_view(timeline, viewer),
            "surer": build_advice(surer, viewer) if surer else None,
            "incidents": [build_incident_line(incident, viewer) for incident in troubles],
            "logs": build_logs_view(logs, viewer),
            "rules_url": rules_url(order_id),
        }
        live = REFRESH_ENDED_SECONDS if ended else REFRESH_SECONDS
        return self._frame.page("order.html", request, viewer, values, here="order", live=live)

    async def systems(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        view = build_systems_view(await self._reader.get_systems(viewer.now), viewer)
        return self._frame.page(
            "systems.html", request, viewer, {"view": view}, here="systems", live=REFRESH_SYSTEMS_SECONDS
        )

    async def search(self, request: Request) -> Response:
        viewer, text = self._frame.viewer(request), read_search(request)
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
        return self._frame.page("search.html", request, viewer, values, here="search", search=text)

    async def static(self, request: Request) -> Response:
        try:
            content, media_type, version = static_content(request.path_params["name"])
        except KeyError:
            raise NotFound(request.url.path) from None
        known = request.query_params.get("v") == version
        caching = f"public, max-age={YEAR_SECONDS}, immutable" if known else "no-cache"
        headers = SECURITY_HEADERS | {"Cache-Control": caching, "ETag": f'"{version}"'}
        if request.headers.get("if-none-match") == f'"{version}"':
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    async def unknown(self, request: Request) -> Response:
        raise NotFound(request.url.path)

    async def _troubles_of(self, order_id: str) -> list[Incident]:
        return await self._incidents.of_order(order_id) if self._incidents else []

    async def _logs_of(self, order_id: str) -> LogPage:
        return await self._logs.find_latest(order_id, LOG_RECORDS_MAX) if self._logs else LogPage((), None)

    async def _exists(self, order_id: str, now: datetime) -> bool:
        try:
            await self._reader.get_timeline(order_id, now)
        except NotFound:
            return False
        return True


def build_web(
    reader: OrderReader,
    settings: Settings,
    metrics: Metrics,
    messages: MessageStore | None = None,
    sights: Sights | None = None,
    incidents: IncidentKeeper | None = None,
    resending: Resending | None = None,
    logs: LogStore | None = None,
    analysis: AnalysisReader | None = None,
    traces: TraceStore | None = None,
    replay: Progress = lambda: (None, ""),
    trials: RuleTrials | None = None,
) -> list[BaseRoute]:
    """Routes of all pages. `messages` and `sights` (of the running watch) are there where a broker is watched."""
    frame = Frame(reader.flow, settings, metrics, replay)
    orders = OrderPages(frame, reader, settings, incidents, logs)
    watch, trouble = WatchPages(frame, messages, sights, resending), IncidentPages(frame, incidents)
    many = AnalysisPages(frame, analysis)
    return [
        Route("/", frame.guarded(orders.board)),
        Route("/search", frame.guarded(orders.search)),
        Route("/orders/{order_id:path}", frame.guarded(orders.order)),
        Route("/traces/{trace_id}", frame.guarded(TracePages(frame, traces).trace)),
        Route("/systems", frame.guarded(orders.systems)),
        Route("/messages", frame.guarded(watch.messages)),
        Route("/messages/{message:path}/republish", frame.guarded(watch.republish), methods=["POST"]),
        Route("/messages/{message:path}", frame.guarded(watch.message)),
        Route("/queues", frame.guarded(watch.queues)),
        Route("/incidents", frame.guarded(trouble.incidents)),
        Route("/incidents/{incident}", frame.guarded(trouble.incident)),
        Route("/incidents/{incident}/{step}", frame.guarded(trouble.act), methods=["POST"]),
        Route("/analysis", frame.guarded(many.variants)),
        Route("/analysis/funnel", frame.guarded(many.funnel)),
        Route("/analysis/bottlenecks", frame.guarded(many.bottlenecks)),
        Route("/analysis/differences", frame.guarded(many.differences)),
        Route("/analysis/variants/{variant}", frame.guarded(many.variant)),
        Route("/rules", frame.guarded(RulePages(frame, trials).rules)),
        Route("/static/{name}", frame.guarded(orders.static)),
    ]


def build_fallback(reader: OrderReader, settings: Settings, metrics: Metrics) -> BaseRoute:
    """The page for addresses that nothing else answers; it takes every path, so it comes last."""
    frame = Frame(reader.flow, settings, metrics)
    return Route("/{path:path}", frame.guarded(OrderPages(frame, reader, settings).unknown))
