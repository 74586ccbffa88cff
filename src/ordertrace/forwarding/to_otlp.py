"""Rows of `otel_traces` and `otel_logs` → OTLP requests. Pure; what the privacy rules took out is not there to be sent.

Values come back with their types where the store keeps them: attributes of spans and log records, and bodies. Those of
resources, scopes, events and links are texts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

_KINDS = {"Internal": 1, "Server": 2, "Client": 3, "Producer": 4, "Consumer": 5}
_CODES = {"Ok": Status.STATUS_CODE_OK, "Error": Status.STATUS_CODE_ERROR}

Row = Sequence[Any]


def to_trace_request(rows: Sequence[Row]) -> ExportTraceServiceRequest:
    """Rows of `group_spans.sql`; spans of one resource and scope stand together."""
    request = ExportTraceServiceRequest()
    resources: dict[str, ResourceSpans] = {}
    scopes: dict[tuple[str, str, str], ScopeSpans] = {}
    for attributes, name, version, *rest in rows:
        key = json.dumps(attributes, sort_keys=True)
        if (resource := resources.get(key)) is None:
            resource = resources[key] = request.resource_spans.add()
            resource.resource.attributes.extend(_attributes(attributes))
        if (scope := scopes.get((key, name, version))) is None:
            scope = scopes[key, name, version] = resource.scope_spans.add()
            scope.scope.name, scope.scope.version = name, version
        scope.spans.append(_span(rest))
    return request


def to_log_request(rows: Sequence[Row]) -> ExportLogsServiceRequest:
    """Rows of `group_logs.sql`; records of one resource and scope stand together."""
    request = ExportLogsServiceRequest()
    resources: dict[str, ResourceLogs] = {}
    scopes: dict[str, ScopeLogs] = {}
    for attributes, name, version, resource_url, scope_url, scope_attributes, *rest in rows:
        key = json.dumps((attributes, resource_url), sort_keys=True)
        if (resource := resources.get(key)) is None:
            resource = resources[key] = request.resource_logs.add()
            resource.schema_url = resource_url
            resource.resource.attributes.extend(_attributes(attributes))
        inner = json.dumps((key, name, version, scope_url, scope_attributes), sort_keys=True)
        if (scope := scopes.get(inner)) is None:
            scope = scopes[inner] = resource.scope_logs.add()
            scope.schema_url = scope_url
            scope.scope.name, scope.scope.version = name, version
            scope.scope.attributes.extend(_attributes(scope_attributes))
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
            case "bytes":
                return AnyValue(bytes_value=base64.b64decode(text))
            case "array" | "map":
                return _from_plain(json.loads(text))
    except ValueError:  # a privacy rule may have replaced a part of it
        pass
    return AnyValue(string_value=text)


def _span(row: Row) -> Span:
    trace_id, span_id, parent_id, state, name, kind, start, duration, attributes, types, code, message, *parts = row
    event_times, event_names, event_attributes, link_traces, link_spans, link_states, link_attributes = parts
    span = Span(
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(parent_id),
        trace_state=state,
        name=name,
        kind=_KINDS.get(kind, 0),  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + duration,
        attributes=_attributes(attributes, types),
        status=Status(code=_CODES.get(code, Status.STATUS_CODE_UNSET), message=message),
    )
    for at, event, values in zip(event_times, event_names, event_attributes, strict=True):
        span.events.add(time_unix_nano=at, name=event, attributes=_attributes(values))
    for link in zip(link_traces, link_spans, link_states, link_attributes, strict=True):
        span.links.add(
            trace_id=bytes.fromhex(link[0]),
            span_id=bytes.fromhex(link[1]),
            trace_state=link[2],
            attributes=_attributes(link[3]),
        )
    return span


def _record(row: Row) -> LogRecord:
    at, observed, trace_id, span_id, flags, severity_text, severity, body, kind, event_name, attributes, types = row
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
