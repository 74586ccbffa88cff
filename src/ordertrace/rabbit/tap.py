"""The firehose: a bounded queue of trace messages, the heartbeat that proves that it flows, and the mark of its overflow.

The queue drops its oldest when we are too slow, so neither a slow nor a dead ordertrace can harm the broker.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage

from ..settings.brokers import BrokerSettings
from .kept import Kept
from .link import consume, declare, open_channel, publish
from .peers import Peers
from .tap_record import RecordReader, TapRecord

TRACE = "amq.rabbitmq.trace"
TAP, TAP_DROP, BEAT = "ordertrace.tap", "ordertrace.tapdrop", "ordertrace.beat"
_EXPIRES_MS = 600_000
_PREFETCH = 3_000
_BEAT_KEY = f"publish.{BEAT}"


class Tap:
    """Reads the firehose into `on_record`, and our own heartbeats into `on_beat`; `acknowledge` what is stored."""

    def __init__(
        self,
        settings: BrokerSettings,
        reader: RecordReader,
        peers: Peers,
        on_record: Callable[[TapRecord], bool],
        on_beat: Callable[[float], None],
        on_drop: Callable[[], None],
        kept: Kept,
        on_republished: Callable[[str, bool], None],
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._peers = peers
        self._on_record = on_record
        self._on_beat = on_beat
        self._on_drop = on_drop
        self._kept = kept
        self._on_republished = on_republished
        self._token = secrets.token_hex(8)
        self._channel: AbstractChannel | None = None
        self._beats: AbstractChannel | None = None
        self._read_tag = 0
        self._acknowledged_tag = 0
        self.records = 0
        self.read_at = 0.0

    async def start(self, connection: AbstractConnection) -> None:
        """Declares what is ours and reads. Raises as the broker refuses."""
        drops = await open_channel(connection)
        await declare(drops, TAP_DROP, exchange=TAP_DROP, arguments={"x-max-length": 1, "x-expires": _EXPIRES_MS})
        await declare(drops, BEAT, exchange=BEAT, arguments={"x-max-length": 1, "x-expires": _EXPIRES_MS})
        self._channel = channel = await open_channel(connection)
        self._read_tag = self._acknowledged_tag = 0
        await declare(channel, TAP, arguments=tap_arguments(self._settings))
        for key in self._settings.tap_keys:
            await channel.queue_bind(TAP, TRACE, routing_key=key)
        if not any(key in ("publish.#", "#", _BEAT_KEY) for key in self._settings.tap_keys):
            await channel.queue_bind(TAP, TRACE, routing_key=_BEAT_KEY)
            if self._settings.republish.enabled:  # what goes back to the queue that lost it
                await channel.queue_bind(TAP, TRACE, routing_key="publish.")
        self._drops = drops
        await consume(drops, TAP_DROP, self._take_drop, 1)
        await consume(channel, TAP, self._take, _PREFETCH)
        self._beats = await open_channel(connection)

    async def beat(self, now: float) -> None:
        """Sends a heartbeat; it comes back as a trace message."""
        if self._beats is not None:
            await publish(self._beats, BEAT, {"sent": repr(now), "watch": self._token})

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
        self._channel = self._beats = None
        self._read_tag = self._acknowledged_tag = 0

    async def _take(self, message: DeliveredMessage) -> None:
        self._read_tag = message.delivery_tag or self._read_tag
        key, trace = message.routing_key or "", dict(message.header.properties.headers or {})
        self.read_at = now = time.time()
        if key == _BEAT_KEY:
            self._take_beat(trace)
            return
        attempt = self._reader.republished(trace)
        if attempt:
            self._on_republished(attempt, bool(trace["routed_queues"]))
        if attempt or not self._reader.is_own(key, str(trace.get("user", ""))):
            peer = self._peer(trace)
            if record := self._reader.read_trace(key, trace, message.body, now, bool(message.redelivered), peer):
                self.records += 1
                if self._on_record(record) and record.kind == "published" and not trace["routed_queues"]:
                    await self._kept.capture(trace, message.body)

    def _take_beat(self, trace: Any) -> None:
        headers = (trace.get("properties") or {}).get("headers") or {}
        if headers.get("watch") == self._token:
            self._on_beat(float(headers["sent"]))

    def _peer(self, trace: Any) -> str:
        properties = trace.get("properties") or {}
        app_id = properties.get("app_id", "") if "routed_queues" in trace else ""
        return self._peers.find(str(trace.get("user", "")), str(trace.get("connection", "")), str(app_id))

    async def _take_drop(self, message: DeliveredMessage) -> None:
        self._on_drop()
        await self._drops.basic_ack(message.delivery_tag or 0)


def tap_arguments(settings: BrokerSettings) -> dict[str, Any]:
    """How the queue of trace messages is bounded: by count, since their properties cost far more than their bodies."""
    return {
        "x-max-length": settings.tap_messages_max,
        "x-overflow": "drop-head",
        "x-expires": _EXPIRES_MS,
        "x-dead-letter-exchange": TAP_DROP,
    }
