"""The page of one trace: its spans as a tree over time, each with all that its sender said."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..errors import NotFound
from ..store.traces import TraceStore
from .frame import Frame
from .views_trace import build_trace_view

SPANS_MAX = 500


class TracePages:
    """The endpoint; without a store of traces it knows none."""

    def __init__(self, frame: Frame, traces: TraceStore | None) -> None:
        self._frame = frame
        self._traces = traces

    async def trace(self, request: Request) -> Response:
        viewer, trace_id = self._frame.viewer(request), request.path_params["trace_id"]
        if self._traces is None:
            raise NotFound(f"trace {trace_id}")
        page = await self._traces.find_spans(trace_id.lower(), SPANS_MAX)
        view = build_trace_view(trace_id.lower(), page, viewer)
        return self._frame.page("trace.html", request, viewer, {"view": view}, here="order")
