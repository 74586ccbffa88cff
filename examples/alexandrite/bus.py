"""The company's messages: one topic exchange, a queue for each reader, and a dead-letter queue beside each of these."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    AbstractRobustConnection,
)  # fmt: skip
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.common import FieldValue

from .harm import LANES, lane_queue

RETRY_SECONDS = 0.3
EXCHANGE = "alexandrite.orders"
DEAD_LETTERS = "alexandrite.orders.dlx"
_MES_EVENTS = (
    "order.price_calculated", "order.manufacturing_started", "order.manufacturing_completed", "order.packaging", "order.shipped",
)  # fmt: skip
QUEUES: Mapping[str, tuple[str, ...]] = {
    "shop.order-events": (*_MES_EVENTS, "order.manufacturing_approved", "order.closed"),
    "crm.order-events": (*_MES_EVENTS, "order.submitted", "order.cancelled", "order.failed"),
    "mes.orders": ("order.submitted", "order.manufacturing_approved"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """What a message says; Shop and CRM write camelCase, the MES PascalCase."""

    order_id: str
    status: str
    body: dict[str, Any]
    message_id: str


class MesError(Exception):
    """The MES could not do its part, and said so in an event `order.failed`."""


def read_event(message: AbstractIncomingMessage) -> Event:
    body = json.loads(message.body)
    return Event(
        body.get("orderId") or body["OrderId"], body.get("status") or body["Status"], body, str(message.message_id)
    )


@dataclass(slots=True)
class Reading:
    """A consumer that was started; `stop` ends it, what it holds unacknowledged stays with it."""

    queue: AbstractQueue
    tag: str

    async def stop(self) -> None:
        await self.queue.cancel(self.tag)


class Bus:
    """One service's connection to the broker. A robust one: it comes back by itself after a restart of the broker."""

    def __init__(
        self, connection: AbstractRobustConnection, channel: AbstractChannel, exchange: AbstractExchange
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._exchange = exchange
        self._unconfirmed: AbstractChannel | None = None

    async def publish(
        self, key: str, body: dict[str, Any], app_id: str, *, expiration: float | None = None, transient: bool = False,
        confirmed: bool = True,
    ) -> str:  # fmt: skip
        """Publishes with that routing key; returns the message id when the broker has taken the message.

        While the broker is away it tries again: the same message, so that whoever gets it twice can know. `expiration` is
        in seconds; `transient` does not survive the broker; without `confirmed` a refusal stays unknown.
        """
        kept = aio_pika.DeliveryMode.NOT_PERSISTENT if transient else aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(
            json.dumps(body).encode(), message_id=str(uuid.uuid4()), timestamp=datetime.now(UTC), app_id=app_id, headers={},
            content_type="application/json", delivery_mode=kept, expiration=expiration,
        )  # fmt: skip
        while True:
            try:
                if confirmed:
                    await self._exchange.publish(message, key)
                else:
                    await self._publish_unconfirmed(message, key)
                return str(message.message_id)
            except (AMQPError, ChannelInvalidStateError, OSError):
                await asyncio.sleep(RETRY_SECONDS)

    async def follow(
        self, queue_name: str, on_message: Callable[[AbstractIncomingMessage], Awaitable[None]]
    ) -> Reading:
        """Calls `on_message` for each message of the queue, until the bus is closed; several may be under way at once."""
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=200)
        queue = await channel.get_queue(queue_name)
        return Reading(queue, await queue.consume(on_message))

    async def take_one(self, queue_name: str) -> None:
        """Takes one message out of the queue and forgets it; what was published unconfirmed has come to its queue before."""
        queue = await (await self._get_unconfirmed()).get_queue(queue_name, ensure=False)
        await queue.get(no_ack=True, fail=False)

    async def _publish_unconfirmed(self, message: aio_pika.Message, key: str) -> None:
        exchange = await (await self._get_unconfirmed()).get_exchange(EXCHANGE, ensure=False)
        await exchange.publish(message, key)

    async def _get_unconfirmed(self) -> AbstractChannel:
        if self._unconfirmed is None:
            self._unconfirmed = await self._connection.channel(publisher_confirms=False)
        return self._unconfirmed


@asynccontextmanager
async def open_bus(url: str, name: str) -> AsyncIterator[Bus]:
    """Connects as `name` and sees to it that exchange and queues exist."""
    connection = await aio_pika.connect_robust(url, client_properties={"connection_name": name}, reconnect_interval=0.5)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        yield Bus(connection, channel, await declare_queues(channel))


async def declare_queues(channel: AbstractChannel, *, empty: bool = False) -> AbstractExchange:
    """Declares what is missing; `empty` also drops what earlier runs left in the queues."""
    exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
    dead_letters = await channel.declare_exchange(DEAD_LETTERS, aio_pika.ExchangeType.DIRECT, durable=True)
    for name, keys in QUEUES.items():
        parked = await channel.declare_queue(f"{name}.dlq", durable=True)
        await parked.bind(dead_letters, routing_key=parked.name)
        arguments: dict[str, FieldValue] = {
            "x-dead-letter-exchange": DEAD_LETTERS,
            "x-dead-letter-routing-key": parked.name,
        }
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        for key in keys:
            await queue.bind(exchange, routing_key=key)
        if empty:
            await queue.purge()
            await parked.purge()
    return exchange


async def declare_lane(channel: AbstractChannel, lane: str) -> AbstractQueue:
    """A way for approvals beside `mes.orders`, for the workshop alone."""
    queue = await channel.declare_queue(lane_queue(lane), durable=True, arguments=dict(LANES[lane]))
    await queue.bind(EXCHANGE, f"order.manufacturing_approved.{lane}")
    await queue.bind(EXCHANGE, f"ballast.{lane}")
    return queue


async def declare_lanes(channel: AbstractChannel, lanes: Iterable[str]) -> None:
    """Declares and empties these lanes; the Shop hears of approvals that take one, as of all others."""
    for lane in lanes:
        await (await declare_lane(channel, lane)).purge()
        reader = await channel.get_queue("shop.order-events")
        await reader.bind(EXCHANGE, "order.manufacturing_approved.*")
