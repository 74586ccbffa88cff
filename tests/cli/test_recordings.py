"""Reading recorded telemetry: captures as folder and archive, single files, and what is honestly passed over."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ordertrace.cli.recordings import JSON, PROTOBUF, read_recordings
from ordertrace.errors import Invalid
from tests.ingest.requests import log_request, record

GRPC = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def trace_request() -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes(range(16)), bytes(range(8)), "work"
    span.start_time_unix_nano, span.end_time_unix_nano = 1_700_000_000 * 10**9, 1_700_000_001 * 10**9
    return request.SerializeToString()


def capture_files() -> dict[str, bytes]:
    lines = [
        {"n": 1, "file": "requests/00001.bin", "path": "/v1/traces", "transport": "http", "arrived_unix_nano": 2 * 10**9,
         "content_type": PROTOBUF, "content_encoding": "gzip"},
        {"n": 2, "file": "requests/00002.bin", "path": GRPC, "transport": "grpc", "grpc_encoding": "gzip",
         "arrived_unix_nano": 3 * 10**9},
        {"n": 3, "file": "requests/00003.bin", "path": "/v1/logs", "transport": "http"},
        {"n": 4, "file": "requests/00004.json", "path": "/api/v2/spans", "transport": "http", "content_type": JSON},
    ]  # fmt: skip
    return {
        "index.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode(),
        "requests/00001.bin": gzip.compress(trace_request()),
        "requests/00002.bin": trace_request(),
        "requests/00003.bin": b"logs",
        "requests/00004.json": b"[]",
        "firehose.jsonl": b'{"seen_unix_nano": 2500000000}\n{"seen_unix_nano": 2600000000}\n',
        "ground_truth.json": b"this must not be read",
    }


@pytest.fixture(params=["folder", "archive"])
def capture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        for name, content in capture_files().items():
            (tmp_path / "cap" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cap" / name).write_bytes(content)
        return tmp_path / "cap"
    path = tmp_path / "cap.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in capture_files().items():
            member = tarfile.TarInfo(f"cap/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_reads_a_capture_in_order_of_arrival(capture: Path) -> None:
    (recording,) = read_recordings(capture)
    assert recording.name == "cap"
    assert [(r.path, r.content_type, r.content_encoding, r.arrived_seconds) for r in recording.requests] == [
        ("/v1/traces", PROTOBUF, "gzip", 2.0),
        ("/api/v1/firehose", "application/x-ndjson", "", 2.6),
        ("/v1/traces", PROTOBUF, "", 3.0),  # gRPC bodies are recorded as plain protobuf
        ("/v1/logs", PROTOBUF, "", 0.0),
        ("/api/v2/spans", JSON, "", 0.0),
    ]
    assert not recording.skipped


@pytest.mark.parametrize(
    ("name", "content", "kinds"),
    [
        ("a.bin", trace_request(), [(PROTOBUF, "")]),
        ("l.bin", log_request(record("hello")).SerializeToString(), [(PROTOBUF, "")]),
        ("a.bin.gz", gzip.compress(trace_request()), [(PROTOBUF, "gzip")]),
        ("a.json", b'{\n "resourceSpans": []\n}', [(JSON, "")]),
        ("a.json.gz", gzip.compress(b'{"resourceSpans": []}'), [(JSON, "")]),
        ("a.jsonl", b'{"resourceSpans": []}\n{"resourceLogs": []}\n{"resourceSpans": []}\n', [(JSON, "")] * 3),
        ("f.jsonl", b'{"routing_key": "publish.x"}\n' * 101, [("application/x-ndjson", "")] * 2),
    ],
)
def test_reads_single_files_by_their_content(tmp_path: Path, name: str, content: bytes, kinds: list[object]) -> None:
    (tmp_path / name).write_bytes(content)
    (recording,) = read_recordings(tmp_path / name)
    assert [(r.content_type, r.content_encoding) for r in recording.requests] == kinds


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'[{"a": "1"}]', "other"),
        (b'{"resourceMetrics": []}', "metrics"),
        (ExportLogsServiceRequest().SerializeToString(), "protobuf without spans or log records"),
    ],
)
def test_says_what_it_passes_over(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "x").write_bytes(content)
    (recording,) = read_recordings(tmp_path / "x")
    assert not recording.requests
    assert recording.skipped[kind] >= 1


def test_reads_zipkin(tmp_path: Path) -> None:
    (tmp_path / "z.json").write_bytes(b'[{"traceId": "1"}]')
    (recording,) = read_recordings(tmp_path / "z.json")
    assert [(r.path, r.content_type) for r in recording.requests] == [("/api/v2/spans", JSON)]


def test_reads_jaeger_as_otlp(tmp_path: Path) -> None:
    one = {
        "traceID": "a1", "spanID": "b1", "operationName": "work", "startTime": 1_700_000_000_000_000, "duration": 5,
        "processID": "p1",
        "references": [
            {"refType": "CHILD_OF", "traceID": "a1", "spanID": "c1"},
            {"refType": "FOLLOWS_FROM", "traceID": "a2", "spanID": "c2"},
        ],
        "tags": [
            {"key": "span.kind", "type": "string", "value": "server"},
            {"key": "error", "type": "bool", "value": True},
            {"key": "n", "type": "int64", "value": 7},
            {"key": "ratio", "type": "float64", "value": 0.5},
            {"key": "raw", "type": "binary", "value": "AAE="},
        ],
        "logs": [{"timestamp": 1_700_000_000_000_001, "fields": [{"key": "event", "type": "string", "value": "exception"},
                  {"key": "exception.type", "type": "string", "value": "E"}]}],
    }  # fmt: skip
    trace = {"traceID": "a1", "spans": [one], "processes": {"p1": {"serviceName": "shop", "tags": []}}}
    (tmp_path / "j.json").write_text(json.dumps({"data": [trace]}))
    (recording,) = read_recordings(tmp_path / "j.json")
    (sent,) = recording.requests
    resource = ExportTraceServiceRequest.FromString(sent.body).resource_spans[0]
    span = resource.scope_spans[0].spans[0]
    assert resource.resource.attributes[0].value.string_value == "shop"
    assert (span.trace_id, span.span_id, span.parent_span_id) == (
        b"\xa1".rjust(16, b"\0"), b"\xb1".rjust(8, b"\0"), b"\xc1".rjust(8, b"\0"),
    )  # fmt: skip
    assert (span.name, span.kind, span.status.code) == ("work", Span.SPAN_KIND_SERVER, Status.STATUS_CODE_ERROR)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 5_000
    values = {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes}
    assert values == {"error": True, "n": 7, "ratio": 0.5, "raw": b"\0\1"}
    assert (span.events[0].name, span.events[0].attributes[0].key) == ("exception", "exception.type")
    assert span.links[0].span_id == b"\xc2".rjust(8, b"\0")


def test_reads_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "1.bin").write_bytes(trace_request())
    (tmp_path / "2.json").write_bytes(b'{"resourceSpans": []}')
    (tmp_path / "ground_truth.json").write_bytes(b"this must not be read")
    assert [recording.name for recording in read_recordings(tmp_path)] == ["1.bin", "2.json"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.bin", b"\xff\xfe\xfd", "neither JSON nor"),
        ("x.json", b'{"a": ', "not valid JSON"),
        ("x.gz", b"\x1f\x8bnonsense", "cannot be unpacked"),
        ("x.tar.gz", b"nonsense", "cannot be unpacked"),
        ("x.json", b'{"data": [{"spans": [{"processID": "p"}], "processes": {"p": {}}}]}', "not Jaeger's JSON"),
    ],
)
def test_refuses_what_it_cannot_read(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid, match=says):
        list(read_recordings(tmp_path / name))


def test_names_a_file_that_the_index_promises_in_vain(tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_text('{"file": "requests/1.bin", "path": "/v1/traces"}\n')
    with pytest.raises(Invalid, match="line 1 names"):
        list(read_recordings(tmp_path))
