"""Sending a lost message again because somebody asked for it: who may, which message is meant, what was done before.

How it is done is `rabbit.republisher`'s part. Until there is a login, only this machine may ask.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress

from ..errors import Forbidden, Invalid
from ..model.message import REPUBLISHABLE, MessageLife, Republication
from ..store.messages import MessageStore
from ..store.republications import RepublicationStore

NAME_MAX = 80
Send = Callable[[MessageLife, str], Awaitable[Republication]]


class Resending:
    """What API and pages need; `enabled` names the brokers whose messages may be sent again."""

    def __init__(
        self, messages: MessageStore, record: RepublicationStore, send: Send, enabled: Collection[str]
    ) -> None:
        self._messages = messages
        self._record = record
        self._send = send
        self._enabled = frozenset(enabled)

    def offered(self, lives: Sequence[MessageLife]) -> list[MessageLife]:
        """Those of a message's lives that may be lived again."""
        return [life for life in lives if life.broker in self._enabled and life.held in REPUBLISHABLE]

    async def history(self, lives: Sequence[MessageLife]) -> tuple[Republication, ...]:
        """Every attempt for one message, earliest first."""
        return await self._record.of_message(lives[0].broker, lives[0].key)

    async def send(self, message: str, queue: str | None, by: str, client: str | None) -> Republication:
        """Sends it again; `queue` None where it was lost from one only, `client` is the address that asks.

        Raises Forbidden for others than this machine and where it is turned off, Invalid where it is not clear what to
        send or was sent already, NotFound for an unknown message or one without a copy, Unavailable as the broker does.
        """
        if not _is_here(client):
            raise Forbidden("only this machine may have messages sent again, until there is a login")
        if not by.strip() or len(by) > NAME_MAX:
            raise Invalid(f"by: say who sends it again, in up to {NAME_MAX} characters")
        lives = await self._messages.get_message(message)
        lost = [life for life in lives if life.held and (queue is None or life.queue == queue)]
        if len(lost) > 1:
            raise Invalid(
                f"message {message[:80]!r} was lost from {', '.join(life.queue for life in lost)}: say which queue"
            )
        if not lost:
            raise Invalid(f"message {message[:80]!r} is not held to be lost{f' from {queue!r}' if queue else ''}")
        return await self._send(lost[0], by.strip())


def _is_here(client: str | None) -> bool:
    with suppress(ValueError):
        return client is not None and ipaddress.ip_address(client).is_loopback
    return False
