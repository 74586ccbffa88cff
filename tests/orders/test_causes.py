"""The cause before the symptom: whatever follows from it, an order names what came first."""

from __future__ import annotations

from typing import Any

import pytest

from ordertrace.model.message import MessageLife, MessageState, Verdict
from ordertrace.model.order import DiagnosisKind, OrderEvent
from ordertrace.orders.lost import Watched
from ordertrace.orders.state import build_order
from ordertrace.orders.timeline import build_events

from .events import at, default_flow, failed, told

FLOW = default_flow()
LATE = 4_000  # every deadline and every grace has passed
MESSAGED = frozenset({"SUBMITTED", "PRICE_CALCULATED", "MANUFACTURING_APPROVED"})
# The CRM approved; the shop has not followed, the MES is next, and nothing came of it.
APPROVED = [
    told("shop", "SUBMITTED", 0),
    told("crm", "SUBMITTED", 1),
    told("shop", "PRICE_CALCULATED", 60),
    told("crm", "PRICE_CALCULATED", 61),
    told("crm", "MANUFACTURING_APPROVED", 120),
]


def life(**fields: Any) -> MessageLife:
    values: dict[str, Any] = {
        "broker": "main", "key": "m1", "message_id": "m1", "exchange": "orders", "routing_key": "order.manufacturing_approved",
        "queue": "mes.orders", "order_id": "A-1", "status": "MANUFACTURING_APPROVED", "published_at": at(120),
        "delivered_at": at(121), "settled_at": at(122), "publisher": "crm", "consumer": "mes", "redeliveries": 0,
        "state": MessageState.SETTLED, "confidence": 1.0,
    }  # fmt: skip
    return MessageLife(**(values | fields))


HELD = {"delivered_at": None, "settled_at": None, "state": MessageState.QUEUED}
LOST = life(**(HELD | {"verdict": Verdict.EXPIRED, "since": at(130), "state": MessageState.LOST}))
STUCK = life(**(HELD | {"verdict": Verdict.STUCK_IN_QUEUE, "since": at(180)}))
CALL = failed(
    "crm", "POST", 121, span_kind="Client", peer="carrier", response_code="503", error=None, trace_id="booking"
)
THROWN = failed("crm", "book", 121)
AGREED = [*APPROVED, told("shop", "MANUFACTURING_APPROVED", 121)]


@pytest.mark.parametrize(
    ("events", "lives", "cause"),
    [
        ([*APPROVED, THROWN], [life()], DiagnosisKind.PROCESSING_ERROR),
        ([*APPROVED, THROWN], [], DiagnosisKind.PROCESSING_ERROR),  # the error is why no message was sent
        ([*APPROVED, CALL], [life()], DiagnosisKind.TRANSFER_ERROR),
        (APPROVED, [LOST], DiagnosisKind.MESSAGE_LOST),
        (APPROVED, [STUCK], DiagnosisKind.MESSAGE_STUCK),
        (APPROVED, [], DiagnosisKind.NEVER_PUBLISHED),
        (APPROVED, [life()], DiagnosisKind.STATUS_MISMATCH),  # seen after two minutes, long before the deadline
        (AGREED, [life()], DiagnosisKind.NO_EFFECT),
        (AGREED, [life(settled_at=None, state=MessageState.DELIVERED)], DiagnosisKind.MESSAGE_STUCK),
        (AGREED, [life(state=MessageState.UNSEEN, settled_at=None, delivered_at=None)], DiagnosisKind.TOO_SLOW),
    ],
)
def test_the_cause_is_named_though_all_that_follows_from_it_is_there(
    events: list[OrderEvent], lives: list[MessageLife], cause: DiagnosisKind
) -> None:
    watched = Watched(tuple(lives), (), MESSAGED, at(-3_600))
    order = build_order("A-1", build_events(events), FLOW, at(LATE), watched)
    assert order.diagnosis
    assert order.diagnosis.kind is cause
    assert order.diagnosis.evidence
    assert 0 < order.diagnosis.confidence <= 1
    assert order.deadline_at is not None
    assert order.deadline_at < at(LATE)  # time has passed as well


def test_silence_of_the_system_in_question_comes_before_what_cannot_be_seen() -> None:
    heard = {"mes": at(LATE), "crm": at(LATE), "shop": at(110)}
    order = build_order(
        "A-1", build_events(APPROVED), FLOW, at(LATE), Watched((life(),), (), MESSAGED, at(-3600)), heard
    )
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system) == (DiagnosisKind.SOURCE_SILENT, "shop")


def test_what_is_less_sure_says_so() -> None:
    """A delay alone proves little; a verdict of the broker is certain."""
    watched = Watched((LOST,), (), MESSAGED, at(-3600))
    lost = build_order("A-1", build_events(APPROVED), FLOW, at(LATE), watched).diagnosis
    slow = build_order("A-1", build_events(AGREED), FLOW, at(LATE)).diagnosis
    assert lost
    assert slow
    assert slow.confidence < lost.confidence == 1.0
    assert slow.kind is DiagnosisKind.TOO_SLOW
