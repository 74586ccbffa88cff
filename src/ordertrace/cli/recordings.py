"""Reads recorded telemetry from files: single OTLP requests, JSON lines, whole captures. Sends nothing.

A capture is a folder or a `.tar.gz` with `index.jsonl`, one line a request, and the request bodies beside it. The ground
truth that a capture may hold is never opened.
"""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ..errors import Invalid, TooLarge
from .jaeger import from_jaeger

PROTOBUF, JSON = "application/x-protobuf", "application/json"
RECORDING_BYTES_MAX = 1024**3
_FILE_BYTES_MAX = 256 * 1024**2
TRACES, LOGS, ZIPKIN = "/v1/traces", "/v1/logs", "/api/v2/spans"
FIREHOSE = "/api/v1/firehose"
FIREHOSE_LINES_MAX = 100  # a request; few enough that what arrived between them stays between them
# Where a recorded request is sent, by where it was sent when it was recorded.
_TAKEN = {
    TRACES: TRACES,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": TRACES,
    LOGS: LOGS,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": LOGS,
    ZIPKIN: ZIPKIN,
}
_PASSED_OVER = {
    "/v1/metrics": "metrics",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/api/v1/spans": "zipkin v1",
}
_PATH_OF_JSON = {"traces": TRACES, "logs": LOGS, "zipkin": ZIPKIN}


@dataclass(frozen=True, slots=True)
class Request:
    """One request over HTTP; `path` says of what, `arrived_seconds` since 1970, 0 where nobody noted it."""

    body: bytes
    content_type: str = PROTOBUF
    content_encoding: str = ""
    arrived_seconds: float = 0.0
    path: str = TRACES


@dataclass(slots=True)
class Recording:
    """What one path holds: requests to send in order of arrival, and what is passed over, by kind."""

    name: str
    requests: list[Request] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def read_recordings(path: Path) -> Iterator[Recording]:
    """The recordings at a path; a folder without an index may hold several. Raises Invalid, TooLarge or OSError."""
    if path.is_dir():
        if (path / "index.jsonl").is_file():
            yield _read_capture(path.name, _files_of_folder(path))
            return
        inside = sorted(
            one for one in path.iterdir() if not one.name.startswith(".") and one.name != "ground_truth.json"
        )
        if not inside:
            raise Invalid(f"{path} is empty; give files of OTLP requests or captures")
        for one in inside:
            yield from read_recordings(one)
    elif path.name.endswith((".tar.gz", ".tgz", ".tar")):
        yield _read_capture(path.name.partition(".")[0], _files_of_archive(path))
    elif path.exists():
        yield _read_file(path)
    else:
        raise Invalid(f"{path} does not exist")


def _read_capture(name: str, files: dict[str, bytes]) -> Recording:
    if "index.jsonl" not in files:
        raise Invalid(f"{name}: there is no index.jsonl in it, so it is no capture")
    recording = Recording(name)
    for number, line in enumerate(files["index.jsonl"].splitlines(), 1):
        entry = _index_entry(name, number, line)
        sent_to = str(entry["path"]).partition("?")[0]
        if sent_to not in _TAKEN:
            recording.skipped[_PASSED_OVER.get(sent_to, "other")] += 1
        elif (file := str(entry["file"])) not in files:
            raise Invalid(f"{name}: index.jsonl line {number} names {file!r}, which is missing")
        else:
            recording.requests.append(_from_entry(entry, files[file], _TAKEN[sent_to]))
    firehose = firehose_requests(files.get("firehose.jsonl", b"").splitlines())
    recording.requests = _merged(recording.requests, firehose)
    return recording


def _merged(requests: Sequence[Request], firehose: Sequence[Request]) -> list[Request]:
    """Both in order of arrival; requests stay as the index has them, whether or not somebody noted their times."""
    merged: list[Request] = []
    waiting = deque(firehose)
    for request in requests:
        while waiting and waiting[0].arrived_seconds <= request.arrived_seconds:
            merged.append(waiting.popleft())
        merged.append(request)
    return [*merged, *waiting]


def firehose_requests(lines: Iterable[bytes]) -> list[Request]:
    """A broker's recorded trace messages, a portion a request; one that was seen at an unknown time stays where it is."""
    kept = [line for line in lines if line.strip()]
    portions = [kept[first : first + FIREHOSE_LINES_MAX] for first in range(0, len(kept), FIREHOSE_LINES_MAX)]
    return [
        Request(b"\n".join(portion), "application/x-ndjson", arrived_seconds=_seen_seconds(portion[-1]), path=FIREHOSE)
        for portion in portions
    ]


def _seen_seconds(line: bytes) -> float:
    try:
        return float(json.loads(line)["seen_unix_nano"]) / 1e9
    except (ValueError, KeyError, TypeError):
        return 0.0


def _index_entry(name: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or not {"file", "path"} <= set(entry):
        raise Invalid(f"{name}: index.jsonl line {number} is not a JSON object with file and path")
    return entry


def _from_entry(entry: dict[str, Any], body: bytes, path: str) -> Request:
    """gRPC bodies are recorded as plain protobuf, HTTP bodies as they were sent."""
    arrived = float(entry.get("arrived_unix_nano", 0)) / 1e9
    if entry.get("transport") == "grpc":
        return Request(body, PROTOBUF, "", arrived, path)
    content_type = str(entry.get("content_type") or PROTOBUF)
    return Request(body, content_type, str(entry.get("content_encoding") or ""), arrived, path)


def _files_of_folder(folder: Path) -> dict[str, bytes]:
    wanted = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = ((path.relative_to(folder).as_posix(), path) for path in wanted)
    return _bounded(folder.name, ((name, path.read_bytes()) for name, path in names if _belongs(name)))


def _files_of_archive(path: Path) -> dict[str, bytes]:
    """In memory, since payloads must not lie about on a disk."""
    try:
        with tarfile.open(path, "r|*") as archive:
            return _bounded(path.name, _members(archive))
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise Invalid(f"{path} cannot be unpacked: {error}") from None


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        name = PurePosixPath(member.name)
        inside = (
            "/".join(name.parts[1:])
            if name.parts[0] not in ("index.jsonl", "requests", "firehose.jsonl")
            else str(name)
        )
        if member.isfile() and _belongs(inside):
            if member.size > _FILE_BYTES_MAX:
                raise TooLarge(f"{member.name} has {member.size} bytes; at most {_FILE_BYTES_MAX} are read")
            file = archive.extractfile(member)
            yield inside, file.read() if file else b""


def _belongs(name: str) -> bool:
    return name in ("index.jsonl", "firehose.jsonl") or name.startswith("requests/")


def _bounded(name: str, files: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    found, total = {}, 0
    for file, content in files:
        total += len(content)
        if total > RECORDING_BYTES_MAX:
            raise TooLarge(f"{name} holds more than {RECORDING_BYTES_MAX} bytes; import it in parts")
        found[file] = content
    return found


def _read_file(path: Path) -> Recording:
    """A file of one request, or of one JSON request a line; what it is shows in its first bytes, not in its name."""
    if path.stat().st_size > _FILE_BYTES_MAX:
        raise TooLarge(f"{path} has more than {_FILE_BYTES_MAX} bytes; split it")
    body = path.read_bytes()
    recording = Recording(path.name)
    plain = _unpacked(path, body)
    if plain.lstrip()[:1] not in (b"{", b"["):
        _take_protobuf(path, recording, body, plain)
        return recording
    parts = _json_parts(path, plain)
    recording.requests += firehose_requests(part for part in parts if _json_kind(part) == "firehose")
    for part in parts:
        kind = _json_kind(part)
        if kind == "firehose":
            continue
        if kind in _PATH_OF_JSON:
            recording.requests.append(Request(part, JSON, path=_PATH_OF_JSON[kind]))
        elif kind == "jaeger":
            recording.requests += [Request(request) for request in from_jaeger(part)]
        else:
            recording.skipped[kind] += 1
    return recording


def _unpacked(path: Path, body: bytes) -> bytes:
    if body[:2] != b"\x1f\x8b":
        return body
    try:
        with gzip.open(path) as file:
            plain = file.read(_FILE_BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Invalid(f"{path} cannot be unpacked: {error}") from None
    if len(plain) > _FILE_BYTES_MAX:
        raise TooLarge(f"{path} unpacks to more than {_FILE_BYTES_MAX} bytes; split it")
    return plain


def _take_protobuf(path: Path, recording: Recording, body: bytes, plain: bytes) -> None:
    """Traces and logs look alike on the wire: what makes sense as spans is taken for spans."""
    encoding = "gzip" if body is not plain else ""
    try:
        request = ExportTraceServiceRequest.FromString(plain)
    except DecodeError:
        request = ExportTraceServiceRequest()
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    if spans and any(len(span.trace_id) == 16 and span.start_time_unix_nano for span in spans):
        recording.requests.append(Request(body, PROTOBUF, encoding))
        return
    try:
        logs = ExportLogsServiceRequest.FromString(plain)
    except DecodeError:
        raise Invalid(f"{path} is neither JSON nor an OTLP request in protobuf") from None
    if any(scope.log_records for resource in logs.resource_logs for scope in resource.scope_logs):
        recording.requests.append(Request(body, PROTOBUF, encoding, path=LOGS))
    else:
        recording.skipped["protobuf without spans or log records"] += 1


def _json_parts(path: Path, plain: bytes) -> list[bytes]:
    """One JSON text over several lines, or one a line."""
    try:
        json.loads(plain)
    except ValueError:
        parts = [line for line in plain.splitlines() if line.strip()]
        for number, line in enumerate(parts, 1):
            try:
                json.loads(line)
            except ValueError:
                raise Invalid(f"{path} line {number} is not valid JSON") from None
        return parts
    return [plain]


def _json_kind(part: bytes) -> str:
    content = json.loads(part)
    if isinstance(content, list):
        return "zipkin" if all(isinstance(one, dict) and "traceId" in one for one in content[:1]) else "other"
    for key, kind in (
        ("resourceSpans", "traces"),
        ("resource_spans", "traces"),
        ("resourceLogs", "logs"),
        ("resourceMetrics", "metrics"),
        ("routing_key", "firehose"),
        ("data", "jaeger"),
    ):
        if isinstance(content, dict) and key in content:
            return kind
    return "other"
