"""The Shop: customers create, submit and cancel orders here and see how far they are.

Instrumented, sends OTLP over gRPC. On submit the 3D model goes to the MES over HTTP, then the order over RabbitMQ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from aio_pika.abc import AbstractIncomingMessage
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .bus import open_bus, read_event
from .plan import CANCELLED, FLOW
from .sending import Sender
from .service import Surroundings, serve
from .tracing import about_order, failed, reached, start_tracing, trace_requests

NOBODY_LISTENS = "http://127.0.0.1:9"  # the host of the file store is down: port "discard"


@dataclass(slots=True)
class Order:
    id: str
    customer: dict[str, str]
    lines: dict[str, Any]
    status: str


class Shop:
    """The orders, in memory, and what can be done with them."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.orders: dict[str, Order] = {}
        self.sender = Sender(around, "shop")
        self.http: httpx2.AsyncClient

    async def create(self, request: Request) -> JSONResponse:
        body = await request.json()
        order = Order(self.around.plan.order_id(len(self.orders)), body["customer"], body["lines"], "INITIATED")
        self.orders[order.id] = order
        self._reached(order, "INITIATED")
        return JSONResponse({"id": order.id, "status": order.status}, 201)

    async def submit(self, request: Request) -> JSONResponse:
        order = self._get(request)
        if order.status != "INITIATED":
            raise HTTPException(409, f"order {order.id} is {order.status}")
        try:
            await self._send_model(order)
        except httpx2.HTTPError as error:
            failed(error)
            self.around.facts.add(order.id, "noted error", text=repr(error))
            return JSONResponse({"error": "the 3D model could not be handed over to production"}, 502)
        self._reached(order, "SUBMITTED")
        await self._publish(order, {"customer": order.customer, **order.lines})
        return JSONResponse({"id": order.id, "status": order.status}, 202)

    async def cancel(self, request: Request) -> JSONResponse:
        order = self._get(request)
        if order.status not in FLOW[:3]:
            raise HTTPException(409, f"order {order.id} is {order.status}: too late to cancel")
        self._reached(order, CANCELLED)
        await self._publish(order, {"reason": "customer"})
        return JSONResponse({"id": order.id, "status": order.status})

    async def show(self, request: Request) -> JSONResponse:
        order = self._get(request)
        return JSONResponse({"id": order.id, "status": order.status, **order.lines})

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        """Takes over what MES and CRM say about an order, unless it was cancelled or is further already."""
        async with message.process():
            event = read_event(message)
            about_order(event.order_id)
            order = self.orders[event.order_id]
            if order.status == CANCELLED or FLOW.index(event.status) <= FLOW.index(order.status):
                return
            order.status = event.status
            reached(order.id, order.status)
            self.around.facts.add(order.id, "applied", order.status)

    def _get(self, request: Request) -> Order:
        order_id = request.path_params["id"]
        about_order(order_id)
        if order_id not in self.orders:
            raise HTTPException(404, f"there is no order {order_id}")
        return self.orders[order_id]

    def _reached(self, order: Order, status: str) -> None:
        order.status = status
        reached(order.id, status)
        self.around.facts.add(order.id, "reached", status)

    async def _send_model(self, order: Order) -> None:
        refused = self.around.plan.of(order.id).has("transfer_error", "refused")
        host = NOBODY_LISTENS if refused else self.around.mes_url
        model = b"solid model\n" + b"facet normal 0 0 1\n" * 200
        answer = await self.http.put(f"{host}/files/{order.id}.stl", content=model)
        answer.raise_for_status()

    async def _publish(self, order: Order, details: dict[str, Any]) -> None:
        await self.sender.publish(order.id, order.status, {"orderId": order.id, "status": order.status, **details})


def build_app(around: Surroundings) -> Starlette:
    tracing = start_tracing(OTLPSpanExporter(), {around.mes_url: "mes", NOBODY_LISTENS: "mes"})
    shop = Shop(around)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with open_bus(around.amqp_url, "shop") as shop.sender.bus, httpx2.AsyncClient(timeout=5) as shop.http:
            await shop.sender.bus.follow("shop.order-events", shop.on_message)
            yield
        tracing.shutdown()

    routes = [
        Route("/orders", shop.create, methods=["POST"]),
        Route("/orders/{id}", shop.show),
        Route("/orders/{id}/submit", shop.submit, methods=["POST"]),
        Route("/orders/{id}/cancel", shop.cancel, methods=["POST"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    trace_requests(app)
    return app


if __name__ == "__main__":
    serve("shop", 8081, build_app)
