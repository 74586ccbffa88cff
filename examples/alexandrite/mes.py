"""The MES: the closed system of the workshop. No tracing of any kind, passes no headers on, writes PascalCase JSON.

Takes 3D models over HTTP, prices submitted orders and makes approved ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aio_pika.abc import AbstractIncomingMessage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .bus import Bus, open_bus, read_event
from .service import Surroundings, serve

MADE = ("MANUFACTURING_STARTED", "MANUFACTURING_COMPLETED", "PACKAGING", "SHIPPED")
ERRORS = {
    "SUBMITTED": ("MES-4102", "Model is not watertight: 12 open edges in shell 3"),
    "MANUFACTURING_STARTED": ("MES-7731", "Milling station 4 stopped: spindle overload, job aborted"),
}


class Mes:
    """Prices and makes orders; `jobs` are those under way."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.jobs: set[asyncio.Task[None]] = set()
        self.bus: Bus

    async def take_file(self, request: Request) -> JSONResponse:
        size = len(await request.body())
        order_id = request.path_params["name"].removesuffix(".stl")
        if self.around.plan.of(order_id).has("transfer_error"):
            return JSONResponse({"Error": "file store is in maintenance"}, 503)
        return JSONResponse({"Bytes": size}, 201)

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        """An order is priced before its message is acknowledged; making one takes long and goes on by itself."""
        async with message.process():
            event = read_event(message)
            if event.status == "SUBMITTED":
                await self._price(event.order_id)
            else:
                self._start_job(self._make(event.order_id))

    async def _price(self, order_id: str) -> None:
        plan = self.around.plan.of(order_id)
        await self.around.pass_minutes(plan.minutes["SUBMITTED"])
        if plan.has("mes_error", "SUBMITTED"):
            await self._report_error(order_id, "SUBMITTED")
        else:
            await self._report(order_id, "PRICE_CALCULATED", Price=plan.price, Currency="EUR")

    async def _make(self, order_id: str) -> None:
        plan = self.around.plan.of(order_id)
        before = "MANUFACTURING_APPROVED"
        for status in MADE:
            await self.around.pass_minutes(plan.minutes[before])
            if plan.has("mes_error", before):
                return await self._report_error(order_id, before)
            await self._report(order_id, status)
            before = status
        return None

    async def _report(self, order_id: str, status: str, **details: object) -> None:
        body = {"OrderId": order_id, "Status": status, "OccurredAt": datetime.now(UTC).isoformat(), **details}
        self.around.facts.add(order_id, "reached", status)
        await self.bus.publish(status, body, "MES")

    async def _report_error(self, order_id: str, status: str) -> None:
        code, text = ERRORS[status]
        self.around.facts.add(order_id, "noted error", text=f"{code} {text}")
        body = {"OrderId": order_id, "Status": "FAILED", "ErrorCode": code, "ErrorText": text, "During": status}
        await self.bus.publish("FAILED", body, "MES")

    def _start_job(self, work: Coroutine[None, None, None]) -> None:
        job = asyncio.create_task(work)
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)


def build_app(around: Surroundings) -> Starlette:
    mes = Mes(around)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with open_bus(around.amqp_url, "mes") as mes.bus:
            await mes.bus.follow("mes.orders", mes.on_message)
            yield
            for job in mes.jobs:
                job.cancel()

    return Starlette(routes=[Route("/files/{name}", mes.take_file, methods=["PUT"])], lifespan=lifespan)


if __name__ == "__main__":
    serve("mes", 8082, build_app)
