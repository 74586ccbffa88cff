"""What messages say about an order: lost, stuck, never sent, without effect, and when nothing may be said."""

from __future__ import annotations

from typing import Any

import pytest

from ordertrace.model.message import MessageLife, MessageState, Verdict, WatchGap
from ordertrace.model.order import DiagnosisKind, Order, OrderEvent, OrderState
from ordertrace.orders.lost import Watched
from ordertrace.orders.state import build_order
from ordertrace.orders.timeline import build_events

from .events import at, default_flow, failed, told, whole_life

FLOW = default_flow()
APPROVED = whole_life()[:7]  # the CRM approved at 180 s; the MES should start
MESSAGED = frozenset({"SUBMITTED", "PRICE_CALCULATED", "MANUFACTURING_APPROVED"})

_WATCH: dict[str, Any] = {"messaged": MESSAGED, "since": at(-3600)}


def life(**fields: Any) -> MessageLife:
    values: dict[str, Any] = {
        "broker": "main",
        "key": "m1",
        "message_id": "m1",
        "exchange": "alexandrite.orders",
        "routing_key": "order.manufacturing_approved",
        "queue": "mes.orders",
        "order_id": "A-1",
        "status": "MANUFACTURING_APPROVED",
        "published_at": at(180),
        "delivered_at": None,
        "settled_at": None,
        "publisher": "crm",
        "consumer": "",
        "redeliveries": 0,
        "state": MessageState.QUEUED,
    }
    return MessageLife(**(values | fields))


def lost(verdict: Verdict, **fields: Any) -> MessageLife:
    return life(**({"verdict": verdict, "confidence": 1.0, "since": at(181), "state": MessageState.LOST} | fields))


def judged(seconds: float, *lives: MessageLife, events: list[OrderEvent] = APPROVED, **watched: Any) -> Order:
    return build_order("A-1", build_events(events), FLOW, at(seconds), Watched(lives, **(_WATCH | watched)))


def test_lost_message_is_named_at_once() -> None:
    order = judged(182, lost(Verdict.UNROUTABLE, queue="", routing_key="workshop.approved"))
    assert order.state is OrderState.STUCK
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system, order.diagnosis.since) == (
        DiagnosisKind.MESSAGE_LOST,
        "crm",
        at(181),
    )
    assert order.diagnosis.facts["routing_key"] == "workshop.approved"
    assert order.diagnosis.evidence


def test_stuck_message_names_who_should_take_it() -> None:
    order = judged(182, lost(Verdict.STUCK_IN_QUEUE, state=MessageState.QUEUED))
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system) == (DiagnosisKind.MESSAGE_STUCK, "mes")


@pytest.mark.parametrize(
    "harmless",
    [
        lost(Verdict.EXPIRED, cleared_at=at(182)),
        lost(Verdict.EXPIRED, status="SUBMITTED", published_at=at(60)),
        lost(Verdict.EXPIRED, queue="shop.order-events", consumer="shop"),
    ],
    ids=["cleared", "of an earlier status", "to a system that is not next"],
)
def test_what_does_no_harm_is_no_diagnosis(harmless: MessageLife) -> None:
    assert judged(200, harmless).state is OrderState.OPEN


def test_the_error_is_the_cause_of_the_rejected_message() -> None:
    events = [*APPROVED, failed("crm", "order.x process", 190)]
    order = judged(191, lost(Verdict.REJECTED), events=events)
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.PROCESSING_ERROR


def test_an_error_seen_before_the_tap_told_of_the_message_is_the_cause_too() -> None:
    events = [*APPROVED, failed("mes", "order.x process", 179.5)]
    order = judged(191, lost(Verdict.REJECTED), events=events)
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.PROCESSING_ERROR


def test_status_without_message_was_never_published() -> None:
    assert judged(1799).state is OrderState.OPEN
    order = judged(1800)
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system) == (DiagnosisKind.NEVER_PUBLISHED, "crm")


def test_a_message_never_sent_explains_why_systems_disagree() -> None:
    alone = [event for event in APPROVED if (event.system, event.status) != ("shop", "MANUFACTURING_APPROVED")]
    order = judged(310, events=alone)
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.NEVER_PUBLISHED


def test_message_taken_without_effect() -> None:
    order = judged(1800, life(delivered_at=at(181), settled_at=at(182), consumer="mes", state=MessageState.SETTLED))
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system) == (DiagnosisKind.NO_EFFECT, "mes")


def test_messages_about_other_things_are_not_taken_for_the_missing_one() -> None:
    booking = life(status="", published_at=at(190), delivered_at=at(191), settled_at=at(191), consumer="mes")
    order = judged(1800, booking)
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.NEVER_PUBLISHED


def test_message_taken_and_held_is_stuck() -> None:
    order = judged(1800, life(delivered_at=at(181), consumer="mes", state=MessageState.DELIVERED))
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.facts["verdict"]) == (DiagnosisKind.MESSAGE_STUCK, "unacked")


@pytest.mark.parametrize(
    "blind",
    [
        {"gaps": (WatchGap("main", at(170), at(179), "restart"),)},
        {"gaps": (WatchGap("main", at(900), None, "restart"),)},
        {"messaged": frozenset()},
        {"since": at(181)},
        {"complete": False},
    ],
    ids=["blind when it was sent", "blind now", "never watched", "watched only since", "more than is read"],
)
def test_not_observed_is_not_lost(blind: dict[str, Any]) -> None:
    order = judged(1800, **blind)
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.TOO_SLOW


def test_an_unseen_message_proves_nothing() -> None:
    order = judged(1800, life(state=MessageState.UNSEEN, delivered_at=at(181), consumer="mes"))
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.TOO_SLOW


def test_a_system_that_took_over_the_status_is_merely_slow() -> None:
    priced = whole_life()[:5]  # the CRM shows the price and should approve
    taken = life(
        status="PRICE_CALCULATED", queue="crm.order-events", consumer="crm", delivered_at=at(121), publisher="mes"
    )
    order = judged(1800, taken, events=priced)
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.TOO_SLOW


def test_the_first_step_waits_for_its_own_system_not_for_a_message() -> None:
    order = judged(1800, events=[told("shop", "INITIATED", 0)], messaged=MESSAGED | {"INITIATED"})
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.TOO_SLOW
