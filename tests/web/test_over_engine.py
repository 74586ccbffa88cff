"""Pages over the real engine: facts in the store come out as sentences, dots and bars."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from ordertrace.metrics import Metrics
from ordertrace.model.order import OrderEvent
from ordertrace.orders.clock import EventClock
from ordertrace.orders.reader import OrderReader
from ordertrace.orders.sweeper import Sweeper
from ordertrace.settings import Settings, StoreSettings, SweepSettings
from ordertrace.store.store import open_store
from ordertrace.web.app import build_fallback, build_web

from .samples import full_script, moved, the_flow

FLOW = the_flow()
COLUMNS = ["order_id", "at", "event_id", "system", "kind", "span_kind", "name", "status", "rank", "trace_id", "span_id"]
COLUMNS += ["parent_span_id", "message_id", "joined_by", "confidence", "inserted_at"]


def to_row(event: OrderEvent, group: datetime) -> tuple[object, ...]:
    said = (
        event.order_id,
        event.at,
        event.id,
        event.system,
        event.kind.value,
        event.span_kind,
        event.name,
        event.status,
    )
    where = (FLOW.rank(event.status), event.trace_id, event.span_id, event.parent_span_id, event.message_id)
    return (*said, *where, event.joined_by.value, event.confidence, group)


def events_now() -> Sequence[OrderEvent]:
    """One order that waits for its price for an hour, one that was submitted just now, a hostile number."""
    now = datetime.now(UTC)
    late = full_script("A-1", now - timedelta(hours=1), 2).events
    fresh = full_script("A-2", now - timedelta(seconds=50), 2).events
    hostile = full_script("<script>alert(1)</script>", now - timedelta(minutes=1), 1).events
    return moved([*late, *fresh, *hostile], timedelta())


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    settings, metrics, clock = (
        Settings(store=StoreSettings(url=f"chdb://{tmp_path}")),
        Metrics(),
        EventClock(timedelta(seconds=30)),
    )
    async with open_store(settings, metrics) as store:
        group = datetime.now(UTC)
        await store.insert("order_events", COLUMNS, [to_row(event, group) for event in events_now()])
        sweeper = Sweeper(store, FLOW, clock, metrics, SweepSettings())
        sweeper.tell([group])
        await sweeper.sweep(datetime.now(UTC) + timedelta(seconds=5))  # what is told late is judged a little later
        reader = OrderReader(store, FLOW, clock)
        site = Starlette(routes=[*build_web(reader, settings, metrics), build_fallback(reader, settings, metrics)])
        transport = httpx2.ASGITransport(app=site)
        async with httpx2.AsyncClient(transport=transport, base_url="http://site") as session:
            session.headers["accept-language"] = "ru"
            yield session


async def test_board_order_and_search_show_what_the_store_holds(client: httpx2.AsyncClient) -> None:
    board = (await client.get("/")).text.replace("\xa0", " ")
    assert "1 заказ требует внимания" in board
    assert "MES не успевает рассчитать цену" in board
    assert '<a href="/orders/A-2"' in board
    assert "<script>alert" not in board
    order = (await client.get("/orders/A-1")).text
    assert order.index("MES не успевает рассчитать цену") < order.index('id="timeline"')
    assert "заказ оформлен" in order
    assert 'class="bar ghost"' in order
    listed = (await client.get("/search?q=A-")).text
    assert "2 заказа с «A-» в номере" in listed.replace("\xa0", " ")


async def test_filter_and_errors_over_the_engine(client: httpx2.AsyncClient) -> None:
    stuck = (await client.get("/?state=stuck")).text
    rows = stuck[stuck.index('id="rows"') :]
    assert "/orders/A-1" in rows
    assert "/orders/A-2" not in rows
    assert (await client.get("/?cursor=foreign")).status_code == 400
    assert (await client.get("/orders/unheard")).status_code == 404
    hostile = await client.get("/orders/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert hostile.status_code == 200
    assert "<script>alert" not in hostile.text
    assert (await client.get("/search", params={"q": "A-1"})).headers["location"] == "/orders/A-1"
