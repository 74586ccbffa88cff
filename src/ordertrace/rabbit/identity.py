"""What makes two sights of a message the same message: published, delivered, redelivered, dead-lettered. Pure.

Its message id where it has a usable one, else the span that sent it, else a keyed fingerprint of all that stays the
same on its way. Identical twins without an id share a key; they are counted, not told apart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_B3 = re.compile(r"^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-|$)")
_BROKERS_HEADERS = (
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-delivery-count",
    "x-opt-",
    "CC",
    "BCC",
    "x-ordertrace-",
)
_LIKE_A_KEY = re.compile(r"^[\x21-\x7e]{8,200}$")


@dataclass(frozen=True, slots=True)
class Death:
    """One entry of `x-death`: why, where and how often a message was dead-lettered."""

    reason: str
    queue: str
    count: int
    exchange: str
    routing_key: str


def read_deaths(headers: Mapping[str, Any]) -> tuple[Death, ...]:
    """The message's deaths, newest first; what is not formed as the broker forms it is left out."""
    entries = headers.get("x-death")
    if not isinstance(entries, list):
        return ()
    return tuple(
        Death(
            _str(entry.get("reason")),
            _str(entry.get("queue")),
            count if isinstance(count := entry.get("count"), int) else 1,
            _str(entry.get("exchange")),
            _str((entry.get("routing-keys") or [""])[0]),
        )
        for entry in entries
        if isinstance(entry, dict)
    )


def first_address(deaths: Sequence[Death], headers: Mapping[str, Any]) -> tuple[str, str] | None:
    """(exchange, routing key) that a dead-lettered message was published with at first; None for one never dead."""
    if not deaths:
        return None
    queue, reason = _str(headers.get("x-first-death-queue")), _str(headers.get("x-first-death-reason"))
    first = next((d for d in deaths if (d.queue, d.reason) == (queue, reason)), deaths[-1])
    return first.exchange, first.routing_key


def trace_context(headers: Mapping[str, Any]) -> tuple[str, str]:
    """(trace id, id of the sending span) from `traceparent` or `b3`, or two empty texts."""
    if found := _TRACEPARENT.match(_str(headers.get("traceparent"))):
        return found[1], found[2]
    if found := _B3.match(_str(headers.get("b3"))):
        return found[1].rjust(32, "0"), found[2]
    return "", ""


class Identity:
    """Makes keys; `secret` keeps fingerprints from telling anything about bodies to those who guess them."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret[:64]

    def key_of(
        self,
        exchange: str,
        routing_key: str,
        properties: Mapping[str, Any],
        headers: Mapping[str, Any],
        body: bytes,
        order_id: str = "",
    ) -> str:
        """The message's key, the same wherever it is seen; `exchange` and `routing_key` as first published."""
        message_id = _str(properties.get("message_id"))
        if message_id and message_id != order_id and _LIKE_A_KEY.match(message_id):
            return message_id
        digest = hashlib.blake2b(f"{exchange}\0{routing_key}\0{message_id}".encode(), digest_size=16, key=self._secret)
        trace_id, span_id = trace_context(headers)
        if span_id:
            return f"t-{trace_id}-{span_id}-{digest.hexdigest()[:8]}"
        for name in ("timestamp", "correlation_id", "type", "app_id"):
            digest.update(f"\0{properties.get(name, '')}".encode())
        own = sorted(item for item in headers.items() if not item[0].startswith(_BROKERS_HEADERS))
        digest.update(repr(own).encode())
        digest.update(b"\0" + body)
        return f"f-{digest.hexdigest()}"


def _str(value: Any) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
