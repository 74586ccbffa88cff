"""What the sources of a watch tell, made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from ordertrace.model.message import MessageFinding
from ordertrace.rabbit.detector import Detector
from ordertrace.rabbit.lives import Bounds, QueueSample
from ordertrace.rabbit.tap_record import DeadLetter, TapRecord
from ordertrace.settings.brokers import BrokerExchangeSettings, BrokerQueueSettings, BrokerSettings

START = 1_795_000_000.0
Q = "mes.orders"
SETTINGS = BrokerSettings(
    name="main",
    url=SecretStr("amqp://ordertrace@127.0.0.1/"),
    queue=(
        BrokerQueueSettings(name="quick.*", wait="2s"),
        BrokerQueueSettings(name="latest.*", mute=("maxlen",)),
    ),
    exchange=(BrokerExchangeSettings(name="nobody.*"),),
)

_RECORD = TapRecord(
    kind="published",
    at=START,
    key="m-1",
    message_id="m-1",
    exchange="alexandrite.orders",
    routing_key="order.submitted",
    queues=(Q,),
    order_id="A-1",
    status="SUBMITTED",
    user="shop",
    peer="shop",
    channel="c (1)",
    redelivered=False,
    persistent=True,
    expiration_seconds=None,
    trace_id="",
    span_id="",
    deaths=(),
    repeated=False,
)


def published(at: float, key: str = "m-1", *queues: str, **other: Any) -> TapRecord:
    """A message published `at` seconds after START, to Q unless other queues are given."""
    return replace(_RECORD, at=START + at, key=key, queues=queues or (Q,), **other)


def nowhere(**other: Any) -> TapRecord:
    """A message that no queue took."""
    return replace(_RECORD, queues=(), **other)


def delivered(at: float, key: str = "m-1", queue: str = Q, **other: Any) -> TapRecord:
    """The message given to a consumer of the MES."""
    as_told: dict[str, Any] = {"user": "mes", "peer": "mes", **other}
    return replace(_RECORD, kind="delivered", at=START + at, key=key, queues=(queue,), **as_told)


def dead(at: float, key: str = "m-1", queue: str = Q, reason: str = "rejected", count: int = 1) -> DeadLetter:
    """A copy of the message as the broker dead-lettered it."""
    return DeadLetter(
        START + at, key, key, "alexandrite.orders", "order.submitted", queue, reason, count, "A-1", "", "", ""
    )


def counted(at: float, ready: int, consumers: int = 0) -> QueueSample:
    return QueueSample(START + at, START + at + 0.001, ready, consumers)


def build_detector(*, expects_facts: bool = False) -> Detector:
    return Detector(Bounds(SETTINGS), expects_facts=expects_facts)


def judged(detector: Detector, at: float) -> list[MessageFinding]:
    """Findings when a heartbeat sent `at` seconds after START has just come back."""
    detector.seen(START + at)
    return detector.tick(START + at)


def in_force(findings: list[MessageFinding]) -> dict[tuple[str, str], tuple[str, float]]:
    """(key, queue) → (verdict, confidence), after raising and clearing in order."""
    held: dict[tuple[str, str], tuple[str, float]] = {}
    for finding in findings:
        if finding.cleared_at:
            held.pop((finding.key, finding.queue), None)
        else:
            held[finding.key, finding.queue] = finding.verdict.value, finding.confidence
    return held
