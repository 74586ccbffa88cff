"""The transport company's HTTP API: books shipments and tells which of them were delivered. No tracing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .service import Surroundings, serve


@dataclass(slots=True)
class Carrier:
    """Shipments by their number; each is delivered at a time that is fixed when it is booked."""

    around: Surroundings
    delivered_at: dict[str, float] = field(default_factory=dict)

    async def book(self, request: Request) -> JSONResponse:
        reference = (await request.json())["reference"]
        minutes = self.around.plan.of(reference).minutes
        shipment = f"TR{len(self.delivered_at) + 1:06d}"
        # Packaging has to end before the way to the customer begins.
        on_the_way = self.around.seconds(minutes["PACKAGING"] + minutes["SHIPPED"])
        self.delivered_at[shipment] = time.monotonic() + on_the_way
        return JSONResponse({"shipment": shipment}, 201)

    async def delivered(self, request: Request) -> JSONResponse:
        """Which of the shipments asked for (comma-separated) have been delivered."""
        asked = request.query_params.get("shipments", "").split(",")
        now = time.monotonic()
        return JSONResponse({"delivered": [each for each in asked if self.delivered_at.get(each, now + 1) <= now]})


def build_app(around: Surroundings) -> Starlette:
    carrier = Carrier(around)
    routes = [Route("/shipments", carrier.book, methods=["POST"]), Route("/deliveries", carrier.delivered)]
    return Starlette(routes=routes)


if __name__ == "__main__":
    serve("carrier", 8084, build_app)
