"""Pages over the real engine: facts in the store come out as sentences, dots and bars."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from ordertrace.metrics import Metrics
from ordertrace.model.message import CERTAIN, MessageFact, MessageFinding, Verdict, WatchGap
from ordertrace.model.order import OrderEvent
from ordertrace.orders.clock import EventClock
from ordertrace.orders.incident_keeper import IncidentKeeper
from ordertrace.orders.reader import OrderReader
from ordertrace.orders.sweeper import Sweeper
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings, SweepSettings
from ordertrace.store.messages import MessageStore
from ordertrace.store.store import open_store
from ordertrace.web.app import build_fallback, build_web

from .message_samples import sights
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


async def save_messages(store: MessageStore, now: datetime) -> None:
    """One message of A-2 is lost, one waits in a queue without a receiver; the watch had a gap, the queue a course."""
    rows: list[tuple[object, ...]] = []
    for key, queue, order in (("m-1", "", "A-2"), ("m-2", "mes.orders", "A-2")):
        at = now - timedelta(seconds=40)
        rows.append(
            (
                "main",
                key,
                queue,
                at,
                "published",
                key,
                "orders",
                "order.x",
                order,
                "SUBMITTED",
                "shop",
                "",
                "",
                "",
                "",
                now,
            )
        )
    await store.save_events(rows)
    fact = MessageFact("queue_depth", {"ready": "1", "consumers": "0"})
    nobody = MessageFact("published_to_no_queue", {"exchange": "orders", "routing_key": "order.x"})
    since = now - timedelta(seconds=40)
    await store.save_findings(
        "main",
        [
            MessageFinding("m-1", "", Verdict.UNROUTABLE, CERTAIN, (nobody,), since, since, now, None, "A-2"),
            MessageFinding(
                "m-2", "mes.orders", Verdict.STUCK_IN_QUEUE, CERTAIN, (fact,), since, since, now, None, "A-1"
            ),
        ],
        now,
    )
    await store.save_gap(WatchGap("main", now - timedelta(minutes=30), now - timedelta(minutes=25), "tracing_off"), now)
    samples = [now - timedelta(minutes=minutes) for minutes in range(60, 0, -1) if not 25 <= minutes <= 30]
    await store.save_queues([("main", "mes.orders", at, 1, 0, 0, since, 0.5, 0.0) for at in [*samples, now]])


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
        messages, keeper = MessageStore(store), IncidentKeeper(store)
        await save_messages(messages, datetime.now(UTC))
        await keeper.update(sweeper.findings(), datetime.now(UTC))
        reader = OrderReader(store, FLOW, clock, messages)
        pages = build_web(reader, settings, metrics, messages, lambda: sights(), keeper)
        site = Starlette(routes=[*pages, build_fallback(reader, settings, metrics)])
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


async def test_messages_queues_and_incidents_show_what_the_store_holds(client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/messages")).text.replace("\xa0", " ")
    assert "1 сообщение потеряно, 1 сообщение застряло" in listed
    assert "ни одна очередь не принимает «order.x» из обменника orders." in listed
    assert 'href="/orders/A-2"' in listed
    assert '<small class="line">order.x</small>' in listed[listed.index('id="groups"') : listed.index('id="troubled"')]
    only = (await client.get("/messages?verdict=stuck_in_queue&queue=mes.orders")).text
    assert "/messages/m-2" in only[only.index('id="rows"') :]
    assert "/messages/m-1" not in only[only.index('id="rows"') :]
    one = (await client.get("/messages/m-2")).text
    assert "В очереди ждут: 1, получателей: 0." in one
    assert 'class="station bad' in one
    queues = (await client.get("/queues")).text.replace("\xa0", " ")
    assert "Неполадки в 1 очереди" in queues
    assert "в брокере была выключена трассировка" in queues
    assert 'class="blank"' in queues
    order = (await client.get("/orders/A-2")).text
    assert 'href="/messages/m-2"' in order
    long_ago = (await client.get("/orders/A-1")).text
    assert "За брокером main не было наблюдения" in long_ago


async def test_an_incident_is_taken_on_by_a_form(client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/incidents")).text
    assert "Никто не занимается" in listed
    path = listed.split('href="/incidents/')[1].split('"')[0]
    order = (await client.get("/orders/A-1")).text
    assert f'<a href="/incidents/{path}">Инцидент</a>' in order
    form, ours = "by=%D0%90%D0%BD%D0%BD%D0%B0&text=", {"origin": "http://site"}
    ours["content-type"] = "application/x-www-form-urlencoded"
    assert (await client.post(f"/incidents/{path}/acknowledge", content=form, headers=ours)).status_code == 303
    page = (await client.get(f"/incidents/{path}")).text
    assert "занимается: Анна" in page
    assert "взято в работу" in page
