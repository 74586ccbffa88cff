"""One connection to one broker, from connecting to its end: starts the sources that work and says which do not and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiormq
import structlog
from aio_pika.abc import AbstractConnection

from ..errors import OrdertraceError
from ..model.message import SourceSight
from ..settings.brokers import BrokerSettings
from .dead_letters import DeadLetters
from .detector import Detector
from .events import BrokerEvents
from .judging import MARGIN_SECONDS
from .kept import Kept
from .link import LINK_ERRORS, connected, exists
from .management import vhost_of
from .queues import QueueCounter, QueueLists
from .tap import TAP, Tap

_log = structlog.get_logger(__name__)
_AFTER_COUNT_SECONDS = MARGIN_SECONDS + 0.02
SOURCES = ("tap", "dead_letters", "events", "queues", "management")


class Sources:
    """The sources of one watch; each may be missing, the others go on."""

    def __init__(
        self,
        settings: BrokerSettings,
        detector: Detector,
        tap: Tap,
        dead_letters: DeadLetters,
        kept: Kept,
        events: BrokerEvents,
        counter: QueueCounter,
        lists: QueueLists | None,
    ) -> None:
        self._settings = settings
        self._url = settings.url.get_secret_value()
        self._detector = detector
        self._tap = tap
        self._dead_letters = dead_letters
        self._kept = kept
        self._events = events
        self._counter = counter
        self._lists = lists
        self._names = (*SOURCES, "kept") if settings.republish.enabled else SOURCES
        self.sights = self._unconnected()
        self.connection: AbstractConnection | None = None

    @asynccontextmanager
    async def session(self, on_connected: Callable[[AbstractConnection, bool], Awaitable[None]]) -> AsyncIterator[None]:
        """Connected, with all sources that work; `on_connected` is told whether our tap was still there.

        Raises Unavailable or Forbidden where there is no connection.
        """
        async with AsyncExitStack() as parts:
            connection = self.connection = await parts.enter_async_context(connected(self._url))
            parts.callback(self._stop)
            if self._lists:
                await self._start("management", self._lists.read())
            else:
                self._turn("management", "not_configured")
            await on_connected(connection, await exists(connection, TAP))
            await self._start("dead_letters", self._dead_letters.start(connection), self._settings.dead_letters)
            if self._settings.republish.enabled:
                await self._start("kept", self._kept.start(connection))
            await self._start("events", self._start_events(parts, connection), self._settings.events)
            await self._start("tap", self._tap.start(connection), self._settings.tap)
            self._turn("queues", "")
            yield

    async def count_queues(self) -> None:
        """One round of counting; where the broker refuses it, the last one. A heartbeat follows, to make it count soon."""
        if self.connection is None or not self.sights["queues"].on:
            return
        try:
            if await self._counter.count(self.connection, time.time()) and self.sights["tap"].on:
                await asyncio.sleep(_AFTER_COUNT_SECONDS)
                await self._tap.beat(time.time())
        except aiormq.exceptions.ChannelAccessRefused:
            self._turn("queues", "no_rights")

    async def read_lists(self) -> None:
        """One round of the management API."""
        if self._lists:
            await self._start("management", self._lists.read())

    async def count_unacked(self) -> None:
        """One round of asking queues for what is unacknowledged; what goes wrong with it, `read_lists` says."""
        if self._lists and self.sights["management"].on:
            with suppress(OrdertraceError):
                await self._lists.count_unacked()

    async def _start_events(self, parts: AsyncExitStack, connection: AbstractConnection) -> None:
        if self._settings.event_vhost != vhost_of(self._settings):
            connection = await parts.enter_async_context(connected(self._url, self._settings.event_vhost))
        await self._events.start(connection)

    async def _start(self, name: str, starting: Awaitable[None], wanted: bool = True) -> None:
        if not wanted:
            asyncio.ensure_future(starting).cancel()
            self._turn(name, "turned_off")
            return
        try:
            await starting
            self._turn(name, "")
        except OrdertraceError as error:
            self._turn(name, str(error))
        except LINK_ERRORS as error:
            if isinstance(error, aiormq.exceptions.AMQPConnectionError):
                raise
            self._turn(name, _reason(error))

    def _turn(self, name: str, reason: str) -> None:
        before = self.sights.get(name, SourceSight(name, False))
        self.sights[name] = SourceSight(name, not reason, reason)
        if reason and reason != before.reason and reason != "not_configured":
            _log.warning("source is off", broker=self._settings.name, source=name, reason=reason)

    def _unconnected(self) -> dict[str, SourceSight]:
        return {name: SourceSight(name, False, "not_connected") for name in self._names}

    def _stop(self) -> None:
        self.connection = None
        self._tap.stop()
        self._dead_letters.stop()
        self._kept.stop()
        self._counter.stop()
        self.sights = self._unconnected()


def _reason(error: BaseException) -> str:
    if isinstance(error, aiormq.exceptions.ChannelAccessRefused):
        return "no_rights"
    if isinstance(error, aiormq.exceptions.ChannelNotFoundEntity):
        return "not_there"
    if isinstance(error, aiormq.exceptions.ChannelPreconditionFailed):
        return "declared_otherwise"
    return type(error).__name__
