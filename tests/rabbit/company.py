"""A virtual host with the company's queues, its users, and a watch of it, on a real RabbitMQ and a real store."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from alexandrite.broker import RabbitNode
from alexandrite.bus import EXCHANGE, declare_queues
from alexandrite.rights import company_url, prepare_watch
from ordertrace.metrics import Metrics
from ordertrace.model.message import MessageFilter, MessageLife
from ordertrace.rabbit.watch import BrokerWatches
from ordertrace.settings import Settings
from ordertrace.settings.brokers import BrokerSettings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.messages import MessageStore
from ordertrace.store.store import Store, open_store

PATIENCE_SECONDS = 60.0
OnMessage = Callable[[AbstractIncomingMessage], Awaitable[Any]]


async def until(found: Callable[[], Awaitable[Any]] | Callable[[], Any]) -> Any:
    """What `found` returns as soon as that is true; fails when it takes far too long."""
    ends = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        result = found()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return result
        assert asyncio.get_running_loop().time() < ends, "it never came true"
        await asyncio.sleep(0.1)


@dataclass(slots=True)
class Watched:
    """A watch at work: `lives` of messages, `told` times of insertion, `reviewed` orders."""

    store: Store
    watches: BrokerWatches
    metrics: Metrics
    told: list[datetime] = field(default_factory=list)
    reviewed: set[str] = field(default_factory=set)

    @property
    def messages(self) -> MessageStore:
        return MessageStore(self.store)

    async def sees(self) -> bool:
        """Whether the watch is not blind."""
        sight = self.watches.sights()[0]
        return sight.connected and sight.last_heartbeat is not None and not any(gap.until is None for gap in sight.gaps)

    async def lives(self, order_id: str) -> list[MessageLife]:
        return (await self.messages.messages_of_orders([order_id])).get(order_id, [])

    async def verdicts(self, *order_ids: str) -> dict[tuple[str, str], str]:
        """(order, queue) → verdict in force."""
        found = await self.messages.messages_of_orders(order_ids)
        return {(order, life.queue): life.held.value for order, some in found.items() for life in some if life.held}

    async def all_verdicts(self) -> list[MessageLife]:
        query = MessageFilter(since=datetime.now(UTC) - timedelta(hours=1), limit=5000)
        return [life for life in (await self.messages.find_messages(query, datetime.now(UTC))).messages if life.verdict]


@asynccontextmanager
async def watching(url: str, management: str, directory: Path, **limits: Any) -> AsyncIterator[Watched]:
    """A store in `directory` and a watch of one broker, in sight of its firehose where that is on."""
    broker = BrokerSettings(name="main", url=url, management=management, **({"wait": "2s"} | limits))
    settings = Settings(store=StoreSettings(url=f"chdb://{directory}"), broker=(broker,))
    metrics = Metrics()
    told: list[datetime] = []
    reviewed: set[str] = set()
    async with (
        open_store(settings, metrics) as store,
        BrokerWatches(settings, store, metrics, told.extend, reviewed.update) as watches,
    ):
        yield Watched(store, watches, metrics, told, reviewed)


class Company:
    """The systems' channels; messages as they send them."""

    def __init__(self, channels: dict[str, AbstractChannel]) -> None:
        self.channels = channels

    async def publish(
        self, order_id: str, key: str = "order.submitted", *, by: str = "shop", exchange: str = EXCHANGE, **other: Any
    ) -> str:
        """Publishes as `by`; returns the message id."""
        body = {"orderId": order_id, "status": key.removeprefix("order.").upper(), "secretNote": "milk and honey"}
        settings: dict[str, Any] = {"message_id": str(uuid.uuid4()), "delivery_mode": 2} | other
        place = (
            await self.channels[by].get_exchange(exchange, ensure=False)
            if exchange
            else self.channels[by].default_exchange
        )
        message = aio_pika.Message(json.dumps(body).encode(), **settings)
        await place.publish(message, routing_key=key, mandatory=False)
        return str(settings["message_id"])

    async def consume(self, queue: str, on_message: OnMessage, *, by: str = "mes") -> Callable[[], Awaitable[Any]]:
        """Reads the queue as `by`; what is returned ends it."""
        place = await self.channels[by].get_queue(queue, ensure=False)
        tag = await place.consume(on_message)
        return lambda: place.cancel(tag)

    async def declare(self, name: str, *, durable: bool = True, **arguments: Any) -> None:
        """A queue; `x_message_ttl=200` is the argument x-message-ttl."""
        await self.channels["alexandrite"].declare_queue(
            name, durable=durable, arguments={key.replace("_", "-"): value for key, value in arguments.items()}
        )


async def bind_once(company: Company, queue: str) -> None:
    """Messages with the key `lab.QUEUE` go to the queue."""
    place = await company.channels["alexandrite"].get_queue(queue, ensure=False)
    await place.bind(EXCHANGE, f"lab.{queue}")


@asynccontextmanager
async def company_at(node: RabbitNode, vhost: str, *, empty: bool = True) -> AsyncIterator[Company]:
    """The company in a virtual host of its own, its queues empty."""
    url = company_url(node, vhost)
    async with AsyncExitStack() as parts:
        channels = {}
        for system in ("alexandrite", "shop", "mes", "crm"):
            connection = await aio_pika.connect(
                url.format(system=system), client_properties={"connection_name": system}
            )
            await parts.enter_async_context(connection)
            channels[system] = await connection.channel()
            await channels[system].set_qos(50)
        await declare_queues(channels["alexandrite"], empty=empty)
        yield Company(channels)


async def acknowledge(message: AbstractIncomingMessage) -> None:
    await message.ack()


def addresses(node: RabbitNode, vhost: str, *, republish: bool = False) -> tuple[str, str]:
    """(AMQP URL of ordertrace's user, management URL); prepares users, rights and policies."""
    watch = prepare_watch(node, vhost, republish=republish)
    return watch.url, watch.management
