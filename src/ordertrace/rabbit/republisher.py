"""Sends a lost message again: staged, so that neither a crash of ours nor of the broker makes two of it.

    claim (a row)  →  publish, marked with the attempt  →  confirmed  →  result (a row)  →  the copy is acknowledged

Whether a publication happened that nobody heard the end of, the firehose tells: it shows the mark. Its sight is a row
before it is acknowledged to the broker. Where the firehose was blind meanwhile, the end stays unknown and nothing is ever
sent again by itself.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import aiormq
import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage

from ..errors import Forbidden, Invalid, NotFound, Unavailable
from ..model.message import REPUBLISHABLE, MessageLife, Republication, WatchGap
from ..settings.brokers import BrokerSettings
from ..store.republications import RepublicationStore
from .kept import Kept, to_publish
from .link import LINK_ERRORS, connected, open_channel
from .tap_record import RecordReader

_log = structlog.get_logger(__name__)
_CONFIRM_SECONDS = 10.0
_SURE_SECONDS = 2.0  # so long after a connection is up, nothing of an earlier one is on its way any more
FindGaps = Callable[[datetime], Awaitable[Sequence[WatchGap]]]


class Republisher:
    """What is sent again to one broker, one message at a time."""

    def __init__(
        self, settings: BrokerSettings, reader: RecordReader, kept: Kept, store: RepublicationStore, find_gaps: FindGaps
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._kept = kept
        self._store = store
        self._find_gaps = find_gaps
        self._open: dict[str, Republication] = {}
        self._seen: list[Republication] = []
        self._busy: set[str] = set()
        self._connected_at = 0.0
        self._lock = asyncio.Lock()

    async def restore(self) -> None:
        """Takes over attempts of an earlier process whose end nobody noted. Raises as the store does."""
        self._open = {each.attempt: each for each in await self._store.open_ones(self._settings.name)}

    def connected(self, at: float) -> None:
        """A session began."""
        self._connected_at = at

    def see(self, attempt: str, routed: bool) -> None:
        """The firehose showed this attempt, and whether a queue took the message."""
        if (known := self._open.get(attempt)) and known.result == "claimed":
            self._open[attempt] = seen = replace(known, result="seen" if routed else "returned")
            self._seen.append(seen)

    async def flush(self, at: datetime) -> None:
        """Writes what was seen, before the broker may forget it. Raises as the store does; nothing is lost then."""
        if seen := self._seen[:]:
            await self._store.add([replace(each, reason="firehose") for each in seen], at)
            del self._seen[: len(seen)]
            for each in seen:
                if each.result == "returned" and each.attempt not in self._busy:
                    self._open.pop(each.attempt, None)

    async def settle(self, seen_until: float, now: datetime) -> None:
        """Says how attempts ended of which nobody heard, once everything that the firehose tells of them was read."""
        for attempt in [attempt for attempt in self._open if attempt not in self._busy]:
            claimed = self._open[attempt]
            sure_at = max(claimed.began_at.timestamp(), self._connected_at) + _SURE_SECONDS
            if claimed.result == "seen":
                await self._end(claimed, "published", "firehose", now)
                await self._forget_copies(claimed)
            elif seen_until > sure_at:
                blind = await self._find_gaps(claimed.began_at)
                await self._end(claimed, "unknown" if blind else "not_published", "firehose", now)

    async def republish(self, life: MessageLife, by: str, sees: bool) -> Republication:
        """Sends one lost message again, to the queue that lost it or, where it came to none, as it was sent at first.

        `sees`: whether the firehose flows. Raises Forbidden where that is turned off, Invalid where the message is not
        lost or was sent again already, NotFound where no copy is kept, Unavailable where the end is not known.
        """
        self._check(life, sees)
        async with self._lock:
            await self._check_earlier(life)
            async with connected(self._settings.url.get_secret_value()) as connection:
                channel = await open_channel(connection)
                copy, tags = await self._kept.find(channel, life.key, life.queue)
                if copy is None:
                    raise NotFound(
                        f"message {life.key[:80]!r}: the broker keeps no copy of it (any more), so it cannot be sent again"
                    )
                confirming = await connection.channel(publisher_confirms=True, on_return_raises=True)
                attempt = await self._publish(life, by, copy, await confirming.get_underlay_channel())
                if attempt.result == "published":
                    await _acknowledge(channel, tags)
                return attempt

    def _check(self, life: MessageLife, sees: bool) -> None:
        if not self._settings.republish.enabled:
            raise Forbidden(
                f"broker {self._settings.name}: sending messages again is off; see republish under [[broker]] in the settings"
            )
        if life.held not in REPUBLISHABLE:
            what = f"is {life.held.value}" if life.held else "is not held to be lost"
            raise Invalid(f"message {life.key[:80]!r} in queue {life.queue!r} {what}: there is nothing to send again")
        if not sees:
            raise Unavailable(
                "the firehose is not seen now, so it could not be told what became of the message: try later"
            )

    async def _check_earlier(self, life: MessageLife) -> None:
        for earlier in await self._store.of_message(life.broker, life.key):
            if earlier.queue != life.queue or (life.since and earlier.began_at < life.since):
                continue
            at = earlier.began_at.isoformat(timespec="seconds")
            if earlier.result == "published":
                raise Invalid(f"message {life.key[:80]!r} was sent again at {at} by {earlier.by or 'somebody'}")
            if earlier.result in ("claimed", "seen"):
                raise Unavailable(f"message {life.key[:80]!r}: it is not known yet how the attempt at {at} ended")
            if earlier.result == "unknown":
                raise Invalid(
                    f"message {life.key[:80]!r}: how the attempt at {at} ended cannot be known; a second one may make two of it"
                )

    async def _publish(
        self, life: MessageLife, by: str, copy: DeliveredMessage, channel: AbstractChannel
    ) -> Republication:
        exchange, routing_key = ("", life.queue) if life.queue else (life.exchange, life.routing_key)
        now = datetime.now(UTC)
        claimed = Republication(
            uuid.uuid4().hex, life.broker, life.key, life.queue, life.order_id, life.held or "", exchange, routing_key, by,
            now, now,
        )  # fmt: skip
        self._busy.add(claimed.attempt)
        try:
            await self._store.add([claimed], now)
            self._open[claimed.attempt] = claimed
            result, reason = await self._send(claimed, copy, (life.exchange, life.routing_key), channel)
            return await self._end(claimed, result, reason, datetime.now(UTC))
        finally:
            self._busy.discard(claimed.attempt)

    async def _send(
        self, claimed: Republication, copy: DeliveredMessage, origin: tuple[str, str], channel: AbstractChannel
    ) -> tuple[str, str]:
        """(result, reason). Raises Unavailable where the broker did not say what became of it."""
        properties = to_publish(copy, origin, claimed.attempt)
        try:
            await channel.basic_publish(
                copy.body, exchange=claimed.exchange, routing_key=claimed.routing_key, properties=properties,
                mandatory=True, timeout=_CONFIRM_SECONDS,
            )  # fmt: skip
        except aiormq.exceptions.PublishError:
            return "returned", "no queue takes it"
        except aiormq.exceptions.DeliveryError:
            return "refused", "the queue is full or does not take it"
        except aiormq.exceptions.ChannelAccessRefused:
            return "refused", "no rights"
        except aiormq.exceptions.ChannelNotFoundEntity:
            return "refused", "there is no such exchange"
        except LINK_ERRORS as error:
            raise Unavailable(
                f"the broker did not say what became of the message ({type(error).__name__}); the firehose will tell"
            ) from None
        return "published", "confirmed"

    async def _end(self, claimed: Republication, result: str, reason: str, now: datetime) -> Republication:
        ended = replace(claimed, result=result, reason=reason, ended_at=now)
        await self._store.add([ended], now)
        self._open.pop(claimed.attempt, None)
        _log.info(
            "sent again",
            broker=ended.broker,
            message=ended.key,
            queue=ended.queue,
            by=ended.by,
            result=result,
            reason=reason,
        )
        return ended

    async def _forget_copies(self, attempt: Republication) -> None:
        """After a crash; what stays, time or the queue's bound removes."""
        with suppress(Unavailable, Forbidden, *LINK_ERRORS):
            async with connected(self._settings.url.get_secret_value()) as connection:
                channel = await open_channel(connection)
                _, tags = await self._kept.find(channel, attempt.key, attempt.queue)
                await _acknowledge(channel, tags)


async def _acknowledge(channel: AbstractChannel, tags: Sequence[int]) -> None:
    for tag in tags:
        await channel.basic_ack(tag)
    with suppress(*LINK_ERRORS):
        await channel.close()  # what else is in its hand goes back; returns when the broker has done both
