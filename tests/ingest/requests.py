"""OTLP requests for tests."""

from __future__ import annotations

import secrets
import time
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def to_any(value: Any) -> AnyValue:
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[to_any(one) for one in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=attributes(value)))
    return AnyValue(string_value=value)


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=to_any(value)) for key, value in values.items()]


def span(name: str = "work", values: dict[str, Any] | None = None, **fields: Any) -> Span:
    start = time.time_ns()
    given = {
        "trace_id": secrets.token_bytes(16),
        "span_id": secrets.token_bytes(8),
        "start_time_unix_nano": start,
        "end_time_unix_nano": start + 1_000_000,
        **fields,
    }
    return Span(name=name, attributes=attributes(values or {}), **given)


def request(*spans: Span, resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    built = ExportTraceServiceRequest()
    resource_spans = built.resource_spans.add()
    resource_spans.resource.attributes.extend(attributes(resource or {"service.name": "shop"}))
    resource_spans.scope_spans.add(spans=spans)
    return built


def record(body: Any = "a log record", values: dict[str, Any] | None = None, **fields: Any) -> LogRecord:
    given = {"time_unix_nano": time.time_ns(), "severity_number": 9, "severity_text": "INFO", **fields}
    return LogRecord(body=to_any(body), attributes=attributes(values or {}), **given)


def log_request(*records: LogRecord, resource: dict[str, Any] | None = None) -> ExportLogsServiceRequest:
    built = ExportLogsServiceRequest()
    resource_logs = built.resource_logs.add()
    resource_logs.resource.attributes.extend(attributes(resource or {"service.name": "shop"}))
    resource_logs.scope_logs.add(log_records=records)
    return built
