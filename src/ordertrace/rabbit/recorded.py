"""The firehose of a broker as somebody recorded it: the same reading, judging and writing as of a live one, by its own times.

A recording holds no counts of queues and no acknowledgements. That a message was settled follows from its channel: when
the consumer has gone on with messages that came later there, and the broker did not give it again, it was taken for good.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import Invalid
from ..settings.brokers import BrokerSettings
from .detector import Detector
from .lives import Bounds, Settled
from .peers import Peers
from .tap_record import RecordReader, TapRecord
from .writer import MessageWriter

_OVERTAKEN_SECONDS = 5.0  # what a broker may take to give a requeued message again
_CHANNELS_MAX = 1_000
_DELIVERIES_A_CHANNEL_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some recorded lines; `passed_over` are about no message."""

    taken: int
    passed_over: int


@dataclass(slots=True)
class _Delivery:
    key: str
    queue: str
    order_id: str
    at: float
    overtaken_at: float | None = None


class RecordedFirehose:
    """Takes recorded lines of one broker, in any number of portions; later portions are of later times."""

    def __init__(self, settings: BrokerSettings, reader: RecordReader, peers: Peers, writer: MessageWriter) -> None:
        self._reader = reader
        self._peers = peers
        self._writer = writer
        self._detector = Detector(Bounds(settings))
        self._open: OrderedDict[str, deque[_Delivery]] = OrderedDict()
        self._channel_of: dict[tuple[str, str], str] = {}
        self._last_at = 0.0
        self._lock = asyncio.Lock()

    async def take(self, lines: bytes) -> Taken:
        """Works recorded lines in and writes what they tell, durably. Raises Invalid for what is no recording."""
        parsed = [_parse(number, line) for number, line in enumerate(lines.splitlines(), 1) if line.strip()]
        async with self._lock:
            taken = sum(self._feed(line) for line in parsed)
            self._detector.seen(self._last_at)
            self._writer.take_findings(self._detector.tick(self._last_at))
            settled, vanished = self._detector.take_settled()
            self._note_followed(settled)
            at = datetime.fromtimestamp(self._last_at, UTC)
            self._writer.take_settled([*settled, *self._overtaken()], vanished, at)
            await self._writer.flush(datetime.now(UTC))
        return Taken(taken, len(parsed) - taken)

    def _feed(self, line: Mapping[str, Any]) -> bool:
        trace, routing_key = line["headers"], line["routing_key"]
        if self._reader.is_own(routing_key, str(trace.get("user", ""))):
            return False
        at = line["seen_unix_nano"] / 1e9
        properties = trace.get("properties") or {}
        app_id = str(properties.get("app_id", "")) if "routed_queues" in trace else ""
        peer = self._peers.find(str(trace.get("user", "")), str(trace.get("connection", "")), app_id)
        record = self._reader.read_trace(routing_key, trace, line["body"], at, False, peer)
        if record is None:
            return False
        self._last_at = max(self._last_at, at)
        if self._detector.feed(record):
            self._writer.take_record(record)
        if record.kind == "delivered" and record.queues:
            self._note_delivery(record)
        return True

    def _note_delivery(self, record: TapRecord) -> None:
        told = (record.key, record.queues[0])
        if earlier := self._open.get(self._channel_of.pop(told, "")):
            for delivery in [one for one in earlier if (one.key, one.queue) == told]:
                earlier.remove(delivery)
        course = self._open.setdefault(record.channel, deque(maxlen=_DELIVERIES_A_CHANNEL_MAX))
        self._open.move_to_end(record.channel)
        course.append(_Delivery(*told, record.order_id, record.at))
        self._channel_of[told] = record.channel
        while len(self._open) > _CHANNELS_MAX:
            self._open.popitem(last=False)
        if len(self._channel_of) > _CHANNELS_MAX * _DELIVERIES_A_CHANNEL_MAX:
            self._channel_of.clear()

    def _note_followed(self, settled: Sequence[Settled]) -> None:
        """What came earlier on a channel than a message that had its effect was overtaken then."""
        for done in settled:
            course = self._open.get(self._channel_of.pop((done.key, done.queue), ""))
            if course is None:
                continue
            for delivery in list(course):
                if (delivery.key, delivery.queue) == (done.key, done.queue):
                    course.remove(delivery)
                    break
                if delivery.at <= done.at:  # what was given again stands behind what came after its effect
                    delivery.overtaken_at = delivery.overtaken_at or done.at

    def _overtaken(self) -> list[Settled]:
        """Deliveries that were overtaken long enough ago for a requeued one to have come again."""
        done = []
        for course in self._open.values():
            while course and (at := course[0].overtaken_at) and at + _OVERTAKEN_SECONDS < self._last_at:
                first = course.popleft()
                self._channel_of.pop((first.key, first.queue), None)
                done.append(Settled(first.key, first.queue, first.order_id, at, "overtaken"))
        return done


def _parse(number: int, line: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
        at, routing_key, trace = said["seen_unix_nano"], said["routing_key"], said["headers"]
        body = base64.b64decode(said.get("body_base64", ""), validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        at = routing_key = trace = None
        body = b""
    if not isinstance(at, int) or not isinstance(routing_key, str) or not isinstance(trace, dict):
        raise Invalid(
            f"line {number} is not a recorded trace message; write an object with seen_unix_nano, routing_key, headers"
            " and body_base64"
        )
    return {"seen_unix_nano": at, "routing_key": routing_key, "headers": trace, "body": body}
