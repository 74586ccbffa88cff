"""The broker's own events: queues that are deleted, connections and their names. Of a virtual host that may be another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage

from ..settings.brokers import BrokerSettings
from .link import consume, open_channel
from .management import vhost_of

EVENTS_EXCHANGE = "amq.rabbitmq.event"
_KEYS = ("queue.*", "binding.deleted", "policy.*", "connection.created", "alarm.*")
_EXPIRES_MS = 600_000


class BrokerEvents:
    """Reads events about one virtual host."""

    def __init__(
        self,
        settings: BrokerSettings,
        on_queue_deleted: Callable[[str, float], None],
        on_connection: Callable[[str, str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._vhost = vhost_of(settings)
        self._on_queue_deleted = on_queue_deleted
        self._on_connection = on_connection
        self._on_change = on_change

    async def start(self, connection: AbstractConnection) -> None:
        """Declares what is ours and reads. Raises as the broker refuses."""
        channel = await open_channel(connection)
        queue = f"ordertrace.events.{self._vhost}" if self._vhost != "/" else "ordertrace.events"
        arguments: dict[str, Any] = {
            "x-max-length": self._settings.events_max,
            "x-overflow": "drop-head",
            "x-expires": _EXPIRES_MS,
        }
        await channel.queue_declare(queue, arguments=arguments)
        for key in _KEYS:
            await channel.queue_bind(queue, EVENTS_EXCHANGE, routing_key=key)
        self._channel = channel
        await consume(channel, queue, self._take, 500)

    async def _take(self, message: DeliveredMessage) -> None:
        kind, told = message.routing_key or "", message.header.properties.headers or {}
        if kind == "connection.created":
            self._name(told)
        elif told.get("vhost", self._vhost) == self._vhost and not str(told.get("name", "")).startswith("ordertrace."):
            if kind == "queue.deleted":
                self._on_queue_deleted(str(told.get("name", "")), time.time())
            self._on_change()
        await self._channel.basic_ack(message.delivery_tag or 0)

    def _name(self, told: Any) -> None:
        name = told.get("user_provided_name")
        if isinstance(name, str):
            self._on_connection(str(told.get("name", "")), name)
