"""Zipkin spans through a real client into the real engine: every field in its column, scrubbed, and put on their orders."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from backports import zstd

from ordertrace.ingest.zipkin_proto import ListOfSpans
from tests.ingest.conftest import Running, running, settings_in

JSON, PROTOBUF = "application/json", "application/x-protobuf"
NOW_US = time.time_ns() // 1000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(settings_in(tmp_path)) as run:
        yield run


async def post(server: Running, body: bytes, content_type: str = JSON, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        given = {"content-type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.post(f"http://{server.zipkin.address}/api/v2/spans", content=body, headers=given)


def span(**fields: Any) -> dict[str, Any]:
    return {"traceId": "a1", "id": "b1", "name": "work", "timestamp": NOW_US, "duration": 1500} | fields


async def rows(server: Running, spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = await post(server, json.dumps(spans).encode())
    assert (answer.status_code, answer.content) == (202, b""), answer.text
    await server.intake.flush()
    return list(server.store.connect().query("SELECT * FROM otel_traces ORDER BY SpanName").named_results())


async def test_all_that_a_span_says_is_kept(server: Running) -> None:
    (row,) = await rows(
        server,
        [
            span(
                parentId="c1",
                kind="PRODUCER",
                localEndpoint={"serviceName": "shop", "ipv4": "10.0.0.1"},
                remoteEndpoint={"serviceName": "broker", "port": 5672},
                annotations=[{"timestamp": NOW_US + 1, "value": "acquired"}],
                tags={
                    "order.id": "ALX-1",
                    "order.status": "submitted",
                    "messaging.message.id": "m-1",
                    "otel.scope.name": "lib",
                    "otel.library.version": "1.2",
                    "number": 5,
                    "url.path": "/x",
                },
            )
        ],
    )
    assert (row["TraceId"], row["SpanId"], row["ParentSpanId"]) == ("a1".zfill(32), "b1".zfill(16), "c1".zfill(16))
    assert (row["SpanName"], row["SpanKind"], row["ServiceName"]) == ("work", "Producer", "shop")
    assert (row["ScopeName"], row["ScopeVersion"]) == ("lib", "1.2")
    assert row["ResourceAttributes"] == {"service.name": "shop"}
    assert row["SpanAttributes"] == {
        "order.id": "ALX-1",
        "order.status": "submitted",
        "messaging.message.id": "m-1",
        "number": "5",
        "url.path": "/x",
        "peer.service": "broker",
        "network.peer.port": "5672",
        "network.local.address": "10.0.0.1",
    }
    assert (row["OrderId"], row["OrderIdBy"], row["OrderStatus"], row["MessageId"]) == (
        "ALX-1", "attribute", "SUBMITTED", "m-1",
    )  # fmt: skip
    assert (row["Duration"], row["StatusCode"], row["Events.Name"]) == (1_500_000, "Unset", ["acquired"])
    assert server.rows("SELECT toUnixTimestamp64Micro(Timestamp) FROM otel_traces") == [(NOW_US,)]
    assert server.rows("SELECT toUnixTimestamp64Micro(Events.Timestamp[1]) FROM otel_traces") == [(NOW_US + 1,)]


@pytest.mark.parametrize(
    ("tags", "code", "message"),
    [
        ({"error": ""}, "Error", ""),
        ({"error": "true"}, "Error", ""),
        ({"error": "timed out"}, "Error", "timed out"),
        ({"error": "false"}, "Unset", ""),
        ({"otel.status_code": "ERROR", "otel.status_description": "why"}, "Error", "why"),
        ({"otel.status_code": "OK"}, "Ok", ""),
        ({}, "Unset", ""),
    ],
)
async def test_what_counts_as_an_error(server: Running, tags: dict[str, str], code: str, message: str) -> None:
    (row,) = await rows(server, [span(tags=tags)])
    assert (row["StatusCode"], row["StatusMessage"]) == (code, message)


async def test_exceptions_are_read_from_annotations(server: Running) -> None:
    java = '"exception":{"exception.message":"no "quotes" here","exception.type":"E","exception.stacktrace":"E: no\n\tat x"}'
    python = '"retry":{"n":3,"why":"busy","password":"hidden"}'
    (row,) = await rows(server, [span(annotations=[{"timestamp": NOW_US, "value": value} for value in (java, python)])])
    assert row["Events.Name"] == ["exception", "retry"]
    assert row["Events.Attributes"] == [
        {"exception.type": "E", "exception.message": 'no "quotes" here', "exception.stacktrace": "E: no\n\tat x"},
        {"n": "3", "why": "busy"},
    ]


async def test_both_sides_of_a_shared_span_are_kept(server: Running) -> None:
    sides = [span(name="client", kind="CLIENT"), span(name="server", kind="SERVER", shared=True)]
    client, served = await rows(server, sides)
    assert client["SpanId"] == served["SpanId"]
    assert (client["SpanKind"], served["SpanKind"]) == ("Client", "Server")
    assert (served["SpanAttributes"], served["SpanAttributeTypes"]) == (
        {"zipkin.shared": "true"}, {"zipkin.shared": "bool"},
    )  # fmt: skip


async def test_nothing_forbidden_is_kept(server: Running) -> None:
    mail = "planted.person@example.com"
    said = span(
        name=f"to {mail}",
        tags={"email": mail, "note": mail, "error": f"no {mail}"},
        annotations=[
            {"timestamp": 1, "value": mail},
            {"timestamp": 1, "value": f'"e":{{"phone":"1","text":"{mail}"}}'},
        ],
        localEndpoint={"serviceName": mail},
    )
    (row,) = await rows(server, [said])
    assert mail not in str(row)
    assert (row["SpanName"], row["StatusMessage"], row["ServiceName"]) == ("to [email]", "no [email]", "[email]")
    assert row["SpanAttributes"] == {"note": "[email]", "error": "no [email]"}
    assert (row["Events.Name"], row["Events.Attributes"]) == (["[email]", "e"], [{}, {"text": "[email]"}])


async def test_times_that_are_missing_come_from_elsewhere(server: Running) -> None:
    spans: list[dict[str, Any]] = [
        {"traceId": "a", "id": "1", "name": "by annotation", "annotations": [{"timestamp": NOW_US, "value": "sr"}]},
        {"traceId": "a", "id": "2", "name": "by arrival", "timestamp": None, "tags": None, "parentId": None},
    ]
    by_annotation, by_arrival = await rows(server, spans)
    assert int(by_annotation["Timestamp"].timestamp()) == NOW_US // 10**6
    assert by_arrival["Timestamp"].replace(microsecond=0) == by_arrival["inserted_at"].replace(microsecond=0)


async def test_every_encoding_and_a_repeat(server: Running) -> None:
    one, two = (json.dumps([span(id=str(i), name=f"n{i}")]).encode() for i in (1, 2))
    proto = ListOfSpans()
    third = proto.spans.add()  # type: ignore[attr-defined]
    third.trace_id, third.id, third.name, third.kind = b"\1" * 16, b"\2" * 8, "n3", 2
    third.timestamp, third.shared = NOW_US, True
    third.local_endpoint.service_name, third.local_endpoint.ipv4 = "crm", bytes([10, 0, 0, 1])
    third.tags["k"] = "v"
    assert (await post(server, gzip.compress(one), content_encoding="gzip")).status_code == 202
    assert (await post(server, zstd.compress(two), content_encoding="zstd")).status_code == 202
    assert (await post(server, proto.SerializeToString(), PROTOBUF)).status_code == 202
    assert (await post(server, b" [] ")).status_code == 202
    assert (await post(server, one)).status_code == 202
    await server.intake.flush()
    assert server.rows("SELECT SpanName, SpanKind, ServiceName FROM otel_traces ORDER BY SpanName") == [
        ("n1", "Internal", ""),
        ("n2", "Internal", ""),
        ("n3", "Server", "crm"),
    ]
    assert server.metric("ordertrace_requests_repeated_total") == 1
    assert server.metric("ordertrace_spans_stored_total") == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'[{"traceId":"1"}]',
        b'[{"traceId":"0","id":"1"}]',
        b'[{"traceId":"xyz","id":"1"}]',
        b'[{"traceId":"1","id":"1","timestamp":1}]',
        b'[{"traceId":"1","id":"1","timestamp":9999999999999999}]',
        b'[{"traceId":"1","id":"1","tags":{"a":[]}}]',
        b"[" * 5000,
    ],
)
async def test_what_is_no_list_of_spans_is_refused(server: Running, body: bytes) -> None:
    answer = await post(server, body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert (await post(server, body or b"\xff", PROTOBUF)).status_code == 400


async def test_http_says_what_is_wrong(server: Running) -> None:
    assert (await post(server, b"[]", "text/plain")).status_code == 415
    assert (await post(server, b"[]", content_encoding="br")).status_code == 415
    assert (await post(server, b"[]", content_encoding="zstd")).status_code == 400
    assert (await post(server, zstd.compress(bytes(64 * 1024 * 1024)), content_encoding="zstd")).status_code == 413
    async with httpx2.AsyncClient() as client:
        assert (await client.post(f"http://{server.zipkin.address}/api/v1/spans")).status_code == 404
        answer = await client.get(f"http://{server.zipkin.address}/api/v2/spans")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
