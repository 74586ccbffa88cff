"""Rows of `otel_traces` and `otel_logs` → OTLP requests. Pure; what the privacy rules took out is not there to be sent.

Values come back with their types. What hardly any request says (types inside events, dropped counts of scopes) lies in JSON of
its own, see the migrations.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

_KINDS = {"Internal": 1, "Server": 2, "Client": 3, "Producer": 4, "Consumer": 5}
_CODES = {"Ok": Status.STATUS_CODE_OK, "Error": Status.STATUS_CODE_ERROR}

Row = Sequence[Any]


def to_trace_request(rows: Sequence[Row]) -> ExportTraceServiceRequest:
    """Rows of `group_spans.sql`; spans of one resource and scope stand together."""
    request = ExportTraceServiceRequest()
    scopes: dict[str, ScopeSpans] = {}
    resources: dict[str, ResourceSpans] = {}
    for attributes, text, name, version, *rest in rows:
        inner = json.dumps((attributes, text, name, version), sort_keys=True)
        if (scope := scopes.get(inner)) is None:
            said = json.loads(text or "{}")
            outer = json.dumps((attributes, _of_resource(said)), sort_keys=True)
            if (resource := resources.get(outer)) is None:
                resource = resources[outer] = request.resource_spans.add(schema_url=said.get("resource_schema", ""))
                _fill_resource(resource.resource, attributes, said)
            scope = scopes[inner] = resource.scope_spans.add(schema_url=said.get("scope_schema", ""))
            _fill_scope(scope.scope, name, version, said.get("scope", {}), said)
        scope.spans.append(_span(rest))
    return request


def to_log_request(rows: Sequence[Row]) -> ExportLogsServiceRequest:
    """Rows of `group_logs.sql`; records of one resource and scope stand together."""
    request = ExportLogsServiceRequest()
    scopes: dict[str, ScopeLogs] = {}
    resources: dict[str, ResourceLogs] = {}
    for attributes, text, name, version, resource_url, scope_url, scope_attributes, *rest in rows:
        inner = json.dumps((attributes, text, name, version, resource_url, scope_url, scope_attributes), sort_keys=True)
        if (scope := scopes.get(inner)) is None:
            said = json.loads(text or "{}")
            outer = json.dumps((attributes, resource_url, _of_resource(said)), sort_keys=True)
            if (resource := resources.get(outer)) is None:
                resource = resources[outer] = request.resource_logs.add(schema_url=resource_url)
                _fill_resource(resource.resource, attributes, said)
            scope = scopes[inner] = resource.scope_logs.add(schema_url=scope_url)
            _fill_scope(scope.scope, name, version, scope_attributes, said)
        scope.log_records.append(_record(rest))
    return request


def to_any_value(text: str, kind: str) -> AnyValue:
    """A value of the kind that the store has kept for it; a text where that cannot be."""
    try:
        match kind:
            case "int":
                return AnyValue(int_value=int(text))
            case "double":
                return AnyValue(double_value=float(text))
            case "bool":
                return AnyValue(bool_value=text == "true")
            case "none":
                return AnyValue()
            case "bytes":
                return AnyValue(bytes_value=base64.b64decode(text))
            case "array" | "map":
                return _from_plain(json.loads(text))
    except ValueError:  # a privacy rule may have replaced a part of it
        pass
    return AnyValue(string_value=text)


def _of_resource(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key.startswith("resource_")}


def _fill_resource(resource: Resource, attributes: Mapping[str, str], said: Mapping[str, Any]) -> None:
    resource.attributes.extend(_attributes(attributes, said.get("resource_types")))
    resource.dropped_attributes_count = said.get("resource_dropped", 0)


def _fill_scope(
    scope: InstrumentationScope, name: str, version: str, attributes: Mapping[str, str], said: Mapping[str, Any]
) -> None:
    scope.name, scope.version = name, version
    scope.attributes.extend(_attributes(attributes, said.get("scope_types")))
    scope.dropped_attributes_count = said.get("scope_dropped", 0)


def _span(row: Row) -> Span:
    trace_id, span_id, parent_id, state, name, kind, start, duration, attributes, types, *rest = row
    flags, dropped_attributes, dropped_events, dropped_links, code, message, *parts = rest
    span = Span(
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(parent_id),
        trace_state=state,
        flags=flags,
        name=name,
        kind=_KINDS.get(kind, 0),  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + duration,
        attributes=_attributes(attributes, types),
        dropped_attributes_count=dropped_attributes,
        dropped_events_count=dropped_events,
        dropped_links_count=dropped_links,
        status=Status(code=_CODES.get(code, Status.STATUS_CODE_UNSET), message=message),
    )
    span.events.extend(_event(*event) for event in zip(*parts[:4], strict=True))
    span.links.extend(_link(*link) for link in zip(*parts[4:], strict=True))
    return span


def _event(at: int, name: str, attributes: Mapping[str, str], details: str) -> Span.Event:
    said = json.loads(details or "{}")
    event = Span.Event(time_unix_nano=at, name=name, attributes=_attributes(attributes, said.get("types")))
    event.dropped_attributes_count = said.get("dropped", 0)
    return event


def _link(trace_id: str, span_id: str, state: str, attributes: Mapping[str, str], details: str) -> Span.Link:
    said = json.loads(details or "{}")
    link = Span.Link(
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        trace_state=state,
        attributes=_attributes(attributes, said.get("types")),
        flags=said.get("flags", 0),
    )
    link.dropped_attributes_count = said.get("dropped", 0)
    return link


def _record(row: Row) -> LogRecord:
    at, observed, trace_id, span_id, flags, severity_text, severity, body, kind, event_name, *rest = row
    attributes, types, dropped = rest
    record = LogRecord(
        time_unix_nano=at,
        observed_time_unix_nano=observed,
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        flags=flags,
        severity_text=severity_text,
        severity_number=severity,
        event_name=event_name,
        attributes=_attributes(attributes, types),
        dropped_attributes_count=dropped,
    )
    if kind != "none":
        record.body.CopyFrom(to_any_value(body, kind))
    return record


def _attributes(values: Mapping[str, str], types: Mapping[str, str] | None = None) -> list[KeyValue]:
    return [KeyValue(key=key, value=to_any_value(text, (types or {}).get(key, ""))) for key, text in values.items()]


def _from_plain(value: Any) -> AnyValue:
    built = AnyValue()
    if isinstance(value, bool):
        built.bool_value = value
    elif isinstance(value, int) and -(2**63) <= value < 2**63:
        built.int_value = value
    elif isinstance(value, (int, float)):
        built.double_value = value
    elif isinstance(value, str):
        built.string_value = value
    elif isinstance(value, list):
        built.array_value.values.extend(_from_plain(one) for one in value)
        built.array_value.SetInParent()
    elif isinstance(value, dict):
        pairs = [KeyValue(key=key, value=_from_plain(one)) for key, one in value.items()]
        built.kvlist_value.values.extend(pairs)
        built.kvlist_value.SetInParent()
    return built
