"""A recording as a bad day would have left it: requests lost, sent twice, late and out of order, and one system's clock off."""

from __future__ import annotations

import base64
import gzip
import json
import random
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

OFF_SECONDS = 90
_OFF_NS = OFF_SECONDS * 10**9
_FAILED = 2
_LATE_MAX_NS = 600 * 10**9


def harm(recording: Path, folder: Path, service: str, seed: int) -> frozenset[str]:
    """Writes the recording into a folder with 5 % of its requests dropped, 10 % doubled, all shuffled within ten minutes, and
    the clock of `service` ahead. Returns the files of the dropped requests.
    """
    chance, dropped = random.Random(seed), []
    content = _read(recording)
    sent: list[tuple[int, dict[str, Any], bytes]] = []
    for line in content["index.jsonl"].splitlines():
        entry = json.loads(line)
        if chance.random() < 0.05:
            dropped.append(entry["file"])
            continue
        body = _turned(entry, content[entry["file"]], service)
        times = 2 if chance.random() < 0.1 else 1
        sent += [(entry["arrived_unix_nano"] + int(chance.random() * _LATE_MAX_NS), entry, body) for _ in range(times)]
    (folder / "requests").mkdir(parents=True)
    lines = []
    for number, (at, entry, body) in enumerate(sorted(sent, key=lambda one: one[0])):
        file = f"requests/{number:05d}.bin"
        (folder / file).write_bytes(body)
        lines.append(json.dumps(entry | {"file": file, "arrived_unix_nano": at}))
    (folder / "index.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "firehose.jsonl").write_bytes(content["firehose.jsonl"])
    return frozenset(dropped)


def gone(recording: Path, dropped: frozenset[str], orders: Mapping[str, Any]) -> set[str]:
    """Orders of which the dropped requests took what explains them: all spans that tell of their failure, or all that names
    them. What was dropped is counted only; whether they are explained nevertheless is for who asks.
    """
    content = _read(recording)
    failed: dict[bool, set[str]] = {True: set(), False: set()}
    left = [base64.b64decode(json.loads(line)["body_base64"]) for line in content["firehose.jsonl"].splitlines()]
    for line in content["index.jsonl"].splitlines():
        entry = json.loads(line)
        plain = _plain(entry, content[entry["file"]])
        failed[entry["file"] in dropped] |= set(_failed_traces(entry, plain))
        left += [] if entry["file"] in dropped else [plain]
    everything = b"\0".join(left)
    unnamed = {name for name in orders if name.encode() not in everything}
    silenced = {
        name
        for name, order in orders.items()
        if (traces := {span["trace_id"] for span in order["spans"]}) & failed[True] and not traces & failed[False]
    }
    return unnamed | silenced


def _read(recording: Path) -> dict[str, bytes]:
    with tarfile.open(recording) as archive:
        files = {name.partition("/")[2]: archive.extractfile(name) for name in archive.getnames() if "." in name}
        return {name: file.read() for name, file in files.items() if file and name != "ground_truth.json"}


def _failed_traces(entry: dict[str, Any], plain: bytes) -> Iterator[str]:
    """Ids of the traces in which a span of the request failed."""
    if entry["path"].startswith("/api/v2/spans"):
        yield from (span["traceId"].rjust(32, "0") for span in json.loads(plain) if "error" in span.get("tags", {}))
    elif "race" in entry["path"] and "json" not in str(entry["content_type"]):
        for resource in ExportTraceServiceRequest.FromString(plain).resource_spans:
            for scope in resource.scope_spans:
                yield from (span.trace_id.hex() for span in scope.spans if span.status.code == _FAILED)


def _is_packed(entry: dict[str, Any]) -> bool:
    return entry["transport"] == "http" and entry.get("content_encoding") == "gzip"


def _plain(entry: dict[str, Any], body: bytes) -> bytes:
    return gzip.decompress(body) if _is_packed(entry) else body


def _turned(entry: dict[str, Any], body: bytes, service: str) -> bytes:
    """The request with the service's times moved ahead, packed as it was."""
    plain = _plain(entry, body)
    if entry["path"].startswith("/api/v2/spans"):
        spans = json.loads(plain)
        for span in spans:
            if span.get("localEndpoint", {}).get("serviceName") == service:
                span["timestamp"] += _OFF_NS // 1000
        plain = json.dumps(spans).encode()
    elif "json" not in str(entry["content_type"]) and "etrics" not in entry["path"]:
        traces = "race" in entry["path"]
        message = (ExportTraceServiceRequest if traces else ExportLogsServiceRequest).FromString(plain)
        for record, names in _records(message, traces, service):
            for name in names:
                if value := getattr(record, name):
                    setattr(record, name, value + _OFF_NS)
        plain = message.SerializeToString()
    return gzip.compress(plain) if _is_packed(entry) else plain


def _records(message: Any, traces: bool, service: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Everything of the service that has times, and the names of those."""
    for resource in message.resource_spans if traces else message.resource_logs:
        if not any(a.key == "service.name" and a.value.string_value == service for a in resource.resource.attributes):
            continue
        for scope in resource.scope_spans if traces else resource.scope_logs:
            for record in scope.spans if traces else scope.log_records:
                yield (
                    record,
                    ("start_time_unix_nano", "end_time_unix_nano")
                    if traces
                    else ("time_unix_nano", "observed_time_unix_nano"),
                )
                for event in record.events if traces else ():
                    yield event, ("time_unix_nano",)
