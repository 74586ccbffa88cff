"""Customers and managers: they place orders at a pace, submit them, look at them, cancel some and approve the others.

Not traced: browsers seldom are. A manager acts when the CRM shows a price, which is learned from the ledger.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import asdict, dataclass

import httpx2

from .plan import OrderPlan, Plan
from .truth import Fact, Ledger

PATIENCE_MINUTES = 1.5  # before something that failed is tried once more
TRIES = 2


@dataclass(frozen=True, slots=True)
class Driver:
    """The people. `minute_seconds` is how long a business minute takes, `gap_seconds` the mean time between orders."""

    plan: Plan
    ledger: Ledger
    http: httpx2.AsyncClient
    shop_url: str
    crm_url: str
    minute_seconds: float
    gap_seconds: float

    async def run(self, orders_max: int | None) -> None:
        """Places orders, one after the other so that the Shop numbers them in this order, and sees each one through."""
        draw = random.Random(self.plan.seed)
        index = 0
        async with asyncio.TaskGroup() as people:
            while orders_max is None or index < orders_max:
                order_id = await self._place(self.plan.at(index))
                people.create_task(self._see_through(order_id, self.plan.at(index)))
                index += 1
                await asyncio.sleep(self.gap_seconds * draw.uniform(0.4, 1.6))

    async def _place(self, plan: OrderPlan) -> str:
        lines = {"item": plan.item, "material": plan.material, "quantity": plan.quantity}
        answer = await self.http.post(
            f"{self.shop_url}/orders", json={"customer": asdict(plan.customer), "lines": lines}
        )
        return str(answer.raise_for_status().json()["id"])

    async def _see_through(self, order_id: str, plan: OrderPlan) -> None:
        await self._pass(plan.minutes["INITIATED"])
        if plan.has("abandoned"):
            return self._note(order_id, "customer", "left")
        if plan.has("cancelled", "INITIATED"):
            return await self._cancel(order_id)
        if not await self._try(f"{self.shop_url}/orders/{order_id}/submit", {}):
            return self._note(order_id, "customer", "gave up")
        if plan.has("cancelled", "SUBMITTED"):
            await self._pass(plan.minutes["SUBMITTED"] / 2)
            return await self._cancel(order_id)
        await self.ledger.happened(order_id, "crm applied PRICE_CALCULATED")  # for some orders that never comes
        with suppress(httpx2.HTTPError):
            await self.http.get(f"{self.shop_url}/orders/{order_id}")
        await self._pass(plan.minutes["PRICE_CALCULATED"])
        if plan.has("cancelled"):
            return await self._cancel(order_id)
        if not await self._try(f"{self.crm_url}/api/orders/{order_id}/approve", {"manager": f"m{len(plan.item)}"}):
            self._note(order_id, "manager", "gave up")
        return None

    async def _try(self, url: str, body: dict[str, str]) -> bool:
        for attempt in range(TRIES):
            if attempt:
                await self._pass(PATIENCE_MINUTES)
            with suppress(httpx2.HTTPError):
                if (await self.http.post(url, json=body)).is_success:
                    return True
        return False

    async def _cancel(self, order_id: str) -> None:
        await self._try(f"{self.shop_url}/orders/{order_id}/cancel", {})

    async def _pass(self, minutes: float) -> None:
        await asyncio.sleep(minutes * self.minute_seconds)

    def _note(self, order_id: str, who: str, what: str) -> None:
        self.ledger.add(Fact(order_id, who, what))
