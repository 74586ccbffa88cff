"""What the firehose and the dead-letter queue tell, as values: headers and mapped fields only. The body ends here. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .identity import Death, Identity, first_address, read_deaths, trace_context
from .mapping import MessageMapping, Said

OWN = "ordertrace."
REPUBLISHED = "x-ordertrace-republished"  # the attempt that sent a message again
ORIGIN = "x-ordertrace-origin"  # [exchange, routing key] with which it was published at first
_ID_LENGTH_MAX = 256

Found = Mapping[str, str]
"""What each rule found, by its text; under `exchange` and `routing_keys` (one a line) what rules were applied to, where
that is not the message's own: a message that died, was sent again, or has several keys.
"""


@dataclass(frozen=True, slots=True)
class TapRecord:
    """One message, published to or delivered from the broker; `at` in seconds since 1970, when it was read.

    `queues` are those that took it (published) or the one it came from (delivered); `peer` is the system at the other
    end, or its broker user; `repeated` marks a record that may have been read before, `again` a message that was lost and
    that we sent once more.
    """

    kind: Literal["published", "delivered"]
    at: float
    key: str
    message_id: str
    exchange: str
    routing_key: str
    queues: tuple[str, ...]
    order_id: str
    status: str
    user: str
    peer: str
    channel: str
    redelivered: bool
    persistent: bool
    expiration_seconds: float | None
    trace_id: str
    span_id: str
    deaths: tuple[Death, ...]
    repeated: bool
    again: bool = False
    found: Found = field(default_factory=dict)
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that the broker took out of `queue`; `count` is how often that has happened to it there."""

    at: float
    key: str
    message_id: str
    exchange: str
    routing_key: str
    queue: str
    reason: str
    count: int
    order_id: str
    status: str
    trace_id: str
    span_id: str
    found: Found = field(default_factory=dict)
    correlation_id: str = ""


class RecordReader:
    """Reads what one broker's sources give."""

    def __init__(self, mapping: MessageMapping, identity: Identity, user: str) -> None:
        self._mapping = mapping
        self._identity = identity
        self._user = user

    def is_own(self, routing_key: str, user: str) -> bool:
        """Whether a trace message is about our own traffic; what we send again for others is, too."""
        return user == self._user or routing_key.startswith((f"publish.{OWN}", f"deliver.{OWN}"))

    def republished(self, trace: Mapping[str, Any]) -> str:
        """The attempt that this trace message shows, where it shows that we sent a message again."""
        headers = (trace.get("properties") or {}).get("headers") or {}
        ours = trace.get("user") == self._user and "routed_queues" in trace
        return str(headers.get(REPUBLISHED) or "") if ours else ""

    def read_trace(
        self, routing_key: str, trace: Mapping[str, Any], body: bytes, at: float, repeated: bool, peer: str
    ) -> TapRecord | None:
        """One trace message; None for one that is about no message or not formed as the broker forms it."""
        kind, _, place = routing_key.partition(".")
        keys, properties = trace.get("routing_keys"), trace.get("properties")
        if kind not in ("publish", "deliver") or not isinstance(keys, list) or not isinstance(properties, dict):
            return None
        headers = properties.get("headers") or {}
        deaths = read_deaths(headers) if "x-death" in headers else ()
        exchange, first_key = str(trace.get("exchange_name", "")), str(keys[0]) if keys else ""
        address = origin_of(headers) or first_address(deaths, headers) or (exchange, first_key)
        spoken = [*map(str, keys), address[1]]
        reading = self._mapping.read(Said(address[0], spoken, properties, headers, body))
        trace_id, span_id = trace_context(headers)
        queues = tuple(map(str, trace.get("routed_queues") or ())) if kind == "publish" else (place,)
        return TapRecord(
            kind="published" if kind == "publish" else "delivered",
            at=at,
            key=self._identity.key_of(*address, properties, headers, body, reading.order_id),
            message_id=self._said(properties, "message_id"),
            exchange=exchange,
            routing_key=first_key,
            queues=tuple(queue for queue in queues if not queue.startswith(OWN)),
            order_id=reading.order_id,
            status=reading.status,
            user=str(trace.get("user", "")),
            peer=peer,
            channel=f"{trace.get('connection', '')} ({trace.get('channel', 0)})",
            redelivered=bool(trace.get("redelivered")),
            persistent=properties.get("delivery_mode") == 2,
            expiration_seconds=_seconds(properties.get("expiration")),
            trace_id=trace_id,
            span_id=span_id,
            deaths=deaths,
            repeated=repeated,
            again=REPUBLISHED in headers and "routed_queues" in trace,
            found=_with_address(reading.found, address[0], spoken, (exchange, first_key)),
            correlation_id=self._said(properties, "correlation_id"),
        )

    def read_kept(
        self, properties: Mapping[str, Any], headers: Mapping[str, Any], body: bytes
    ) -> tuple[str, str, tuple[str, str]] | None:
        """(key, queue, address) of a copy that waits to be sent again; queue '' where it had come to none."""
        deaths = read_deaths(headers)
        address = origin_of(headers) or first_address(deaths, headers)
        if address is None:
            return None
        reading = self._mapping.read(Said(address[0], [address[1]], properties, headers, body))
        key = self._identity.key_of(*address, properties, headers, body, reading.order_id)
        return key, deaths[0].queue if deaths else "", address

    def read_dead_letter(
        self, properties: Mapping[str, Any], headers: Mapping[str, Any], body: bytes, at: float
    ) -> DeadLetter | None:
        """One message of the dead-letter queue; None for one that did not die."""
        deaths = read_deaths(headers)
        address = first_address(deaths, headers)
        if address is None:
            return None
        address = origin_of(headers) or address
        newest = deaths[0]
        reading = self._mapping.read(Said(address[0], [address[1]], properties, headers, body))
        trace_id, span_id = trace_context(headers)
        return DeadLetter(
            at=at,
            key=self._identity.key_of(*address, properties, headers, body, reading.order_id),
            message_id=self._said(properties, "message_id"),
            exchange=address[0],
            routing_key=address[1],
            queue=newest.queue,
            reason=newest.reason,
            count=newest.count,
            order_id=reading.order_id,
            status=reading.status,
            trace_id=trace_id,
            span_id=span_id,
            found=reading.found,
            correlation_id=self._said(properties, "correlation_id"),
        )

    def _said(self, properties: Mapping[str, Any], name: str) -> str:
        """An id of the message or of what it answers, masked and bounded."""
        return self._mapping.mask(str(properties.get(name) or "")[:_ID_LENGTH_MAX])


def _with_address(found: Found, exchange: str, keys: Sequence[str], own: tuple[str, str]) -> Found:
    """What rules found, and what they were applied to where that is not the message's own exchange and key."""
    extra = {} if exchange == own[0] else {"exchange": exchange}
    if set(keys) != {own[1]}:
        extra["routing_keys"] = "\n".join(dict.fromkeys(keys))
    return {**found, **extra} if extra else found


def _seconds(expiration: Any) -> float | None:
    return int(expiration) / 1000 if isinstance(expiration, str) and expiration.isdigit() else None


def origin_of(headers: Mapping[str, Any]) -> tuple[str, str] | None:
    """(exchange, routing key) that a message sent again was published with at first."""
    origin = headers.get(ORIGIN)
    if isinstance(origin, list) and len(origin) == 2:
        return str(origin[0]), str(origin[1])
    return None
