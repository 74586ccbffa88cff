"""Whether a request is a list of Zipkin v2 spans, in JSON or protobuf. Does not store, count or log.

JSON is checked by a typed parser and passes as it came. Protobuf is what hardly any sender uses: its spans are taken
apart one by one and written as JSON, which costs some twenty times as much; the size of a request bounds it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from google.protobuf.message import DecodeError
from pydantic_core import CoreConfig, SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from ..errors import Invalid
from ..store.group_writer import AHEAD_MAX_NS, EARLIEST_NS
from .check import Checked
from .zipkin_proto import KINDS, ListOfSpans

_WINDOW_SECONDS = 3600
_ID = "^0*[1-9a-fA-F][0-9a-fA-F]*$"


class ZipkinCheck:
    """Checks Zipkin requests. One bad span spoils its request, as with Zipkin's own server: there is no partial success."""

    def check(self, payload: bytes) -> Checked:
        """Raises Invalid for anything but a JSON list of spans whose ids and times can be true.

        The request that comes out is the list without its brackets, so that lists can stand one after another.
        """
        try:
            spans = _parser(time.time_ns() // (_WINDOW_SECONDS * 10**9)).validate_json(payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise Invalid(
                f"{len(payload)} bytes are not a list of Zipkin spans: {where and where + ': '}{first['msg']}"
            ) from None
        return Checked(payload.strip()[1:-1], len(spans))

    def plain(self, request: bytes) -> bytes:
        """The same list without what only a broken sender writes: fields twice, numbers in unusual forms."""
        return json.dumps(json.loads(b"[" + request + b"]"), ensure_ascii=False).encode()[1:-1]


def to_json(payload: bytes) -> bytes:
    """A ListOfSpans in protobuf → the same list in JSON. Raises Invalid."""
    try:
        spans = ListOfSpans.FromString(payload)
    except DecodeError:
        raise Invalid(f"{len(payload)} bytes are not a zipkin.proto3.ListOfSpans in protobuf") from None
    return json.dumps([dict(_fields(span)) for span in spans.spans], ensure_ascii=False).encode()  # type: ignore[attr-defined]


@lru_cache(2)
def _parser(hour: int) -> SchemaValidator:
    """The parser for this hour: what is more than a day ahead of it cannot be a span's time."""
    latest_ns = (hour + 1) * _WINDOW_SECONDS * 10**9 + AHEAD_MAX_NS
    text, count = cs.str_schema(), cs.int_schema(ge=0, lt=2**63)
    trace_id, span_id = (cs.str_schema(pattern=_ID, max_length=length) for length in (32, 16))
    time = _either(cs.literal_schema([0]), cs.int_schema(ge=EARLIEST_NS // 1000, le=latest_ns // 1000))
    endpoint = _object(serviceName=text, ipv4=text, ipv6=text, port=cs.int_schema(ge=0, lt=65536))
    tag = _either(text, cs.none_schema(), cs.bool_schema(), cs.int_schema(), cs.float_schema(allow_inf_nan=False))
    span = _object(
        parentId=span_id,
        name=text,
        kind=cs.literal_schema(["CLIENT", "SERVER", "PRODUCER", "CONSUMER"]),
        timestamp=time,
        duration=count,
        debug=cs.bool_schema(),
        shared=cs.bool_schema(),
        localEndpoint=endpoint,
        remoteEndpoint=endpoint,
        annotations=cs.list_schema(_object(timestamp=count, value=text)),
        tags=cs.dict_schema(text, tag),
    )
    for key, schema in (("traceId", trace_id), ("id", span_id)):
        span["fields"][key] = cs.typed_dict_field(schema, required=True)
    return SchemaValidator(cs.list_schema(span), CoreConfig(strict=True))


def _object(**fields: cs.CoreSchema) -> cs.TypedDictSchema:
    """Each field may be missing or null; others are passed over."""
    nullable = {key: cs.typed_dict_field(cs.nullable_schema(schema), required=False) for key, schema in fields.items()}
    return cs.typed_dict_schema(nullable)


def _either(*schemas: cs.CoreSchema) -> cs.UnionSchema:
    return cs.union_schema([*schemas], mode="left_to_right")


def _fields(span: Any) -> Iterator[tuple[str, Any]]:
    yield "traceId", span.trace_id.hex()
    yield "id", span.id.hex()
    if span.parent_id:
        yield "parentId", span.parent_id.hex()
    if span.kind in KINDS:
        yield "kind", KINDS[span.kind]
    for key in ("name", "timestamp", "duration", "debug", "shared"):
        if value := getattr(span, key):
            yield key, value
    if span.HasField("local_endpoint"):
        yield "localEndpoint", _endpoint(span.local_endpoint)
    if span.HasField("remote_endpoint"):
        yield "remoteEndpoint", _endpoint(span.remote_endpoint)
    yield "annotations", [{"timestamp": one.timestamp, "value": one.value} for one in span.annotations]
    yield "tags", dict(span.tags)


def _endpoint(endpoint: Any) -> dict[str, Any]:
    """Addresses that are none are left out."""
    fields: dict[str, Any] = {"serviceName": endpoint.service_name, "port": max(0, endpoint.port) % 65536}
    for key, packed, size in (("ipv4", endpoint.ipv4, 4), ("ipv6", endpoint.ipv6, 16)):
        if len(packed) == size:
            fields[key] = str(ip_address(packed))
    return fields
