"""Log records through real clients into the real engine: kept as they came, scrubbed, and put on their orders."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx2
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from ordertrace.settings.sections import OrderSettings
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import attributes, log_request, record

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    rules = OrderSettings(
        id=("attribute:order.id", r"pattern:url.path:^/orders/(?P<id>[^/]+)", r"log:\border (?P<id>[A-Z0-9-]+)"),
        status=("attribute:order.status", r"log:is now (?P<status>[A-Za-z_]+)"),
    )
    async with running(settings_in(tmp_path).model_copy(update={"order": rules})) as run:
        yield run


async def export(server: Running, request: ExportLogsServiceRequest) -> bytes:
    async with grpc.aio.insecure_channel(server.grpc.address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        return await call(request.SerializeToString())


async def post(server: Running, body: bytes, content_type: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        url = f"http://{server.http.address}/v1/logs"
        return await client.post(url, content=body, headers={"content-type": content_type})


async def test_every_way_in_stores_the_same(server: Running) -> None:
    assert await export(server, log_request(record("grpc"))) == b""
    answer = await post(server, log_request(record("http")).SerializeToString(), "application/x-protobuf")
    assert (answer.status_code, answer.content) == (200, b"")
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    one = {"traceId": trace_id, "spanId": span_id, "body": {"stringValue": "json"}, "severityNumber": 17, "flags": 1}
    content = {"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": [one]}]}]}
    assert (await post(server, json.dumps(content).encode(), "application/json")).json() == {}
    await server.intake.flush()
    assert server.rows("SELECT Body FROM otel_logs ORDER BY Body") == [("grpc",), ("http",), ("json",)]
    assert server.rows("SELECT TraceId, SpanId, SeverityNumber, TraceFlags FROM otel_logs WHERE Body = 'json'") == [
        (trace_id, span_id, 17, 1)
    ]
    assert server.metric("ordertrace_log_records_stored_total") == 3


async def test_all_that_a_record_says_is_kept(server: Running) -> None:
    values = {
        "n": 300,
        "yes": True,
        "ratio": 0.25,
        "list": ["a", 1],
        "map": {"k": 1, "password": "hidden"},
        "raw": b"\0\1",
    }
    request = log_request(
        record({"text": "hello", "n": 1}, {"text": "here", **values}, event_name="placed", observed_time_unix_nano=7),
        record(12, trace_id=b"short", span_id=bytes(8), time_unix_nano=1),
        record(None, severity_number=99),
        resource={"service.name": "crm", "process.command_args": ["java", "-jar"]},
    )
    request.resource_logs[0].schema_url = "https://a/1"
    scope = request.resource_logs[0].scope_logs[0]
    scope.schema_url = "https://b/2"
    scope.scope.name, scope.scope.version = "logger", "1.2"
    scope.scope.attributes.extend(attributes({"thread": 7, "email": "hidden"}))
    await export(server, request)
    await server.intake.flush()
    rows = {row["Body"]: row for row in server.store.connect().query("SELECT * FROM otel_logs").named_results()}
    row = rows['{"text":"hello","n":1}']
    assert (row["BodyType"], row["EventName"], row["ServiceName"]) == ("map", "placed", "crm")
    assert (row["ScopeName"], row["ScopeVersion"], row["ScopeAttributes"]) == ("logger", "1.2", {"thread": "7"})
    assert (row["ResourceSchemaUrl"], row["ScopeSchemaUrl"]) == ("https://a/1", "https://b/2")
    assert row["ResourceAttributes"]["process.command_args"] == '["java","-jar"]'
    assert row["LogAttributes"] == {
        "text": "here", "n": "300", "yes": "true", "ratio": "0.25", "list": '["a",1]', "map": '{"k":1}', "raw": "AAE=",
    }  # fmt: skip
    assert row["LogAttributeTypes"] == {
        "n": "int", "yes": "bool", "ratio": "double", "list": "array", "map": "map", "raw": "bytes",
    }  # fmt: skip
    number = rows["12"]
    assert (number["BodyType"], number["TraceId"], number["SpanId"]) == ("int", "", "")
    assert number["Timestamp"].replace(microsecond=0) == number["inserted_at"].replace(microsecond=0)
    assert (rows[""]["SeverityNumber"], rows[""]["SeverityText"]) == (0, "INFO")


async def test_nothing_forbidden_is_kept(server: Running) -> None:
    await export(
        server,
        log_request(
            record(
                "mail to planted.person@example.com failed", {"customer.email": "x", "text": "call +7 916 555-01-99"}
            ),
            record({"deep": ["planted.person@example.com"]}, severity_text="planted.person@example.com"),
        ),
    )
    await server.intake.flush()
    assert server.rows("SELECT Body, LogAttributes, SeverityText FROM otel_logs ORDER BY Body") == [
        ("mail to [email] failed", {"text": "call [phone]"}, "INFO"),
        ('{"deep":["[email]"]}', {}, "[email]"),
    ]


async def test_orders_are_found_by_attribute_pattern_and_text(server: Running) -> None:
    bodies = ("order A-1 is now submitted", "nothing", "order A-2 failed", "border X")
    found = [
        record(bodies[0], {"order.id": "B-1"}),
        record(bodies[1], {"url.path": "/orders/P-1/submit"}),
        record(bodies[2]),
        record(bodies[3]),
    ]
    await export(server, log_request(*found))
    await server.intake.flush()
    assert server.rows("SELECT Body, OrderId, OrderIdBy, OrderStatus FROM otel_logs ORDER BY OrderIdBy") == [
        ("border X", "", "", ""),
        (bodies[0], "B-1", "attribute", "SUBMITTED"),
        (bodies[2], "A-2", "log", ""),
        (bodies[1], "P-1", "pattern", ""),
    ]
    assert server.rows("SELECT order_id FROM order_log_places ORDER BY order_id") == [("A-2",), ("B-1",), ("P-1",)]


async def test_what_is_no_log_request_is_refused(server: Running) -> None:
    async with grpc.aio.insecure_channel(server.grpc.address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(b"\xff" * 40)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await post(server, b"[1", "application/json")).status_code == 400
    assert server.metric("ordertrace_log_records_refused_total", reason="malformed") == 1
