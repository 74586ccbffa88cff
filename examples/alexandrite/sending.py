"""How Shop, CRM and MES publish what happened to an order, and the ways in which that goes wrong on its way to the queue.

A fault is planned for the order; what the plan does not mention is published as it should be.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

from .bus import Bus
from .harm import TTL_SECONDS, lane_of, lane_queue, struck_status
from .plan import OrderPlan
from .service import Surroundings

_BALLAST = {"note": "intake test"}
_HARMED_WHEN_SENT = ("maxlen", "overflow_rejected", "stuck_in_queue")


class Sender:
    """One service's way to the bus; `app_id` is what its messages call it."""

    def __init__(self, around: Surroundings, app_id: str) -> None:
        self._around = around
        self._app_id = app_id
        self._one_at_a_time = asyncio.Lock()
        self._later: set[asyncio.Task[None]] = set()
        self.bus: Bus

    async def publish(self, order_id: str, status: str, body: dict[str, Any]) -> None:
        """Tells the other systems of the status; returns when the broker has taken the message, or has not."""
        plan = self._around.plan.of(order_id)
        if struck_status(plan.fault, plan.where) == status:
            await self._publish_struck(order_id, plan, status, body)
        else:
            await self.bus.publish(f"order.{status.lower()}", body, self._app_id)

    async def _publish_struck(self, order_id: str, plan: OrderPlan, status: str, body: dict[str, Any]) -> None:
        key = f"order.{status.lower()}"
        if plan.fault == "never_published":
            return self._harmed(order_id, status)
        if plan.fault == "unroutable":
            self._sent(order_id, status, await self.bus.publish(f"orders.{status.lower()}", body, self._app_id))
            return self._harmed(order_id, status)
        if lane := lane_of(plan.fault, plan.where):
            async with self._one_at_a_time:
                await self._publish_on_lane(order_id, lane, status, body)
        else:
            self._sent(order_id, status, await self.bus.publish(key, body, self._app_id))
        return None

    async def _publish_on_lane(self, order_id: str, lane: str, status: str, body: dict[str, Any]) -> None:
        """Full lanes are filled and emptied here, one message after the other, so that exactly this one is lost."""
        if lane == "overflow_rejected":
            await self._apart(self._fill(lane))
        message_id = await self.bus.publish(
            f"order.{status.lower()}.{lane}", body, self._app_id,
            expiration=TTL_SECONDS if lane == "expired" else None,
            transient=lane == "broker_restart", confirmed=lane != "overflow_rejected",
        )  # fmt: skip
        self._sent(order_id, status, message_id)
        if lane in ("maxlen", "overflow_rejected"):
            await self._apart(self._push_through(lane))
        if lane.startswith("expired"):
            self._start(self._wait_for_expiry(order_id, status))
        elif lane in _HARMED_WHEN_SENT:
            self._harmed(order_id, status)

    async def _fill(self, lane: str) -> None:
        await self.bus.publish(f"ballast.{lane}", _BALLAST, self._app_id)

    async def _push_through(self, lane: str) -> None:
        """More ballast than the lane holds pushes out or goes through; what is left is taken out again."""
        if lane == "overflow_rejected":
            await self.bus.take_one(lane_queue(lane))
        await self._fill(lane)
        await self.bus.take_one(lane_queue(lane))

    async def _wait_for_expiry(self, order_id: str, status: str) -> None:
        await asyncio.sleep(TTL_SECONDS + 0.2)
        self._harmed(order_id, status)

    async def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        """Outside the order's trace: ballast has nothing to do with it."""
        await asyncio.create_task(work, context=contextvars.Context())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, context=contextvars.Context())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _sent(self, order_id: str, status: str, message_id: str) -> None:
        self._around.facts.add(order_id, "sent", status, message_id)

    def _harmed(self, order_id: str, status: str) -> None:
        self._around.facts.add(order_id, "harmed", status)
