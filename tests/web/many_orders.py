"""A site over the real engine with many orders whose ways, times and troubles are known."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from ordertrace.analysis.reader import AnalysisReader
from ordertrace.metrics import Metrics
from ordertrace.model.order import Diagnosis, DiagnosisKind
from ordertrace.orders.clock import EventClock
from ordertrace.orders.flow import build_flow
from ordertrace.orders.reader import OrderReader
from ordertrace.settings import Settings
from ordertrace.store.messages import MessageStore
from ordertrace.store.orders import Finding, OrderStore
from ordertrace.store.store import Store, open_store
from ordertrace.web.app import build_fallback, build_web

STRAIGHT, AGAIN, STUCK, CANCELLED = 120, 4, 12, 3
LATELY = 40  # so many of the straight ones started lately, and waited longer for their price
FACTS = (
    "order_id", "at", "event_id", "system", "kind", "span_kind", "name", "status", "rank", "duration_ns", "trace_id",
    "span_id", "peer", "joined_by", "confidence", "inserted_at",
)  # fmt: skip
SPANS = (
    "Timestamp", "TraceId", "SpanId", "SpanName", "SpanKind", "ServiceName", "ResourceAttributes", "SpanAttributes",
    "OrderId", "inserted_at",
)  # fmt: skip
STEPS = ("INITIATED", "SUBMITTED", "PRICE_CALCULATED", "MANUFACTURING_APPROVED", "MANUFACTURING_STARTED",
         "MANUFACTURING_COMPLETED", "PACKAGING", "SHIPPED", "CLOSED")  # fmt: skip
FLOW = build_flow(Settings())
OWNER = {step.status: step.system for step in FLOW.steps} | {"CANCELLED": "shop"}


class Telling:
    """Rows about orders, as telemetry would have made them."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.facts: list[tuple[object, ...]] = []
        self.spans: list[tuple[object, ...]] = []
        self.steps: list[tuple[object, ...]] = []

    def order(self, name: str, start: datetime, way: tuple[str, ...], country: str, wait: float = 4.0) -> None:
        """An order on its way, a step every four seconds, but for the second one; the price calls the carrier."""
        at = start
        for i, status in enumerate(way):
            at += timedelta(seconds=0 if i == 0 else wait if i == 2 else 4.0)
            trace, span = f"{name}-{i}".rjust(32, "0"), f"{name}{i}".rjust(16, "0")[-16:]
            fact = (
                "Internal",
                f"to {status}",
                status,
                FLOW.rank(status),
                0,
                trace,
                span,
                "",
                "attribute",
                1.0,
                self.now,
            )
            self.facts.append((name, at, f"{name}.{i}", OWNER[status], "status", *fact))
            if status == "SUBMITTED":
                call = ("Client", "POST", "", 0, 30_000_000, trace, span[::-1], "carrier", "trace", 0.9, self.now)
                self.facts.append((name, at, f"{name}.{i}c", "shop", "call", *call))
                self.message(name, i, at)
            said = {"delivery.country": country, "order.id": name, "thread.id": str(i)}
            service = {"service.version": "1.4.0"}
            self.spans.append(
                (at, trace, span, f"to {status}", "Internal", OWNER[status], service, said, name, self.now)
            )

    def message(self, name: str, i: int, at: datetime) -> None:
        """The order's message to MES: half a second in the queue, one second of work."""
        key = f"m-{name}-{i}"
        for kind, later in (("published", 0.0), ("delivered", 0.5), ("settled", 1.5)):
            system = "shop" if kind == "published" else "mes"
            row = (
                "main",
                key,
                "mes.orders",
                at + timedelta(seconds=later),
                kind,
                key,
                "orders",
                "order.submitted",
                name,
            )
            self.steps.append((*row, "SUBMITTED", system, "", "", "", "", self.now))


def tell_all(now: datetime) -> Telling:
    telling, begin = Telling(now), now - timedelta(hours=8)
    for i in range(STRAIGHT):
        late = i >= STRAIGHT - LATELY
        start = begin + timedelta(minutes=i * 2) + (timedelta(hours=3, minutes=20) if late else timedelta())
        telling.order(f"S-{i:03}", start, STEPS, "RU" if i % 3 else "BY", 9.0 + i % 5 if late else 4.0 + i % 3)
    for i in range(AGAIN):
        way = (*STEPS[:3], "SUBMITTED", *STEPS[2:])
        telling.order(f"R-{i}", begin + timedelta(minutes=i), way, "RU")
    for i in range(STUCK):
        telling.order(f"X-{i:02}", begin + timedelta(minutes=i), STEPS[:2], "KZ" if i else "RU")
    for i in range(CANCELLED):
        telling.order(f"C-{i}", begin + timedelta(minutes=i), (*STEPS[:2], "CANCELLED"), "RU")
    telling.order("<b>&1", begin, STEPS[:2], "<i>RU")
    return telling


async def fill(store: Store, now: datetime) -> None:
    """All orders, and what the sweep would hold against the stuck ones."""
    telling = tell_all(now)
    await store.insert("order_events", FACTS, telling.facts)
    await store.insert("otel_traces", SPANS, telling.spans)
    links = [(row[1], row[8], "attribute", now) for row in telling.spans]
    await store.insert("trace_orders", ("trace_id", "order_id", "joined_by", "inserted_at"), links)
    await MessageStore(store).save_events(telling.steps)
    lost = Diagnosis(DiagnosisKind.MESSAGE_LOST, now, "mes", 0.9)
    await OrderStore(store, FLOW).save_findings([Finding(f"X-{i:02}", "stuck", lost, now) for i in range(STUCK)], now)


@contextmanager
def many_orders_site(directory: Path, empty: bool = False) -> Iterator[str]:
    """The address of a site that ends with the context."""
    listener, ready, addresses = socket.create_server(("127.0.0.1", 0)), threading.Event(), list[str]()
    servers: list[uvicorn.Server] = []

    async def run() -> None:
        settings, metrics = Settings.model_validate({"store": {"url": f"chdb://{directory}"}}), Metrics()
        async with open_store(settings, metrics) as store:
            if not empty:
                await fill(store, datetime.now(UTC))
            reader = OrderReader(store, FLOW, EventClock(timedelta(seconds=30)), MessageStore(store))
            analysis = AnalysisReader(store, FLOW, reader, settings.order)
            pages = build_web(reader, settings, metrics, analysis=analysis)
            site = Starlette(routes=[*pages, build_fallback(reader, settings, metrics)])
            servers.append(uvicorn.Server(uvicorn.Config(site, log_level="warning", lifespan="off")))
            addresses.append(f"http://127.0.0.1:{listener.getsockname()[1]}")
            ready.set()
            await servers[0].serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(60)
        yield addresses[0]
    finally:
        if servers:
            servers[0].should_exit = True
        thread.join()
        listener.close()
