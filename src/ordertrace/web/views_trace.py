"""One trace for a reader: a tree of spans over time, and what their sender said about each. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from ..store.traces import TracePage
from .viewer import SystemMark, Viewer

_WIDTH = 1000.0  # of a row's picture; a bar is never narrower than a hundredth of it
_DEPTH_MAX = 12
_VALUE_CHARACTERS_MAX = 2_000
_KINDS = {"bool_value": "bool", "int_value": "int", "double_value": "double", "bytes_value": "bytes"} | {
    "array_value": "array",
    "kvlist_value": "map",
}
_SAMPLED, _RANDOM, _IS_REMOTE = 0x1, 0x2, 0x200  # bits of OTLP's flags


@dataclass(frozen=True, slots=True)
class Value:
    """An attribute; `kind` is empty for a text."""

    key: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Part:
    """A list of values under a heading: of the span, an event, a link, its scope or its resource."""

    title: str
    note: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One span: `x` and `width` of its bar, its indent, what its sender `dropped`, its trace `context`, and all that was said."""

    span_id: str
    system: SystemMark
    name: str
    kind: str
    clock: str
    title: str
    took: str
    x: float
    width: float
    indent: int
    error: str
    bad: bool
    dropped: tuple[str, ...]
    context: tuple[str, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TraceView:
    """The trace; `more` where not all of its spans are shown."""

    trace_id: str
    clock: str
    title: str
    size: str
    rows: tuple[SpanRow, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class _Told:
    span: Span
    scope: ScopeSpans
    resource: ResourceSpans


def build_trace_view(trace_id: str, page: TracePage, viewer: Viewer) -> TraceView:
    """The page for one reader; there is at least one span."""
    told = [
        _Told(span, scope, resource)
        for resource in page.request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    start = min(one.span.start_time_unix_nano for one in told)
    lasted = max(one.span.end_time_unix_nano for one in told) - start or 1
    began = datetime.fromtimestamp(start / 1e9, UTC)
    t = viewer.t
    spans = t.ngettext("%(num)s span", "%(num)s spans", len(told))
    return TraceView(
        trace_id=trace_id,
        clock=viewer.clock(began),
        title=viewer.exact(began),
        size=f"{spans} · {viewer.lasting(lasted / 1e9)}",
        rows=tuple(_row(one, depth, start, lasted, viewer) for one, depth in _in_tree(told)),
        more=page.next_cursor is not None,
    )


def _in_tree(told: Sequence[_Told]) -> Iterator[tuple[_Told, int]]:
    """Spans behind their parents, siblings by time; one whose parent is not there begins a tree of its own."""
    known = {one.span.span_id for one in told}
    below: dict[bytes, list[_Told]] = {}
    for one in sorted(told, key=lambda one: one.span.start_time_unix_nano):
        parent = one.span.parent_span_id
        below.setdefault(parent if parent in known and parent != one.span.span_id else b"", []).append(one)
    waiting = [(one, 0) for one in reversed(below.pop(b"", []))]
    while waiting or below:
        if not waiting:  # spans that name each other as parents
            waiting = [(one, 0) for one in reversed(below.pop(next(iter(below))))]
        one, depth = waiting.pop()
        yield one, depth
        waiting += [(child, depth + 1) for child in reversed(below.pop(one.span.span_id, []))]


def _row(told: _Told, depth: int, start: int, lasted: int, viewer: Viewer) -> SpanRow:
    span, failed = told.span, told.span.status.code == Status.STATUS_CODE_ERROR
    at = datetime.fromtimestamp(span.start_time_unix_nano / 1e9, UTC)
    length = max(0, span.end_time_unix_nano - span.start_time_unix_nano)
    width = max(_WIDTH / 100, length / lasted * _WIDTH)
    service = next(
        (one.value.string_value for one in told.resource.resource.attributes if one.key == "service.name"), ""
    )
    return SpanRow(
        span_id=span.span_id.hex(),
        system=viewer.mark(viewer.flow.system_of_service.get(service, service)),
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        clock=viewer.clock(at) + at.astimezone(viewer.zone).strftime(".%f")[:4],
        title=viewer.exact(at),
        took=viewer.lasting(length / 1e9),
        x=min(_WIDTH - width, (span.start_time_unix_nano - start) / lasted * _WIDTH),
        width=width,
        indent=min(depth, _DEPTH_MAX) * 14,
        error=span.status.message if failed else "",
        bad=failed,
        dropped=tuple(_dropped(span, viewer)),
        context=tuple(_context(span, viewer)),
        parts=tuple(_parts(told, viewer)),
    )


def _context(span: Span, viewer: Viewer) -> Iterator[str]:
    t = viewer.t
    if span.flags:
        known = {
            _SAMPLED: t.gettext("sampled"),
            _RANDOM: t.gettext("random id"),
            _IS_REMOTE: t.gettext("parent elsewhere"),
        }
        words = ", ".join(word for bit, word in known.items() if span.flags & bit)
        yield t.gettext("flags %(flags)s", flags=f"0x{span.flags:x}") + (f" ({words})" if words else "")
    if span.trace_state:
        yield f"tracestate {span.trace_state}"


def _dropped(span: Span, viewer: Viewer) -> Iterator[str]:
    t = viewer.t
    yield from _dropped_attributes(span.dropped_attributes_count, viewer)
    if count := span.dropped_events_count:
        yield t.ngettext("%(num)s event was dropped by the sender", "%(num)s events were dropped by the sender", count)
    if count := span.dropped_links_count:
        yield t.ngettext("%(num)s link was dropped by the sender", "%(num)s links were dropped by the sender", count)


def _dropped_attributes(count: int, viewer: Viewer) -> Iterator[str]:
    if count:
        yield viewer.t.ngettext(
            "%(num)s attribute was dropped by the sender", "%(num)s attributes were dropped by the sender", count
        )


def _parts(told: _Told, viewer: Viewer) -> Iterator[Part]:
    t, span, scope, resource = viewer.t, told.span, told.scope.scope, told.resource.resource
    yield _part(t.gettext("Attributes"), "", span.attributes, 0, viewer)
    for event in span.events:
        at = datetime.fromtimestamp(event.time_unix_nano / 1e9, UTC)
        title = t.gettext("Event %(name)s", name=event.name)
        yield _part(title, viewer.clock(at), event.attributes, event.dropped_attributes_count, viewer)
    for link in span.links:
        title = t.gettext("Link to trace %(trace)s", trace=link.trace_id.hex())
        yield _part(title, link.span_id.hex(), link.attributes, link.dropped_attributes_count, viewer)
    name = " ".join(filter(None, (scope.name, scope.version)))
    yield _part(t.gettext("Library"), name, scope.attributes, scope.dropped_attributes_count, viewer)
    yield _part(t.gettext("Process"), "", resource.attributes, resource.dropped_attributes_count, viewer)


def _part(title: str, note: str, attributes: Iterable[KeyValue], dropped: int, viewer: Viewer) -> Part:
    notes = filter(None, (note, *_dropped_attributes(dropped, viewer)))
    return Part(title, " · ".join(notes), tuple(_value(one) for one in sorted(attributes, key=lambda one: one.key)))


def _value(attribute: KeyValue) -> Value:
    kind, plain = attribute.value.WhichOneof("value"), _plain(attribute.value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    if len(text) > _VALUE_CHARACTERS_MAX:
        text = f"{text[:_VALUE_CHARACTERS_MAX]}…"
    return Value(attribute.key, text if kind else "—", _KINDS.get(kind or "", ""))


def _plain(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(one) for one in value.array_value.values]
        case "kvlist_value":
            pairs: Mapping[str, Any] = {one.key: _plain(one.value) for one in value.kvlist_value.values}
            return pairs
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return None
        case kind:
            return getattr(value, kind)
