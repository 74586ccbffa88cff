"""Real requests of every protocol, and what becomes of them under mutation: bytes that a broken or hostile sender could send."""

from __future__ import annotations

import gzip
import json
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backports import zstd
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.payloads import build_request
from ordertrace.cli.recordings import read_recordings
from ordertrace.ingest.zipkin_proto import ListOfSpans

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACES, LOGS, METRICS, ZIPKIN = "/v1/traces", "/v1/logs", "/v1/metrics", "/api/v2/spans"
ALLOWED = {TRACES: {200, 400, 413, 415, 429, 503}, ZIPKIN: {202, 400, 413, 415, 429, 503}}
_EVIL = (
    b"\x00", b"\xff" * 10, b"\x80" * 12, b"\x7f", b"\x0b\x0c", b"\xff\xff\xff\xff\x0f", b"\x0a\x00", b"\x12\x02\x2a\x00",
    b"\xed\xa0\x80", b'"', b"{", b"[" * 50, b"null", b"1e999", b"-1", b"\\u0000", b"\\ud800", b"18446744073709551616",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**64, 1e300, "", "x" * 300, "\0", "🙂", [], {}, [[]], {"a": {}}, "NaN", "0" * 32,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes out; `grpc` for the gRPC port, where only the body counts."""

    path: str
    body: bytes
    content_type: str = PROTOBUF
    encoding: str = ""
    grpc: bool = False


def build_corpus(recorded: tuple[Path, ...] = ()) -> list[Sent]:
    """Requests to begin with: of our own making, and recorded ones."""
    now = time.time_ns()
    spans = [ExportTraceServiceRequest.FromString(build_request(i, 3, now)) for i in range(4)]
    for request in spans:
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.events.add(time_unix_nano=now, name="exception").attributes.extend(span.attributes)
        span.links.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), trace_state="a=b")
        values = span.attributes.add(key="list").value.array_value.values
        values.add(int_value=-5)
        values.add().kvlist_value.values.add(key="k").value.bytes_value = b"\0\1"
        span.attributes.add(key="ratio").value.double_value = 0.5
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    for i in range(3):
        record = records.add(time_unix_nano=now, severity_number=17, trace_id=bytes(range(16)), flags=1)
        record.body.string_value = f"order A-{i} failed for a@example.com"
        record.attributes.add(key="n").value.int_value = i
    records.add().body.kvlist_value.values.add(key="map").value.bool_value = True
    metrics = ExportMetricsServiceRequest()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points.add(as_int=1)
    zipkin, listed = _zipkin(now), ListOfSpans()
    one = listed.spans.add()  # type: ignore[attr-defined]
    one.trace_id, one.id, one.name, one.timestamp, one.kind = b"t" * 16, b"s" * 8, "work", now // 1000, 1
    one.tags["order.id"] = "A-1"
    one.local_endpoint.service_name = "shop"
    messages = [(TRACES, request) for request in spans] + [(LOGS, logs), (METRICS, metrics)]
    corpus = [Sent(path, message.SerializeToString()) for path, message in messages]
    corpus += [Sent(path, json_format.MessageToJson(message).encode(), JSON) for path, message in messages]
    corpus += [Sent(ZIPKIN, json.dumps(zipkin).encode(), JSON), Sent(ZIPKIN, listed.SerializeToString())]
    for path in recorded:
        for recording in read_recordings(path):
            requests = [request for request in recording.requests if request.path in (TRACES, LOGS, ZIPKIN)]
            corpus += [Sent(r.path, r.body, r.content_type, r.content_encoding) for r in requests[::7]]
    plain = [
        one if one.encoding != "gzip" else replace(one, body=gzip.decompress(one.body), encoding="") for one in corpus
    ]
    plain = [one for one in plain if len(one.body) < 60_000]
    return [*plain, *(replace(one, grpc=True) for one in plain if one.content_type == PROTOBUF and one.path != ZIPKIN)]


def mutate(corpus: list[Sent], count: int, seed: int) -> Iterator[Sent]:
    """Mutated requests, the same for the same seed and corpus."""
    chance, ways = random.Random(seed), defaultdict[tuple[str, str, bool], list[Sent]](list)
    for one in corpus:
        ways[one.path, one.content_type, one.grpc].append(one)
    for _ in range(count):
        one = chance.choice(chance.choice(list(ways.values())))
        body = one.body
        if one.content_type == JSON and chance.random() < 0.5:
            body = _mutated_json(body, chance)
        else:
            for _ in range(chance.choice((1, 1, 2, 5))):
                body = _mutated_bytes(body, chance.choice(corpus).body, chance)
        if one.grpc or chance.random() < 0.7:
            yield replace(one, body=body)
            continue
        encoding = chance.choice(("gzip", "zstd"))
        packed = gzip.compress(body, 1) if encoding == "gzip" else zstd.compress(body)
        yield replace(
            one, body=_mutated_bytes(packed, b"", chance) if chance.random() < 0.5 else packed, encoding=encoding
        )


def _mutated_bytes(body: bytes, other: bytes, chance: random.Random) -> bytes:
    changed, at = bytearray(body), chance.randrange(len(body) + 1)
    length = chance.choice((1, 2, 8, 50))
    match chance.randrange(7):
        case 0 if changed:
            changed[at % len(changed)] ^= 1 << chance.randrange(8)
        case 1 if changed:
            changed[at % len(changed)] = chance.randrange(256)
        case 2:
            del changed[at : at + length]
        case 3:
            changed[at:at] = chance.choice(_EVIL)
        case 4:
            changed[at : at + length] = chance.choice(_EVIL)
        case 5:
            del changed[at:]
        case _:
            start = chance.randrange(len(other) + 1)
            changed[at:at] = other[start : start + chance.choice((4, 40, 400))]
    return bytes(changed)


def _mutated_json(body: bytes, chance: random.Random) -> bytes:
    try:
        content = json.loads(body)
    except ValueError:
        return body
    holder, key = content, None
    for _ in range(chance.randrange(1, 14)):
        inner = holder if key is None else holder[key]
        if not isinstance(inner, (dict, list)) or not inner:
            break
        holder, key = inner, chance.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
    if key is None:
        return body
    if isinstance(holder, dict) and chance.random() < 0.2:
        holder[chance.choice(("zz", "traceId", "tags", "timestamp"))] = holder.pop(key)
    else:
        holder[key] = chance.choice(_VALUES)
    return json.dumps(content).encode()


def _zipkin(now: int) -> list[dict[str, Any]]:
    return [
        {
            "traceId": secrets.token_hex(16), "id": secrets.token_hex(8), "parentId": secrets.token_hex(8), "name": "work",
            "kind": kind, "timestamp": now // 1000, "duration": 5, "shared": kind == "SERVER", "debug": False,
            "localEndpoint": {"serviceName": "shop", "ipv4": "10.0.0.1", "port": 80},
            "annotations": [{"timestamp": now // 1000, "value": '"exception":{"exception.type":"E"}'}],
            "tags": {"order.id": "A-1", "error": "", "n": 1},
        }
        for kind in ("SERVER", "CLIENT")
    ]  # fmt: skip
