"""The watches of all configured brokers, in the background. What one watch does is in `broker_watch`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType

import structlog

from ..errors import NotFound
from ..metrics import Metrics
from ..model.flow import Flow
from ..model.message import BrokerSight, MessageLife, Republication
from ..orders.flow import build_flow
from ..privacy.keys import open_key_ring
from ..settings import Settings, data_directory
from ..settings.brokers import BrokerSettings
from ..store.store import Store
from .broker_watch import BrokerWatch
from .identity import Identity
from .management import Management, user_of
from .mapping import MessageMapping
from .peers import Peers
from .recorded import RecordedFirehose, Taken
from .tap_record import RecordReader
from .writer import MessageWriter, Review, Tell

_log = structlog.get_logger(__name__)


class BrokerWatches:
    """The watches of all configured brokers, in the background: an unreachable broker does not delay the start."""

    def __init__(
        self, settings: Settings, store: Store, metrics: Metrics, tell: Tell, review: Review | None = None
    ) -> None:
        """`tell` is given the times of insertion of messages and of facts about orders, `review` the orders with new or
        cleared verdicts.
        """
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._tell = tell
        self._review = review
        self._parts = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.watches: tuple[BrokerWatch, ...] = ()
        self._recorded: dict[str, RecordedFirehose] = {}

    async def __aenter__(self) -> BrokerWatches:
        """Starts watching; raises Unavailable only where our own key ring cannot be opened."""
        if self._settings.broker:
            ring = open_key_ring(data_directory(self._settings))
            flow = build_flow(self._settings)
            watches = []
            for broker in self._settings.broker:
                secret = ring.derive(b"message fingerprints " + broker.name.encode())
                self._recorded[broker.name] = self._build_recorded(broker, flow, secret)
                if broker.url.get_secret_value():
                    watches.append(await self._build(broker, flow, secret))
            self.watches = tuple(watches)
            self._tasks = [asyncio.create_task(self._guard(watch), name="broker watch") for watch in self.watches]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for watch in self.watches:
            await watch.stop()
        await self._parts.aclose()

    def sights(self) -> tuple[BrokerSight, ...]:
        """How well each broker is watched now."""
        return tuple(watch.sight() for watch in self.watches)

    async def take_recorded(self, lines: bytes, broker: str) -> Taken:
        """Works recorded lines of a broker's firehose in; without a name, of the first one.

        Raises NotFound for a broker that settings do not name, Invalid for lines that are no recording.
        """
        firehose = self._recorded.get(broker or next(iter(self._recorded), ""))
        if firehose is None:
            raise NotFound(f"broker {broker[:80]!r}: there is no such [[broker]] in the settings")
        return await firehose.take(lines)

    def _build_recorded(self, broker: BrokerSettings, flow: Flow, secret: bytes) -> RecordedFirehose:
        reader = RecordReader(MessageMapping(broker.message, self._settings.privacy.patterns), Identity(secret), "")
        writer = MessageWriter(broker.name, flow, self._store, self._metrics, self._tell, self._review)
        return RecordedFirehose(broker, reader, Peers(self._settings.system), writer)

    async def republish(self, life: MessageLife, by: str) -> Republication:
        """Sends a lost message again; see `Republisher.republish`. Raises NotFound where its broker is not watched now."""
        watch = next((watch for watch in self.watches if watch.name == life.broker), None)
        if watch is None:
            raise NotFound(f"broker {life.broker!r} is not watched now, see [[broker]] in the settings")
        return await watch.republish(life, by)

    async def _build(self, broker: BrokerSettings, flow: Flow, secret: bytes) -> BrokerWatch:
        mapping = MessageMapping(broker.message, self._settings.privacy.patterns)
        reader = RecordReader(mapping, Identity(secret), user_of(broker))
        management = await self._parts.enter_async_context(Management(broker)) if broker.management else None
        writer = MessageWriter(broker.name, flow, self._store, self._metrics, self._tell, self._review)
        peers = Peers(self._settings.system)
        return BrokerWatch(broker, reader, peers, management, self._store, writer, self._metrics)

    async def _guard(self, watch: BrokerWatch) -> None:
        """A fault of ours in one watch must not end it for good."""
        while True:
            try:
                await watch.run()
            except Exception as error:
                _log.exception("a watch failed and begins again", error=type(error).__name__)
                await asyncio.sleep(5.0)
