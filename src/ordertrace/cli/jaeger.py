"""Jaeger's JSON, as its UI and API give traces out, → OTLP requests. The one place where tags, processes and operations live."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ..errors import Invalid

_KINDS = {
    "internal": Span.SPAN_KIND_INTERNAL,
    "server": Span.SPAN_KIND_SERVER,
    "client": Span.SPAN_KIND_CLIENT,
    "producer": Span.SPAN_KIND_PRODUCER,
    "consumer": Span.SPAN_KIND_CONSUMER,
}
# What OpenTelemetry writes into tags when it speaks to a Jaeger.
_OWN_TAGS = frozenset(
    ("span.kind", "w3c.tracestate", "otel.status_code", "otel.status_description", "otel.scope.name")
) | {"otel.scope.version", "otel.library.name", "otel.library.version"}


def from_jaeger(content: bytes) -> list[bytes]:
    """One OTLP request in protobuf for each trace of `{"data": [...]}`. Raises Invalid."""
    try:
        return [_request(trace).SerializeToString() for trace in json.loads(content)["data"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Invalid(f"this is not Jaeger's JSON ({type(error).__name__}: {str(error)[:80]})") from None


def _request(trace: Mapping[str, Any]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for process_id, process in trace.get("processes", {}).items():
        spans = [span for span in trace["spans"] if span.get("processID") == process_id]
        if not spans:
            continue
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = process["serviceName"]
        resource.resource.attributes.extend(_attributes(process.get("tags")))
        for span in spans:
            tags = {tag["key"]: str(tag.get("value", "")) for tag in span.get("tags") or ()}
            scope = resource.scope_spans.add()
            scope.scope.name = tags.get("otel.scope.name") or tags.get("otel.library.name", "")
            scope.scope.version = tags.get("otel.scope.version") or tags.get("otel.library.version", "")
            scope.spans.append(_span(span, tags))
    return request


def _span(span: Mapping[str, Any], tags: Mapping[str, str]) -> Span:
    start = int(span["startTime"]) * 1000
    built = Span(
        trace_id=_id(span["traceID"], 16),
        span_id=_id(span["spanID"], 8),
        trace_state=tags.get("w3c.tracestate", ""),
        name=span.get("operationName", ""),
        kind=_KINDS.get(tags.get("span.kind", "").lower(), Span.SPAN_KIND_UNSPECIFIED),
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(span.get("duration", 0)) * 1000,
        attributes=_attributes(tag for tag in span.get("tags") or () if tag["key"] not in _OWN_TAGS),
        status=_status(tags),
    )
    for reference in span.get("references") or ():
        same_trace = reference["traceID"] == span["traceID"]
        if reference.get("refType") == "CHILD_OF" and same_trace and not built.parent_span_id:
            built.parent_span_id = _id(reference["spanID"], 8)
        else:
            built.links.add(trace_id=_id(reference["traceID"], 16), span_id=_id(reference["spanID"], 8))
    for log in span.get("logs") or ():
        fields = list(log.get("fields") or ())
        name = next((str(field.get("value", "")) for field in fields if field["key"] == "event"), "log")
        rest = _attributes(field for field in fields if field["key"] != "event")
        built.events.add(time_unix_nano=int(log["timestamp"]) * 1000, name=name, attributes=rest)
    return built


def _status(tags: Mapping[str, str]) -> Status:
    code = tags.get("otel.status_code", "").upper()
    if code == "ERROR" or tags.get("error", "").lower() == "true":
        return Status(code=Status.STATUS_CODE_ERROR, message=tags.get("otel.status_description", ""))
    return Status(code=Status.STATUS_CODE_OK if code == "OK" else Status.STATUS_CODE_UNSET)


def _attributes(tags: Any) -> Iterator[KeyValue]:
    for tag in tags or ():
        attribute, value = KeyValue(key=tag["key"]), tag.get("value")
        match tag.get("type", "string"):
            case "bool":
                attribute.value.bool_value = value is True or str(value).lower() == "true"
            case "int64":
                attribute.value.int_value = int(value)
            case "float64":
                attribute.value.double_value = float(value)
            case "binary":
                attribute.value.bytes_value = base64.b64decode(value)
            case _:
                attribute.value.string_value = str(value)
        yield attribute


def _id(text: str, size: int) -> bytes:
    """An id of this many bytes; shorter ones begin with zeros."""
    try:
        return bytes.fromhex(text.zfill(2 * size))[-size:]
    except (ValueError, binascii.Error):
        raise ValueError(f"id {text[:40]!r} is not hexadecimal") from None
