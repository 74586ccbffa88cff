"""What strikes the whole company at a moment of the run: a queue is purged or deleted, the broker is killed.

A moment comes when an approval has waited for a while on the lane that is kept for it. The broker needs to be our own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aio_pika

from .broker import RabbitNode
from .bus import declare_lane
from .harm import MOMENTS, NEEDS_OWN_BROKER, lane_queue
from .truth import Fact, Ledger, OrderTruth

_PATIENCE = 30  # a broker dies less often than somebody purges a queue


@dataclass(frozen=True, slots=True)
class Moments:
    """`wait_seconds` is how long the first message waits before its moment comes; those that came meanwhile share it."""

    ledger: Ledger
    amqp_url: str
    node: RabbitNode | None
    wait_seconds: float
    faults: tuple[str, ...]

    async def run(self) -> None:
        """Until cancelled, whenever there is somebody to be struck."""
        async with asyncio.TaskGroup() as moments:
            for fault in MOMENTS:
                if fault in self.faults:
                    moments.create_task(self._strike_again_and_again(fault))

    async def _strike_again_and_again(self, fault: str) -> None:
        while True:
            await self.ledger.until(lambda: bool(self._waiting(fault)))
            await asyncio.sleep(self.wait_seconds * (_PATIENCE if fault == NEEDS_OWN_BROKER else 1))
            struck = self._waiting(fault)
            await self._strike(fault)
            for order in struck:
                sent = next(fact for fact in order.facts if fact.what == "sent")
                self.ledger.add(Fact(order.id, "broker", "harmed", sent.status))

    def _waiting(self, fault: str) -> list[OrderTruth]:
        """Orders whose message has come to the lane and was not struck yet."""
        planned = [order for order in self.ledger.orders.values() if order.plan.fault == fault]
        return [order for order in planned if "sent" in order.did and "harmed" not in order.did]

    async def _strike(self, fault: str) -> None:
        if fault == NEEDS_OWN_BROKER:
            assert self.node
            await asyncio.to_thread(self.node.kill)
            await asyncio.to_thread(self.node.restart)
            return
        async with await aio_pika.connect(self.amqp_url) as connection:
            channel = await connection.channel()
            if fault == "removed":
                await (await channel.get_queue(lane_queue(fault), ensure=False)).purge()
            else:
                await channel.queue_delete(lane_queue(fault))
                await declare_lane(channel, fault)
