"""Polling: exact counts of queues in which something waits (passive declare), and what the management API lists."""

from __future__ import annotations

import time

import aiormq
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel

from ..settings.brokers import BrokerSettings
from .detector import Detector
from .link import count, open_channel
from .lives import QueueSample, UnackedCount, is_watched
from .management import Management
from .peers import Peers
from .topology import build_facts

_WAITED_SECONDS = 0.3
_BINDINGS_EVERY_SECONDS = 5.0


class QueueCounter:
    """Counts the queues in which messages wait that should have been taken."""

    def __init__(self, settings: BrokerSettings, detector: Detector) -> None:
        self._settings = settings
        self._detector = detector
        self._channel: AbstractChannel | None = None

    async def count(self, connection: AbstractConnection, now: float) -> int:
        """One round; returns how many queues were counted. Raises ChannelAccessRefused where that is not allowed."""
        due = [
            book.queue
            for book in self._detector.books.values()
            if book.queue and book.pending and next(iter(book.pending.values())).waiting_since < now - _WAITED_SECONDS
        ]
        for queue in due[: self._settings.queues_max]:
            sent = time.time()
            found = await self.count_one(connection, queue)
            if found is None:
                self._detector.queue_deleted(queue, sent)
            else:
                self._detector.queue_seen(queue, QueueSample(sent, time.time(), *found))
        parked = {}
        for queue in sorted(self._detector.parkings())[: self._settings.queues_max] if due else ():
            if found := await self.count_one(connection, queue):
                parked[queue] = found[0]
        self._detector.parking_seen(now, parked)
        if len(due) > self._settings.queues_max:
            self._detector.limits_hit["queues_counted"] += 1
        return len(due)

    async def count_one(self, connection: AbstractConnection, queue: str) -> tuple[int, int] | None:
        """(ready, consumers), or None for a queue that is not there."""
        if self._channel is None or self._channel.is_closed:
            self._channel = await open_channel(connection)
        try:
            return await count(self._channel, queue)
        except aiormq.exceptions.ChannelNotFoundEntity:
            self._channel = None
            return None
        except aiormq.exceptions.ChannelLockedResource:  # exclusive: nobody else may ask
            self._channel = None
            return 0, 1

    def stop(self) -> None:
        """The connection is gone."""
        self._channel = None


class QueueLists:
    """What the management API lists, given to the detector and to the names of connections; figures up to 5 s old."""

    def __init__(self, management: Management, vhost: str, detector: Detector, peers: Peers, queues_max: int) -> None:
        self._queues_max = queues_max
        self._management = management
        self._vhost = vhost
        self._detector = detector
        self._peers = peers
        self._bindings_at = 0.0
        self._bindings: list[dict[str, object]] = []
        self.ready: dict[str, tuple[int, int, int]] = {}

    def look_again(self) -> None:
        """Something was declared or deleted: bindings are read again with the next round."""
        self._bindings_at = 0.0

    async def read(self) -> None:
        """One round. Raises as `Management` does."""
        if time.monotonic() - self._bindings_at > _BINDINGS_EVERY_SECONDS:
            self._bindings_at = time.monotonic()
            self._bindings = await self._management.bindings()
            for connection in await self._management.connections():
                properties = connection.get("client_properties")
                name = connection.get("user_provided_name") or (
                    properties.get("connection_name", "") if isinstance(properties, dict) else ""
                )
                self._peers.name_connection(str(connection["name"]), str(name or ""))
        channels = await self._management.channels()
        at = time.time()
        queues = await self._management.queues()
        self._detector.channels_seen(
            at,
            {
                str(channel["name"]): (bool(channel.get("transactional")), bool(channel.get("confirm")))
                for channel in channels
                if channel.get("vhost") == self._vhost
            },
        )
        for facts in build_facts(queues, self._bindings):
            self._detector.queue_facts(facts)
        self._tell_figures(queues, at)

    async def count_unacked(self) -> None:
        """Asks the queues themselves how much is unacknowledged, where something was delivered and not answered yet.

        Only classic queues know at once. Each queue of the virtual host is asked, so this is left out where there are many.
        """
        due = {
            book.queue
            for book in self._detector.books.values()
            if book.unsettled and book.facts and book.facts.kind == "classic"
        }
        if not due or len(self.ready) > self._queues_max:
            return
        sent = time.time()
        totals = await self._management.totals()
        received = time.time()
        self._detector.parking_seen(sent, {queue: ready for queue, (ready, _) in totals.items()})
        for queue, (ready, unacked) in totals.items():
            if queue in due:
                self._detector.unacked_counted(queue, UnackedCount(sent, received, unacked, ready))

    def _tell_figures(self, queues: list[dict[str, object]], at: float) -> None:
        watched = [queue for queue in queues if is_watched(str(queue["name"]))]
        self.ready = {
            str(queue["name"]): (
                _number(queue.get("messages_ready")),
                _number(queue.get("messages_unacknowledged")),
                _number(queue.get("consumers")),
            )
            for queue in watched
        }
        for queue in watched:
            if "messages_unacknowledged" in queue:
                self._detector.queue_unacked(str(queue["name"]), at, self.ready[str(queue["name"])][1])
        self._detector.parking_seen(at, {queue: figures[0] for queue, figures in self.ready.items()})


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
