"""The MES: the closed system of the workshop. No tracing of any kind, passes no headers on, writes PascalCase JSON.

Takes 3D models over HTTP, prices submitted orders and makes approved ones.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aio_pika.abc import AbstractIncomingMessage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .bus import Bus, Reading, open_bus, read_event
from .harm import DELIVERIES_MAX, LOOPS, READ_BY_MES, lane_queue
from .sending import Sender
from .service import Surroundings, serve

PAUSE_SECONDS = 0.05  # between two tries of a message that cannot be read
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
        self.known: set[tuple[str, str]] = set()
        self.tries: Counter[str] = Counter()
        self.lanes: dict[str, Reading] = {}
        self.sender = Sender(around, "MES")

    async def take_file(self, request: Request) -> JSONResponse:
        size = len(await request.body())
        order_id = request.path_params["name"].removesuffix(".stl")
        if self.around.plan.of(order_id).has("transfer_error"):
            return JSONResponse({"Error": "file store is in maintenance"}, 503)
        return JSONResponse({"Bytes": size}, 201)

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        """An order is priced before its message is acknowledged; making one takes long and goes on by itself.

        A message that comes again, because the broker was away when it was acknowledged, starts nothing twice.
        """
        event = read_event(message)
        if self.around.plan.of(event.order_id).has("rejected", event.status):
            await message.reject(requeue=False)
            return self.around.facts.add(event.order_id, "harmed", event.status)
        async with message.process():
            await self._work_on(event.order_id, event.status)
        return None

    async def _work_on(self, order_id: str, status: str) -> None:
        if (order_id, status) in self.known:
            return
        self.known.add((order_id, status))
        try:
            if status == "SUBMITTED":
                await self._price(order_id)
            else:
                self._start_job(self._make(order_id))
        except BaseException:  # the client breaks off what was under way when its connection is lost
            self.known.discard((order_id, status))
            raise

    async def on_lane(self, message: AbstractIncomingMessage) -> None:
        """Approvals that take a lane are treated badly, each in the way that is planned for it."""
        event = read_event(message)
        done = True
        match self.around.plan.of(event.order_id).fault:
            case "no_effect":
                await message.ack()
            case "delivery_limit":
                done = int(str(message.headers.get("x-delivery-count", 0))) >= DELIVERIES_MAX
                await message.nack(requeue=True)
            case "redelivery_loop":
                self.tries[event.order_id] += 1
                done = self.tries[event.order_id] == LOOPS + 1
                await asyncio.sleep(PAUSE_SECONDS)
                await message.nack(requeue=True)
            case _:
                """`unacked`: kept, and never answered."""
        if done:
            self.around.facts.add(event.order_id, "harmed", event.status)

    async def open_lanes(self, bus: Bus) -> None:
        """Reads the lanes that the planned faults need."""
        for lane in READ_BY_MES:
            if lane in self.around.plan.faults:
                self.lanes[lane] = await bus.follow(lane_queue(lane), self.on_lane)

    async def _price(self, order_id: str) -> None:
        plan = self.around.plan.of(order_id)
        if plan.has("stuck_in_queue") and (reading := self.lanes.pop("stuck_in_queue", None)):
            await reading.stop()  # somebody switches the reader off before the order comes back approved
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
        await self.sender.publish(order_id, status, body)

    async def _report_error(self, order_id: str, status: str) -> None:
        code, text = ERRORS[status]
        self.around.facts.add(order_id, "noted error", text=f"{code} {text}")
        body = {"OrderId": order_id, "Status": "FAILED", "ErrorCode": code, "ErrorText": text, "During": status}
        await self.sender.publish(order_id, "FAILED", body)

    def _start_job(self, work: Coroutine[None, None, None]) -> None:
        job = asyncio.create_task(work)
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)


def build_app(around: Surroundings) -> Starlette:
    mes = Mes(around)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with open_bus(around.amqp_url, "mes") as mes.sender.bus:
            await mes.sender.bus.follow("mes.orders", mes.on_message)
            await mes.open_lanes(mes.sender.bus)
            yield
            for job in mes.jobs:
                job.cancel()

    return Starlette(routes=[Route("/files/{name}", mes.take_file, methods=["PUT"])], lifespan=lifespan)


if __name__ == "__main__":
    serve("mes", 8082, build_app)
