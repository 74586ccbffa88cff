"""The CRM: managers approve priced orders here; it books the carrier and closes what was delivered.

Instrumented, sends OTLP over HTTP. It learns of orders from the Shop's and the MES's events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
from aio_pika.abc import AbstractIncomingMessage
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .bus import Event, MesError, open_bus, read_event
from .plan import CANCELLED, FLOW
from .sending import Sender
from .service import Surroundings, serve
from .tracing import about_order, failed, reached, start_tracing, trace_requests

POLL_MINUTES = 1.0
SHIPMENTS_MAX = 200  # so many are asked about in one request


@dataclass(slots=True)
class Deal:
    """The CRM's own record of an order."""

    order_id: str
    customer: dict[str, str]
    status: str
    shipment: str = ""
    approvals: int = 0


class Crm:
    """The deals, in memory, and what happens to them."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.deals: dict[str, Deal] = {}
        self.tracer = trace.get_tracer("alexandrite.crm")
        self.sender = Sender(around, "crm")
        self.http: httpx2.AsyncClient

    async def approve(self, request: Request) -> JSONResponse:
        order_id = request.path_params["id"]
        about_order(order_id)
        deal = self.deals.get(order_id)
        if deal is None or deal.status != "PRICE_CALCULATED":
            raise HTTPException(409, f"order {order_id} does not wait for approval")
        deal.approvals += 1
        self._check_credit(deal)
        self._reached(deal, "MANUFACTURING_APPROVED")
        body = {"orderId": order_id, "status": deal.status, "approvedBy": (await request.json())["manager"]}
        await self.sender.publish(order_id, deal.status, body)
        return JSONResponse({"id": order_id, "status": deal.status})

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        """An exception here rejects the message: it goes to the dead-letter queue."""
        async with message.process():
            event = read_event(message)
            about_order(event.order_id)
            if event.status == "FAILED":
                self._note_mes_error(event)
            elif event.status in ("SUBMITTED", CANCELLED):
                self._take_over(self.deals.setdefault(event.order_id, _new_deal(event)), event.status)
            else:
                await self._follow_mes(self.deals[event.order_id], event)

    async def close_delivered(self) -> None:
        """Asks the carrier about everything that is on its way; runs until cancelled."""
        while True:
            await self.around.pass_minutes(POLL_MINUTES)
            waiting = {
                deal.shipment: deal for deal in self.deals.values() if deal.status == "SHIPPED" and deal.shipment
            }
            if waiting:
                with self.tracer.start_as_current_span("poll_deliveries"):
                    try:
                        await self._poll(dict(list(waiting.items())[:SHIPMENTS_MAX]))
                    except httpx2.HTTPError as error:
                        failed(error)

    async def _poll(self, waiting: dict[str, Deal]) -> None:
        url = f"{self.around.carrier_url}/deliveries"
        answer = await self.http.get(url, params={"shipments": ",".join(waiting)})
        for shipment in answer.raise_for_status().json()["delivered"]:
            deal = waiting[shipment]
            with self.tracer.start_as_current_span("close_order"):
                self._reached(deal, "CLOSED")
                await self.sender.publish(deal.order_id, "CLOSED", {"orderId": deal.order_id, "status": "CLOSED"})

    async def _follow_mes(self, deal: Deal, event: Event) -> None:
        plan = self.around.plan.of(deal.order_id)
        if plan.has("crm_exception", "event"):
            self.around.facts.add(deal.order_id, "rejected", event.status, event.message_id)
            self._break(deal, f"price list has no entry for {plan.material}, customer {deal.customer['email']}")
        unsynchronised = plan.has("status_not_synchronised") and FLOW.index(event.status) >= FLOW.index(plan.where)
        if unsynchronised or not self._take_over(deal, event.status):
            self.around.facts.add(deal.order_id, "ignored", event.status)
        # Also when the event comes again, since the first time may have been broken off before the booking.
        if event.status == "PACKAGING" and not unsynchronised and not deal.shipment:
            booking = {"reference": deal.order_id, "to": deal.customer}
            answer = await self.http.post(f"{self.around.carrier_url}/shipments", json=booking)
            deal.shipment = answer.raise_for_status().json()["shipment"]

    def _note_mes_error(self, event: Event) -> None:
        error = MesError(f"{event.body['ErrorCode']}: {event.body['ErrorText']}")
        span = trace.get_current_span()
        span.set_attributes({"peer.service": "mes", "error.code": event.body["ErrorCode"]})
        failed(error)
        self.around.facts.add(event.order_id, "noted error", text=str(error))

    def _take_over(self, deal: Deal, status: str) -> bool:
        """Whether the deal moved: a status that it has passed, or anything about a cancelled order, changes nothing."""
        behind = status != CANCELLED and FLOW.index(status) <= (FLOW.index(deal.status) if deal.status in FLOW else -1)
        if deal.status == CANCELLED or behind:
            return False
        deal.status = status
        reached(deal.order_id, status)
        self.around.facts.add(deal.order_id, "applied", status)
        return True

    def _reached(self, deal: Deal, status: str) -> None:
        deal.status = status
        reached(deal.order_id, status)
        self.around.facts.add(deal.order_id, "reached", status)

    def _check_credit(self, deal: Deal) -> None:
        plan = self.around.plan.of(deal.order_id)
        if plan.has("crm_exception", "approve") or (plan.has("crm_exception_fixed") and deal.approvals == 1):
            self._break(deal, f"no credit limit is known for {deal.customer['email']}")

    def _break(self, deal: Deal, text: str) -> None:
        """The personal data in the exception's text is what happens in life, and what privacy rules are for."""
        self.around.facts.add(deal.order_id, "noted error", text="ValueError")
        raise ValueError(text)


def _new_deal(event: Event) -> Deal:
    return Deal(event.order_id, event.body.get("customer", {}), status="")


def build_app(around: Surroundings) -> Starlette:
    tracing = start_tracing(OTLPSpanExporter(), {around.carrier_url: "carrier"})
    crm = Crm(around)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with open_bus(around.amqp_url, "crm") as crm.sender.bus, httpx2.AsyncClient(timeout=5) as crm.http:
            await crm.sender.bus.follow("crm.order-events", crm.on_message)
            poller = asyncio.create_task(crm.close_delivered())
            yield
            poller.cancel()
        tracing.shutdown()

    routes = [Route("/api/orders/{id}/approve", crm.approve, methods=["POST"])]
    app = Starlette(routes=routes, lifespan=lifespan)
    trace_requests(app)
    return app


if __name__ == "__main__":
    serve("crm", 8083, build_app)
