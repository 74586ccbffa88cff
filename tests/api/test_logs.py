"""`/api/v1/orders/{id}/logs`: what names the order, and what its traces say; in pages, each record once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ordertrace.api.app import build_api
from ordertrace.metrics import Metrics
from ordertrace.orders.clock import EventClock
from ordertrace.orders.flow import build_flow
from ordertrace.orders.reader import OrderReader
from ordertrace.settings import Settings
from ordertrace.store.logs import LogStore
from ordertrace.store.store import Store, open_store

NOW = datetime.now(UTC).replace(microsecond=0)
FIELDS = {
    "at", "system", "severity", "severity_text", "body", "logger", "event_name", "trace_id", "span_id", "joined_by",
    "attributes", "types",
}  # fmt: skip


def record(seconds: int, body: str, **fields: Any) -> dict[str, Any]:
    given = {
        "SeverityNumber": 9,
        "SeverityText": "INFO",
        "OrderId": "",
        "OrderIdBy": "",
        "TraceId": "t1",
        "SpanId": "s1",
    }
    return {"Timestamp": NOW + timedelta(seconds=seconds), "ServiceName": "shop-api", "Body": body, **given, **fields}


RECORDS = [
    record(
        0, "first", OrderId="A-1", OrderIdBy="log", TraceId="", LogAttributes={"n": "7"}, LogAttributeTypes={"n": "int"}
    ),
    record(1, "of its trace"),
    record(1, "of its trace"),  # came in two requests
    record(2, "another order's", OrderId="A-2", OrderIdBy="log"),
    record(3, "failed", SeverityNumber=17, SeverityText="ERROR"),
    record(4, "elsewhere", TraceId="t9"),
    record(90_000, "a day later", OrderId="A-1", OrderIdBy="attribute", TraceId="t2"),
]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Settings.model_validate({"store": {"url": f"chdb://{tmp_path}"}}), Metrics()) as opened:
        columns = list(dict.fromkeys(key for one in RECORDS for key in one))
        rows = [(*(one.get(key, {} if "Attr" in key else "") for key in columns), NOW) for one in RECORDS]
        await opened.insert("otel_logs", [*columns, "inserted_at"], rows)
        event = {"order_id": "A-1", "at": NOW, "event_id": "e1", "trace_id": "t1", "inserted_at": NOW}
        await opened.insert("order_events", list(event), [tuple(event.values())])
        yield opened


async def ask(app: FastAPI, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://ordertrace") as client:
        return await client.get(path)


@pytest.fixture
def app(store: Store) -> FastAPI:
    settings = Settings()
    flow = build_flow(settings)
    reader = OrderReader(store, flow, EventClock(settings.sweep.lag_max))
    return build_api(reader, settings, Metrics(), lambda: (True, ""), logs=LogStore(store, flow))


async def test_lists_what_belongs_to_the_order(app: FastAPI) -> None:
    answer = (await ask(app, "/api/v1/orders/A-1/logs")).json()
    assert [one["body"] for one in answer["logs"]] == ["first", "of its trace", "failed", "a day later"]
    assert answer["next"] is None
    first = answer["logs"][0]
    assert set(first) == FIELDS
    assert (first["system"], first["severity"], first["joined_by"]) == ("shop", "info", "log")
    assert (first["attributes"], first["types"]) == ({"n": "7"}, {"n": "int"})
    assert [one["joined_by"] for one in answer["logs"][1:]] == ["trace", "trace", "attribute"]


async def test_pages_and_severity(app: FastAPI) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = (await ask(app, f"/api/v1/orders/A-1/logs?limit=3&cursor={cursor}")).json()
        seen += [one["body"] for one in answer["logs"]]
        cursor = answer["next"]
    assert seen == ["first", "of its trace", "failed", "a day later"]
    answer = (await ask(app, "/api/v1/orders/A-1/logs?severity=error")).json()
    assert [one["body"] for one in answer["logs"]] == ["failed"]


async def test_what_is_wrong_is_said(app: FastAPI) -> None:
    assert (await ask(app, "/api/v1/orders/Z-9/logs")).status_code == 404
    assert (await ask(app, "/api/v1/orders/A-1/logs?cursor=x")).status_code == 400
    assert (await ask(app, "/api/v1/orders/A-1/logs?severity=loud")).status_code == 400
    assert (await ask(app, "/api/v1/orders/A-1/logs?limit=0")).status_code == 400
    assert (await ask(app, "/api/v1/orders/A-1/logs?unknown=1")).status_code == 400


async def test_the_latest_come_last(store: Store) -> None:
    page = await LogStore(store, build_flow(Settings())).find_latest("A-1", 2)
    assert [one.body for one in page.records] == ["failed", "a day later"]
    assert page.next_cursor
