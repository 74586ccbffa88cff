"""OTLP's JSON → its protobuf. Only what differs from protobuf's own JSON is done here: ids are hex, not base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ..errors import Invalid

_ID_KEYS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def from_json(body: bytes, kind: type[Message]) -> bytes:
    """A request of this type in protobuf. Unknown fields are ignored, as OTLP asks. Raises Invalid."""
    try:
        content = json.loads(body)
        for holder in _id_holders(content):
            for key in _ID_KEYS:
                if key in holder:
                    holder[key] = base64.b64encode(_from_hex(holder[key])).decode()
        request = json_format.ParseDict(content, kind(), ignore_unknown_fields=True)
    except Exception as error:  # the parser lets almost anything out, a SystemError among it
        raise Invalid(f"{len(body)} bytes are not an {kind.__name__} in JSON ({type(error).__name__})") from None
    payload: bytes = request.SerializeToString()
    return payload


def _id_holders(content: Any) -> Iterator[dict[str, Any]]:
    for resource_spans in _list(content, "resourceSpans", "resource_spans"):
        for scope_spans in _list(resource_spans, "scopeSpans", "scope_spans"):
            for span in _list(scope_spans, "spans"):
                yield span
                yield from _list(span, "links")
    for resource_logs in _list(content, "resourceLogs", "resource_logs"):
        for scope_logs in _list(resource_logs, "scopeLogs", "scope_logs"):
            yield from _list(scope_logs, "logRecords", "log_records")


def _list(holder: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    return next((holder[key] for key in keys if holder.get(key)), [])


def _from_hex(text: Any) -> bytes:
    """An id that is no hex becomes an empty one, which is refused and counted with its span only."""
    try:
        return bytes.fromhex(text)
    except (ValueError, TypeError):
        return b""
