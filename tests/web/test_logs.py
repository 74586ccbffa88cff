"""The log records on the order page, from a real engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ordertrace.metrics import Metrics
from ordertrace.orders.clock import EventClock
from ordertrace.orders.flow import build_flow
from ordertrace.orders.reader import OrderReader
from ordertrace.settings import Settings
from ordertrace.store.logs import LogStore
from ordertrace.store.store import open_store
from ordertrace.web.app import LOG_RECORDS_MAX, build_web

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize(("language", "title"), [("ru", "Записи журналов"), ("en", "Log records")])
async def test_an_order_shows_what_was_logged(tmp_path: Path, language: str, title: str) -> None:
    settings = Settings.model_validate({"store": {"url": f"chdb://{tmp_path}"}, "company": {"language": language}})
    async with open_store(settings, Metrics()) as store:
        event = {
            "order_id": "A-1",
            "at": NOW,
            "event_id": "e1",
            "trace_id": "t1",
            "kind": "operation",
            "inserted_at": NOW,
        }
        await store.insert("order_events", [*event, "joined_by"], [(*event.values(), "attribute")])
        columns = ["Timestamp", "TraceId", "ServiceName", "SeverityNumber", "Body", "LogAttributes", "inserted_at"]
        stack = {"exception.stacktrace": "at <Shop>"}
        rows: list[tuple[object, ...]] = [
            (NOW + timedelta(seconds=i), "t1", "shop", 9, f"line {i}", {}, NOW) for i in range(LOG_RECORDS_MAX)
        ]
        await store.insert(
            "otel_logs", columns, [*rows, (NOW + timedelta(minutes=4), "t1", "shop", 17, "<b>broken", stack, NOW)]
        )
        flow = build_flow(settings)
        reader = OrderReader(store, flow, EventClock(settings.sweep.lag_max))
        routes = build_web(reader, settings, Metrics(), logs=LogStore(store, flow))
        with TestClient(Starlette(routes=routes)) as client:
            page = client.get("/orders/A-1", headers={"accept-language": language}).text
    assert title in page
    assert "&lt;b&gt;broken" in page
    assert "at &lt;Shop&gt;" in page
    assert "line 1<" in page
    assert "line 0<" not in page
