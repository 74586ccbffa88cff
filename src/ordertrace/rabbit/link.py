"""One AMQP connection of a watch, and the few calls its sources need. No reconnecting here: `watch` does that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from ..errors import Forbidden, Unavailable

_CONNECT_SECONDS = 5.0
_HEARTBEAT_SECONDS = 10
_CALL_SECONDS = 5.0
CONNECTION_NAME = "ordertrace watch"

OnMessage = Callable[[DeliveredMessage], Coroutine[Any, Any, None]]
LINK_ERRORS = (
    aiormq.exceptions.AMQPError,
    aiormq.exceptions.ConnectionClosed,
    OSError,
    asyncio.TimeoutError,
    RuntimeError,
)


def end_if_cancelled() -> None:
    """Raises CancelledError where somebody has told the current task to end.

    After the broker's library was waited for: it waits by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation
    that comes together with what is waited for (https://github.com/python/cpython/issues/86296).
    """
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError


async def pause(seconds: float) -> None:
    """Sleeps between two turns of a loop around the broker's library, and ends the loop where that has swallowed its end."""
    end_if_cancelled()
    await asyncio.sleep(seconds)


@asynccontextmanager
async def connected(url: str, vhost: str | None = None) -> AsyncIterator[AbstractConnection]:
    """A connection, optionally to another virtual host of the same broker. Raises Unavailable, or Forbidden."""
    if vhost is not None:
        parts = urlsplit(url)
        url = urlunsplit(parts._replace(path="/" + quote(vhost, safe="")))
    address = urlsplit(url).hostname
    try:
        properties: dict[str, Any] = {"connection_name": CONNECTION_NAME, "product": "ordertrace"}
        connection = await aio_pika.connect(
            url, client_properties=properties, timeout=_CONNECT_SECONDS, heartbeat=_HEARTBEAT_SECONDS
        )
    except aiormq.exceptions.ProbableAuthenticationError:
        raise Forbidden(f"the broker at {address} does not know this user and password") from None
    except LINK_ERRORS as error:
        if "access to vhost" in str(error) or "NOT_ALLOWED" in str(error):
            raise Forbidden(f"the broker at {address} has no such virtual host for this user") from None
        raise Unavailable(f"the broker at {address} cannot be reached: {type(error).__name__}") from None
    try:
        yield connection
    finally:
        with suppress(*LINK_ERRORS):
            await asyncio.wait_for(connection.close(), _CALL_SECONDS)


async def open_channel(connection: AbstractConnection) -> AbstractChannel:
    """A plain channel: without confirms and without objects a message."""
    channel = await connection.channel(publisher_confirms=False)
    return await channel.get_underlay_channel()


async def count(channel: AbstractChannel, queue: str) -> tuple[int, int]:
    """(ready, consumers) of a queue, exact and at once. Raises ChannelNotFoundEntity, which closes the channel."""
    answer = await channel.queue_declare(queue, passive=True, timeout=_CALL_SECONDS)
    return answer.message_count or 0, answer.consumer_count or 0


async def exists(connection: AbstractConnection, queue: str) -> bool:
    """Whether the queue is there."""
    try:
        await count(await open_channel(connection), queue)
    except aiormq.exceptions.ChannelNotFoundEntity:
        return False
    return True


async def declare(
    channel: AbstractChannel,
    queue: str,
    *,
    exchange: str = "",
    durable: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> None:
    """A queue, and a fanout exchange that leads to it. Raises ChannelPreconditionFailed where it is there otherwise."""
    if exchange:
        await channel.exchange_declare(exchange, exchange_type="fanout", durable=durable)
    await channel.queue_declare(queue, durable=durable, arguments=dict(arguments or {}))
    if exchange:
        await channel.queue_bind(queue, exchange)


async def consume(channel: AbstractChannel, queue: str, on_message: OnMessage, prefetch: int) -> None:
    """Calls `on_message` for each message of the queue, in order; it acknowledges through the channel."""
    await channel.basic_qos(prefetch_count=prefetch)
    await channel.basic_consume(queue, on_message)


async def publish(channel: AbstractChannel, exchange: str, headers: Mapping[str, Any]) -> None:
    """An empty, transient message."""
    properties = Basic.Properties(headers=dict(headers), delivery_mode=1)
    await channel.basic_publish(b"", exchange=exchange, routing_key="", properties=properties)


def properties_of(message: DeliveredMessage) -> tuple[dict[str, Any], dict[str, Any]]:
    """(properties, headers) in the form in which the firehose shows them."""
    properties = message.header.properties
    shown = {
        name: value
        for name in ("message_id", "correlation_id", "message_type", "app_id", "expiration", "delivery_mode")
        if (value := getattr(properties, name, None)) not in (None, "")
    }
    if "message_type" in shown:
        shown["type"] = shown.pop("message_type")
    if (timestamp := properties.timestamp) is not None:
        shown["timestamp"] = int(timestamp.timestamp())
    return shown, dict(properties.headers or {})
