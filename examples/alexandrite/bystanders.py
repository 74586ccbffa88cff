"""Traffic beside the orders' own that looks like loss and is none: nothing of it may ever be reported.

A priority queue whose messages overtake, retries by way of a delay queue, a queue that keeps only the newest, transactions
that are rolled back, and messages about no order. The MES's user sends and reads all of it, on an exchange of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.common import FieldValue

EXCHANGE = "alexandrite.side"
PRIORITY, RETRY, WAITING, RING, BOOKED, STOCK = (
    f"{EXCHANGE}.{name}" for name in ("priority", "retry", "retry-wait", "latest", "booked", "stock")
)
LATER = f"{EXCHANGE}.later"
_TRIES = 2
_ARGUMENTS: dict[str, dict[str, FieldValue]] = {
    PRIORITY: {"x-max-priority": 10},
    RETRY: {"x-dead-letter-exchange": LATER},
    WAITING: {"x-message-ttl": 400, "x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": RETRY},
    RING: {"x-max-length": 3},
    BOOKED: {},
    STOCK: {},
}


async def run_bystanders(url: str, some_order: Callable[[], str | None], pause_seconds: float = 0.3) -> None:
    """Sends and reads until cancelled; comes back after a restart of the broker. `some_order` names an order to speak of."""
    while True:
        with suppress(AMQPError, ChannelInvalidStateError, OSError):
            async with await aio_pika.connect(url, client_properties={"connection_name": "bystanders"}) as connection:
                channel = await connection.channel()
                exchange = await _declare(channel)
                await _read(await connection.channel())
                booking = await connection.channel(publisher_confirms=False)
                while True:
                    await _send(exchange, some_order())
                    await _book(booking, some_order())
                    await asyncio.sleep(pause_seconds)
        await asyncio.sleep(1.0)


async def _declare(channel: AbstractChannel) -> AbstractExchange:
    exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True)
    later = await channel.declare_exchange(LATER, aio_pika.ExchangeType.FANOUT, durable=True)
    for name, arguments in _ARGUMENTS.items():
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        await queue.bind(later if name == WAITING else exchange, name)
        await queue.purge()
    return exchange


async def _read(channel: AbstractChannel) -> None:
    """One message at a time, so that those with priority really overtake."""
    await channel.set_qos(prefetch_count=1)
    readers: dict[str, Callable[[AbstractIncomingMessage], Awaitable[None]]] = {
        PRIORITY: _take_slowly, RETRY: _take_at_last, BOOKED: _take, STOCK: _take,
    }  # fmt: skip
    for name, reader in readers.items():
        await (await channel.get_queue(name, ensure=False)).consume(reader)


async def _take(message: AbstractIncomingMessage) -> None:
    await message.ack()


async def _take_slowly(message: AbstractIncomingMessage) -> None:
    await asyncio.sleep(0.02)
    await message.ack()


async def _take_at_last(message: AbstractIncomingMessage) -> None:
    """Refused until it has been round a few times."""
    deaths = message.headers.get("x-death")
    rounds = max((int(str(death["count"])) for death in deaths if isinstance(death, dict)), default=0) if isinstance(
        deaths, list
    ) else 0  # fmt: skip
    await (message.ack() if rounds >= _TRIES else message.reject(requeue=False))


async def _send(exchange: AbstractExchange, order_id: str | None) -> None:
    for priority in random.sample(range(10), 5):
        await exchange.publish(_note("look at the model", order_id, priority), PRIORITY)
    await exchange.publish(_note("print the label", order_id), RETRY)
    await exchange.publish(_note("latest step", order_id), RING)
    await exchange.publish(_note("gold: 17 g left", None), STOCK)


async def _book(channel: AbstractChannel, order_id: str | None) -> None:
    """A booking that is taken back, then one that is kept."""
    exchange = await channel.get_exchange(EXCHANGE, ensure=False)
    transaction = channel.transaction()
    await transaction.select()
    await exchange.publish(_note("book the mill", order_id), BOOKED)
    await transaction.rollback()
    await exchange.publish(_note("book the mill", order_id), BOOKED)
    await transaction.commit()


def _note(text: str, order_id: str | None, priority: int = 0) -> aio_pika.Message:
    body = {"Note": text} | ({"OrderId": order_id} if order_id else {})
    return aio_pika.Message(
        json.dumps(body).encode(), priority=priority, app_id="MES", content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )  # fmt: skip
