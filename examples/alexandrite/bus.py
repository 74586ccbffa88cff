"""The company's messages: one topic exchange, a queue for each reader, and a dead-letter queue beside each of these."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractRobustConnection
from pamqp.common import FieldValue

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


class MesError(Exception):
    """The MES could not do its part, and said so in an event `order.failed`."""


def read_event(message: AbstractIncomingMessage) -> Event:
    body = json.loads(message.body)
    return Event(body.get("orderId") or body["OrderId"], body.get("status") or body["Status"], body)


class Bus:
    """One service's connection to the broker. A robust one: it comes back by itself after a restart of the broker."""

    def __init__(
        self, connection: AbstractRobustConnection, channel: AbstractChannel, exchange: AbstractExchange
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._exchange = exchange

    async def publish(self, status: str, body: dict[str, Any], app_id: str) -> None:
        """Publishes `order.<status>`; returns when the broker has confirmed it."""
        now = datetime.now(UTC)
        message = aio_pika.Message(
            json.dumps(body).encode(),
            message_id=str(uuid.uuid4()),
            timestamp=now,
            app_id=app_id,
            headers={},
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self._exchange.publish(message, routing_key=f"order.{status.lower()}")

    async def follow(self, queue_name: str, on_message: Callable[[AbstractIncomingMessage], Awaitable[None]]) -> None:
        """Calls `on_message` for each message of the queue, until the bus is closed; several may be under way at once."""
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=200)
        queue = await channel.get_queue(queue_name)
        await queue.consume(on_message)


@asynccontextmanager
async def open_bus(url: str, name: str) -> AsyncIterator[Bus]:
    """Connects as `name` and sees to it that exchange and queues exist."""
    connection = await aio_pika.connect_robust(url, client_properties={"connection_name": name})
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
