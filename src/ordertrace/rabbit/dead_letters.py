"""Copies of dead letters, which policies or the administrator's bindings lead to our exchange, with the broker's reason."""

from __future__ import annotations

import time
from collections.abc import Callable

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage

from ..settings.brokers import BrokerSettings
from .link import consume, declare, open_channel, properties_of
from .tap_record import DeadLetter, RecordReader
from .topology import DEAD_LETTERS

DEAD = "ordertrace.dead"
_PREFETCH = 1_000


class DeadLetters:
    """Reads copies of dead letters into `on_letter`; `acknowledge` what is stored."""

    def __init__(self, settings: BrokerSettings, reader: RecordReader, on_letter: Callable[[DeadLetter], None]) -> None:
        self._settings = settings
        self._reader = reader
        self._on_letter = on_letter
        self._channel: AbstractChannel | None = None
        self._read_tag = 0
        self._acknowledged_tag = 0

    async def start(self, connection: AbstractConnection) -> None:
        """Declares what is ours and reads. Raises as the broker refuses."""
        self._channel = channel = await open_channel(connection)
        self._read_tag = self._acknowledged_tag = 0
        arguments = {
            "x-max-length": self._settings.dead_letters_max,
            "x-overflow": "drop-head",
            "x-message-ttl": int(self._settings.dead_letters_age.total_seconds() * 1000),
        }
        await declare(channel, DEAD, exchange=DEAD_LETTERS, durable=True, arguments=arguments)
        await consume(channel, DEAD, self._take, _PREFETCH)

    def mark(self) -> int:
        """How far has been read; to be acknowledged when all until here is stored."""
        return self._read_tag

    async def acknowledge(self, tag: int) -> None:
        """Everything up to this mark is stored."""
        if self._channel is not None and tag > self._acknowledged_tag:
            self._acknowledged_tag = tag
            await self._channel.basic_ack(tag, multiple=True)

    def stop(self) -> None:
        """The connection is gone; unacknowledged messages come again."""
        self._channel = None
        self._read_tag = self._acknowledged_tag = 0

    async def _take(self, message: DeliveredMessage) -> None:
        self._read_tag = message.delivery_tag or self._read_tag
        properties, headers = properties_of(message)
        if letter := self._reader.read_dead_letter(properties, headers, message.body, time.time()):
            self._on_letter(letter)
