"""Reading the spans of a trace as they came. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ..errors import NotFound
from .cursor import offset_of
from .store import Store
from .to_otlp import to_trace_request


@dataclass(frozen=True, slots=True)
class TracePage:
    """Some spans of a trace, as the request that would bring them, and the cursor of the next page."""

    request: ExportTraceServiceRequest
    next_cursor: str | None


class TraceStore:
    """Spans in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find_spans(self, trace_id: str, limit: int, cursor: str = "") -> TracePage:
        """One page of a trace, earliest spans first.

        Raises NotFound where nothing is kept of it, Invalid for a cursor that is not ours.
        """
        offset = offset_of(cursor)
        rows = await self._store.query("trace_spans", {"trace": trace_id, "limit": limit + 1, "offset": offset})
        if not rows and not offset:
            raise NotFound(f"no span is kept of trace {trace_id}; is the id right, and is it not too old?")
        more = str(offset + limit) if len(rows) > limit else None
        return TracePage(to_trace_request(rows[:limit]), more)
