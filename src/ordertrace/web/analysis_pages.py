"""The pages about many orders: variants, funnel, bottlenecks, and what sets troubled orders apart. One period for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from ..analysis.reader import AnalysisReader
from ..errors import Invalid, NotFound
from ..model.analysis import Period
from ..model.order import DiagnosisKind, OrderFilter, OrderState
from .frame import Frame
from .reading import ROWS, read_text
from .viewer import Viewer
from .views_bottlenecks import build_bottlenecks_view
from .views_differences import build_differences_view
from .views_funnel import build_funnel_view
from .views_variants import build_variant_view, build_variants_view

VARIANTS_SHOWN = 25
DIFFERENCES_SHOWN = 40
_PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30), "all": None}
_ORDERS_ENOUGH = 100  # the shortest period with so many orders is shown where none is asked for


@dataclass(frozen=True, slots=True)
class Asked:
    """Which period a page is about, and what keeps it in addresses."""

    name: str
    period: Period
    choices: tuple[tuple[str, str, bool], ...]  # title, address, whether it is this one
    query: str


class AnalysisPages:
    """The endpoints; `reader` is None where a site shows single orders only."""

    def __init__(self, frame: Frame, reader: AnalysisReader | None) -> None:
        self._frame = frame
        self._reader = reader

    async def variants(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        asked = await self._asked(request, viewer)
        found = await self._analysis().get_variants(asked.period, VARIANTS_SHOWN, viewer.now)
        return self._page("variants.html", request, viewer, asked, build_variants_view(found, asked.query, viewer))

    async def variant(self, request: Request) -> Response:
        viewer, state = self._frame.viewer(request), read_text(request, "state")
        if state and state not in list(OrderState):
            raise Invalid(f"state={state!r}: {', '.join(OrderState)}")
        asked = await self._asked(request, viewer)
        wanted = OrderFilter(state=state, limit=ROWS, cursor=read_text(request, "cursor"))
        name = request.path_params["variant"]
        path, page = await self._analysis().find_variant_orders(name, asked.period, wanted, viewer.now)
        view = build_variant_view(name, path, page, wanted, asked.name, viewer)
        return self._page("variant.html", request, viewer, asked, view)

    async def funnel(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        asked = await self._asked(request, viewer)
        found = await self._analysis().get_funnel(asked.period, viewer.now)
        return self._page("funnel.html", request, viewer, asked, build_funnel_view(found, viewer))

    async def bottlenecks(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        asked = await self._asked(request, viewer)
        found = await self._analysis().get_bottlenecks(asked.period, viewer.now)
        return self._page("bottlenecks.html", request, viewer, asked, build_bottlenecks_view(found, viewer))

    async def differences(self, request: Request) -> Response:
        viewer, kind, state = self._frame.viewer(request), read_text(request, "kind"), read_text(request, "state")
        if kind and kind not in list(DiagnosisKind):
            raise Invalid(f"kind={kind!r}: {', '.join(DiagnosisKind)}")
        if state not in ("", OrderState.STUCK, OrderState.FAILED):
            raise Invalid(f"state={state!r}: stuck, failed")
        status, variant = read_text(request, "status"), read_text(request, "variant")
        asked = await self._asked(request, viewer)
        found = await self._analysis().get_differences(
            asked.period, viewer.now, state, kind, status, variant, DIFFERENCES_SHOWN
        )
        view = build_differences_view(found, OrderFilter(state=state, status=status), kind, variant, viewer)
        return self._page("differences.html", request, viewer, asked, view)

    async def _asked(self, request: Request, viewer: Viewer) -> Asked:
        name = read_text(request, "period")
        if name and name not in _PERIODS:
            raise Invalid(f"period={name!r}: {', '.join(_PERIODS)}")
        if not name:
            lengths = [length for length in _PERIODS.values() if length]
            counts = await self._analysis().count_since([viewer.now - length for length in lengths])
            name = next((n for n, count in zip(_PERIODS, counts, strict=False) if count >= _ORDERS_ENOUGH), "all")
        length = _PERIODS[name]
        kept = [(k, v) for k, v in request.query_params.multi_items() if k not in ("period", "lang", "cursor")]
        t = viewer.t
        titles = {
            "day": t.gettext("24 hours"),
            "week": t.gettext("7 days"),
            "month": t.gettext("30 days"),
            "all": t.gettext("All"),
        }
        choices = tuple((title, f"?{urlencode([*kept, ('period', n)])}", n == name) for n, title in titles.items())
        period = Period(since=viewer.now - length if length else None)
        return Asked(name, period, choices, urlencode({"period": name}))

    def _page(self, name: str, request: Request, viewer: Viewer, asked: Asked, view: object) -> Response:
        values = {
            "view": view,
            "periods": asked.choices,
            "query": asked.query,
            "period": asked.name,
            "tab": name.removesuffix(".html"),
        }
        return self._frame.page(name, request, viewer, values, here="analysis")

    def _analysis(self) -> AnalysisReader:
        if self._reader is None:
            raise NotFound("nothing is analysed here")
        return self._reader
