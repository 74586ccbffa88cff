"""An API over the real engine, with a handful of orders whose state is known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from fastapi import FastAPI

from ordertrace.analysis.exporting import Exporter
from ordertrace.analysis.reader import AnalysisReader
from ordertrace.api.app import build_api
from ordertrace.metrics import Metrics
from ordertrace.orders.clock import EventClock
from ordertrace.orders.flow import build_flow
from ordertrace.orders.incident_keeper import IncidentKeeper
from ordertrace.orders.reader import OrderReader
from ordertrace.orders.trial import RuleTrials
from ordertrace.settings import Settings
from ordertrace.store.messages import MessageStore
from ordertrace.store.store import Store, open_store
from ordertrace.store.trials import Rules, TrialStore
from tests.api.message_rows import known_findings, save_messages
from tests.api.span_rows import save_spans

Result = TypeVar("Result")
Get = Callable[..., httpx2.Response]

NOW = datetime.now(UTC)
COLUMNS = (
    "order_id", "at", "event_id", "system", "kind", "span_kind", "name", "status", "rank", "duration_ns", "trace_id",
    "span_id", "message_id", "error_type", "error_message", "error_stack", "joined_by", "confidence", "inserted_at",
)  # fmt: skip
PATH = ("INITIATED", "SUBMITTED", "PRICE_CALCULATED", "MANUFACTURING_APPROVED", "MANUFACTURING_STARTED",
        "MANUFACTURING_COMPLETED", "PACKAGING", "SHIPPED", "CLOSED")  # fmt: skip
SYSTEMS = ("shop", "shop", "mes", "crm", "mes", "mes", "mes", "mes", "crm")


class Running:
    """An event loop for tests that are not coroutines themselves; the engine lives in it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._parts = AsyncExitStack()

    def run(self, work: Awaitable[Result]) -> Result:
        async def waits() -> Result:
            return await work

        return self._runner.run(waits())

    def open(self, settings: Settings, metrics: Metrics) -> Store:
        return self.run(self._parts.enter_async_context(open_store(settings, metrics)))

    def close(self) -> None:
        self.run(self._parts.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    loop = Running()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory: Path = tmp_path_factory.mktemp("api")
    return Settings.model_validate({"store": {"url": f"chdb://{directory}"}})


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(scope="module")
def readiness() -> dict[str, str]:
    """Empty while ready; `reason` says what is missing."""
    return {}


@pytest.fixture(scope="module")
def app(running: Running, settings: Settings, metrics: Metrics, readiness: dict[str, str]) -> FastAPI:
    store = running.open(settings, metrics)
    keeper = IncidentKeeper(store)
    running.run(store.insert("order_events", COLUMNS, _events()))
    flow = build_flow(settings)
    running.run(save_spans(store))
    running.run(save_messages(MessageStore(store), NOW))
    running.run(keeper.update(known_findings(), NOW))
    reader = OrderReader(store, flow, EventClock(settings.sweep.lag_max))
    return build_api(
        reader,
        settings,
        metrics,
        lambda: (not readiness, readiness.get("reason", "")),
        messages=MessageStore(store),
        incidents=keeper,
        analysis=AnalysisReader(store, flow, reader, settings.order),
        exporter=Exporter(store, flow, reader),
        trials=RuleTrials(TrialStore(store), flow, Rules(settings.order.id, settings.order.status)),
    )


@pytest.fixture(scope="module")
def get(running: Running, app: FastAPI) -> Get:
    """`get(path, method="GET", body=None, **headers)` asks the API."""

    async def ask(path: str, method: str, body: object, headers: dict[str, str]) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://ordertrace") as client:
            return await client.request(method, path, headers=headers, json=body)

    return lambda path, method="GET", body=None, **headers: running.run(
        ask(path, method, body, {name.replace("_", "-"): value for name, value in headers.items()})
    )


def _events() -> list[tuple[object, ...]]:
    """A-1 is closed, A-2 waits in time, A-3 waits for hours, A-4 failed at the price."""
    rows = _walk("A-1", NOW - timedelta(hours=2), 9) + _walk("A-2", NOW - timedelta(minutes=1), 2)
    rows += _walk("A-3", NOW - timedelta(hours=5), 3) + _walk("A-4", NOW - timedelta(minutes=20), 2)
    error = _event("A-4", NOW - timedelta(minutes=19), "mes", "error", "calculate price", "", 0)
    return [*rows, (*error[:13], "PriceError", "no price for 3 stones", "at price.py:7", *error[16:])]


def _walk(order_id: str, start: datetime, steps: int) -> list[tuple[object, ...]]:
    return [
        _event(order_id, start + timedelta(seconds=i), SYSTEMS[i], "status", f"to {PATH[i]}", PATH[i], i + 1)
        for i in range(steps)
    ]


def _event(
    order_id: str, at: datetime, system: str, kind: str, name: str, status: str, rank: int
) -> tuple[object, ...]:
    trace_id = f"{abs(hash((order_id, system))):032x}"[-32:]
    event_id = f"{trace_id[:8]}{int(at.timestamp() * 1e6):x}"
    rank = 10 if status == "CLOSED" else rank
    return (order_id, at, event_id, system, kind, "Internal", name, status, rank, 2_000_000, trace_id, event_id[-16:], "",
            "", "", "", "attribute", 1.0, NOW)  # fmt: skip
