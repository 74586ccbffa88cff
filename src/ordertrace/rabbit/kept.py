"""Copies of lost messages that wait at the broker, in one bounded queue of ours, until somebody has them sent again.

Dead letters come there by themselves. A message that reached no queue is put there by us, from the memory of the process
that read the firehose. No body is kept anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from ..settings.brokers import RepublishSettings
from .link import LINK_ERRORS, declare, open_channel, properties_of
from .tap_record import ORIGIN, REPUBLISHED, RecordReader
from .topology import DEAD_LETTERS

KEPT = "ordertrace.kept"
_BROKERS_OWN = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-ordertrace-", "CC", "BCC")
_CARRIED = (
    "content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to", "message_id", "app_id",
)  # fmt: skip


class Kept:
    """The queue; `capture` puts a copy there, `find` takes one in hand."""

    def __init__(self, settings: RepublishSettings, reader: RecordReader) -> None:
        self._settings = settings
        self._reader = reader
        self._channel: AbstractChannel | None = None

    async def start(self, connection: AbstractConnection) -> None:
        """Declares what is ours. Raises as the broker refuses."""
        channel = await open_channel(connection)
        arguments = {
            "x-max-length": self._settings.messages_max,
            "x-max-length-bytes": self._settings.bytes_max,
            "x-overflow": "drop-head",
            "x-message-ttl": int(self._settings.age.total_seconds() * 1000),
        }
        await declare(channel, KEPT, exchange=KEPT, durable=True, arguments=arguments)
        await channel.exchange_declare(DEAD_LETTERS, exchange_type="fanout", durable=True)
        await channel.queue_bind(KEPT, DEAD_LETTERS)
        self._channel = channel

    def stop(self) -> None:
        """The connection is gone."""
        self._channel = None

    async def capture(self, trace: Mapping[str, Any], body: bytes) -> None:
        """Keeps a message that the firehose showed and no queue took, unless it is one that we sent again."""
        said = dict(trace.get("properties") or {})
        headers = dict(said.get("headers") or {})
        if self._channel is None or REPUBLISHED in headers:
            return
        origin = [str(trace.get("exchange_name", "")), str((trace.get("routing_keys") or [""])[0])]
        properties = Basic.Properties(
            **{name: said[name] for name in _CARRIED if name in said},
            message_type=said.get("type"),
            timestamp=datetime.fromtimestamp(said["timestamp"], UTC) if "timestamp" in said else None,
            headers=headers | {ORIGIN: origin},
        )
        with suppress(*LINK_ERRORS):  # then it comes again with the next session, unless it was acknowledged
            await self._channel.basic_publish(body, exchange=KEPT, routing_key="", properties=properties)

    async def find(self, channel: AbstractChannel, key: str, queue: str) -> tuple[DeliveredMessage | None, list[int]]:
        """The newest copy of a message that was lost from this queue, and the tags of all its copies.

        They and all others are in the hand of `channel`: what is not acknowledged goes back with its end.
        """
        newest, tags = None, list[int]()
        for _ in range(self._settings.messages_max):
            message = await channel.basic_get(KEPT)
            if not isinstance(message.delivery, Basic.GetOk):
                break
            found = self._reader.read_kept(*properties_of(message), message.body)
            if found and found[:2] == (key, queue):
                newest = message
                tags.append(message.delivery_tag or 0)
        return newest, tags


def to_publish(message: DeliveredMessage, origin: tuple[str, str], attempt: str) -> Basic.Properties:
    """The properties with which a copy is sent again: its own, without what brokers and we have put there, and a mark.

    A user id is left out, since brokers take it from its owner alone, and so is a time to live: it would begin anew.
    """
    said = message.header.properties
    own = {name: value for name, value in (said.headers or {}).items() if not name.startswith(_BROKERS_OWN)}
    return Basic.Properties(
        **{name: getattr(said, name) for name in _CARRIED},
        message_type=said.message_type,
        timestamp=said.timestamp,
        headers=own | {REPUBLISHED: attempt, ORIGIN: list(origin)},
    )
