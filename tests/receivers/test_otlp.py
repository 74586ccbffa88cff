"""Spans through real gRPC and HTTP clients into the real engine, and what bad input is answered."""

from __future__ import annotations

import base64
import gzip
import json
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx2
import pytest
from backports import zstd
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from ordertrace.errors import Invalid
from ordertrace.receivers.otlp_json import from_json
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import attributes, request, span

PROTOBUF = {"content-type": "application/x-protobuf"}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(settings_in(tmp_path)) as run:
        yield run


async def post(server: Running, body: bytes, path: str = "/v1/traces", **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.post(f"http://{server.http.address}{path}", content=body, headers={**PROTOBUF, **given})


async def export(server: Running, body: bytes) -> ExportTraceServiceResponse:
    async with grpc.aio.insecure_channel(server.grpc.address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        return ExportTraceServiceResponse.FromString(await call(body))


async def names(server: Running) -> list[str]:
    await server.intake.flush()
    return [row[0] for row in server.rows("SELECT SpanName FROM otel_traces ORDER BY SpanName")]


async def test_every_way_in_stores_the_same(server: Running) -> None:
    whole = request(span("grpc"))
    assert not (await export(server, whole.SerializeToString())).partial_success.rejected_spans
    assert (await post(server, request(span("http")).SerializeToString())).status_code == 200
    packed = gzip.compress(request(span("gzip")).SerializeToString())
    assert (await post(server, packed, content_encoding="gzip")).status_code == 200
    packed = zstd.compress(request(span("zstd")).SerializeToString())
    assert (await post(server, packed, content_encoding="zstd")).status_code == 200
    one = {"traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "json", "kind": 2}
    one |= {"startTimeUnixNano": str(whole.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano)}
    content = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [one]}]}]}
    answer = await post(server, json.dumps(content).encode(), content_type="application/json")
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {}, "application/json")
    assert await names(server) == ["grpc", "gzip", "http", "json", "zstd"]
    assert server.rows("SELECT TraceId, SpanId, SpanKind FROM otel_traces WHERE SpanName = 'json'") == [
        (one["traceId"], one["spanId"], "Server")
    ]


async def test_all_that_a_span_says_is_kept(server: Running) -> None:
    values = {
        "text": "здравствуйте",
        "int": 7,
        "negative": -5,
        "large": 2**62 + 1,
        "double": 0.25,
        "yes": True,
        "no": False,
        "bytes": b"\0\1",
        "array": ["a", 1, [True]],
        "map": {"k": {"deep": 1.5}, "password": "hidden"},
        "long": "x" * 128,
        "longer": "y" * 20_000,
        "empty": "",
        "zero": 0,
        "edge": ["z" * size for size in (118,)],
        "order.id": "ALX-1",
        "order.status": "SUBMITTED",
        "messaging.message.id": "m-1",
    }
    one = span("all", values, kind=Span.SPAN_KIND_PRODUCER, trace_state="a=b", parent_span_id=b"12345678")
    one.status.CopyFrom(SpanStatus(code=SpanStatus.STATUS_CODE_ERROR, message="broken"))
    one.events.add(
        time_unix_nano=one.start_time_unix_nano,
        name="exception",
        attributes=attributes({"exception.type": "E", "n": 300}),
    )
    one.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="c=d", attributes=attributes({"why": "batch"}))
    await export(
        server,
        request(one, resource={"service.name": "crm", "process.command_args": ["java", "-jar"]}).SerializeToString(),
    )
    await server.intake.flush()
    (row,) = server.store.connect().query("SELECT * FROM otel_traces").named_results()
    assert row["SpanAttributes"] == {
        **{key: value for key, value in values.items() if isinstance(value, str)},
        "int": "7",
        "negative": "-5",
        "large": str(2**62 + 1),
        "double": "0.25",
        "yes": "true",
        "no": "false",
        "bytes": "AAE=",
        "zero": "0",
        "array": '["a",1,[true]]',
        "map": '{"k":{"deep":1.5}}',
        "edge": row["SpanAttributes"]["edge"],
    }
    assert json.loads(row["SpanAttributes"]["edge"]) == values["edge"]
    assert row["SpanAttributeTypes"] == {
        "int": "int",
        "negative": "int",
        "large": "int",
        "double": "double",
        "yes": "bool",
        "no": "bool",
        "bytes": "bytes",
        "zero": "int",
        "array": "array",
        "map": "map",
        "edge": "array",
    }
    assert (row["SpanKind"], row["StatusCode"], row["StatusMessage"], row["TraceState"]) == (
        "Producer",
        "Error",
        "broken",
        "a=b",
    )
    assert (row["ServiceName"], row["ResourceAttributes"]["process.command_args"]) == ("crm", '["java","-jar"]')
    assert (row["Events.Name"], row["Events.Attributes"]) == (["exception"], [{"exception.type": "E", "n": "300"}])
    assert (row["Links.TraceId"], row["Links.TraceState"], row["Links.Attributes"]) == (
        [(b"t" * 16).hex()],
        ["c=d"],
        [{"why": "batch"}],
    )
    assert (row["OrderId"], row["OrderIdBy"], row["OrderStatus"], row["MessageId"]) == (
        "ALX-1",
        "attribute",
        "SUBMITTED",
        "m-1",
    )
    assert row["Duration"] == 1_000_000
    assert row["ParentSpanId"] == b"12345678".hex()


async def test_json_says_the_same_as_protobuf(server: Running) -> None:
    values = {
        "text": "ж",
        "int": -(2**63),
        "double": 0.1,
        "yes": True,
        "bytes": b"\0\1",
        "array": [1, {"k": "v"}],
        "map": {"k": []},
    }
    one = span("proto", values, kind=Span.SPAN_KIND_CLIENT, parent_span_id=b"12345678", flags=256)
    one.events.add(time_unix_nano=2**63, name="e", attributes=attributes(values))
    one.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    proto = request(one)
    content = json_format.MessageToDict(proto)
    said = content["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for holder in (said, said["links"][0]):
        holder |= {key: base64.b64decode(holder[key]).hex() for key in holder if key.endswith("Id")}
    said |= {"unknown": {"a": 1}, "kind": 3, "droppedEventsCount": None}
    assert from_json(json.dumps(content).encode(), ExportTraceServiceRequest) == proto.SerializeToString()
    snake = {"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": "0" * 31 + "1", "name": "a"}]}]}]}
    told = ExportTraceServiceRequest.FromString(from_json(json.dumps(snake).encode(), ExportTraceServiceRequest))
    assert told.resource_spans[0].scope_spans[0].spans[0].trace_id == bytes(15) + b"\1"


@pytest.mark.parametrize(
    "wrong",
    [
        "[]", "1", '{"resourceSpans": {}}', '{"resourceSpans": [1]}', '{"resourceSpans": [{"schemaUrl": 1}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "none"}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 1.5}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "-1"}]}]}]}',
        '{"resourceSpans": [{"schemaUrl": "\\ud800"}]}',
        '{"resourceSpans": [{"resource": {"attributes": [{"value": {"boolValue": 1}}]}}]}',
    ],
)  # fmt: skip
def test_json_of_another_shape_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid, match="not an ExportTraceServiceRequest"):
        from_json(wrong.encode(), ExportTraceServiceRequest)


async def test_order_id_from_a_path(server: Running) -> None:
    await export(server, request(span("path", {"url.path": "/api/orders/4711/submit"})).SerializeToString())
    await server.intake.flush()
    assert server.rows("SELECT OrderId, OrderIdBy FROM otel_traces") == [("4711", "pattern")]


async def test_bad_spans_are_refused_and_the_rest_is_kept(server: Running) -> None:
    bad = [
        span("no trace", trace_id=b""),
        span("zero trace", trace_id=bytes(16)),
        span("short", span_id=b"123"),
        span("old", start_time_unix_nano=1),
        span("future", start_time_unix_nano=2**62),
    ]
    answer = await export(server, request(*bad, span("good")).SerializeToString())
    assert answer.partial_success.rejected_spans == 5
    assert "2000" in answer.partial_success.error_message
    assert await names(server) == ["good"]
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await export(server, request(*bad).SerializeToString())
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert server.metric("ordertrace_spans_refused_total", reason="time") == 4
    assert server.metric("ordertrace_spans_refused_total", reason="trace_id") == 4


async def test_malformed_bytes_lose_nothing_else(server: Running) -> None:
    whole = request(span("good")).SerializeToString()
    for body in (os.urandom(500), whole[:-3], b"{}", b"\xff" * 40):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await export(server, body)
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        answer = await post(server, body)
        assert answer.status_code == 400
        assert Status.FromString(answer.content).code == 3
    answer = await post(server, b"[1", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    await export(server, whole)
    assert await names(server) == ["good"]


async def test_http_says_what_is_wrong(server: Running) -> None:
    body = request(span()).SerializeToString()
    assert (await post(server, body, content_type="text/plain")).status_code == 415
    assert (await post(server, body, content_encoding="br")).status_code == 415
    assert (await post(server, body, content_encoding="gzip")).status_code == 400
    assert (await post(server, gzip.compress(body)[:-9], content_encoding="gzip")).status_code == 400
    assert (await post(server, body, content_encoding="zstd")).status_code == 400
    assert (await post(server, zstd.compress(body)[:-1], content_encoding="zstd")).status_code == 400
    widely = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    wide = widely.compress(body) + widely.flush()
    assert (await post(server, wide, content_encoding="zstd")).status_code == 400
    assert (await post(server, body, path="/v2/traces")).status_code == 404
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"http://{server.http.address}/v1/traces")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_too_much_is_refused_before_it_is_kept(server: Running) -> None:
    bomb = gzip.compress(bytes(100 * 1024 * 1024))
    assert (await post(server, bomb, content_encoding="gzip")).status_code == 413
    bomb = zstd.compress(bytes(100 * 1024 * 1024))
    assert (await post(server, bomb, content_encoding="zstd")).status_code == 413
    assert (await post(server, bytes(100 * 1024 * 1024))).status_code == 413
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await export(server, bytes(100 * 1024 * 1024))
    assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert server.metric("ordertrace_limits_hit_total", limit="request_bytes") == 4
    await export(server, request(span("after")).SerializeToString())
    assert await names(server) == ["after"]


async def test_metrics_are_answered_honestly(server: Running) -> None:
    metrics = ExportMetricsServiceRequest()
    scope = metrics.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name="sum").sum.data_points.add(as_int=1)
    scope.metrics.add(name="histogram").histogram.data_points.extend([HistogramDataPoint(count=1)] * 2)
    scope.metrics.add(name="empty")
    answer = await post(server, metrics.SerializeToString(), path="/v1/metrics")
    over_http = ExportMetricsServiceResponse.FromString(answer.content)
    async with grpc.aio.insecure_channel(server.grpc.address) as channel:
        path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        over_grpc = ExportMetricsServiceResponse.FromString(await call(metrics.SerializeToString()))
        assert await call(b"") == b""
    assert over_http == over_grpc
    assert over_http.partial_success.rejected_data_points == 3
