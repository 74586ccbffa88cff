"""The judgement of orders: pure functions on hand-made evidence."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordertrace.model.message import MessageLife, MessageState
from ordertrace.model.order import DiagnosisKind, ErrorDetail, EventKind, JoinedBy, Order, OrderEvent, OrderState
from ordertrace.orders.state import build_order
from ordertrace.orders.timeline import build_events, build_messages

from .events import at, default_flow, failed, flow_with_step_deadline, told, whole_life

FLOW = default_flow()


def judged(events: list[OrderEvent], seconds: float) -> Order:
    return build_order("A-1", build_events(events), FLOW, at(seconds))


def test_healthy_order_closes() -> None:
    order = judged(whole_life(), 10_000)
    assert (order.state, order.status, order.diagnosis, order.next) == (OrderState.CLOSED, "CLOSED", None, None)
    assert order.closed_at == at(480)
    assert order.age_seconds == 480


def test_open_order_says_who_is_next_and_until_when() -> None:
    order = judged(whole_life()[:3], 100)
    assert (order.state, order.status, order.system, order.owner) == (OrderState.OPEN, "SUBMITTED", "mes", "production")
    assert order.next
    assert (order.next.status, order.next.system, order.next.due_at) == ("PRICE_CALCULATED", "mes", at(1800))


def test_step_deadline_counts_from_the_status() -> None:
    flow = flow_with_step_deadline("SUBMITTED", timedelta(minutes=5))
    events = build_events(whole_life()[:3])
    on_time, late = (build_order("A-1", events, flow, at(60 + seconds)) for seconds in (299, 300))
    assert (on_time.state, on_time.deadline_at, on_time.deadline_seconds) == (OrderState.OPEN, at(360), 300)
    assert (late.state, late.diagnosis and late.diagnosis.kind) == (OrderState.STUCK, DiagnosisKind.TOO_SLOW)
    assert late.diagnosis
    assert late.diagnosis.facts["waits_for"] == "mes"


def test_whole_order_is_late_after_thirty_minutes() -> None:
    events = whole_life()[:1]
    assert judged(events, 1799).state is OrderState.OPEN
    assert judged(events, 1800).state is OrderState.STUCK


def test_error_that_nothing_makes_good_fails_the_order() -> None:
    order = judged([*whole_life()[:5], failed("crm", "POST /approve", 130)], 200)
    assert order.state is OrderState.FAILED
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system) == (DiagnosisKind.PROCESSING_ERROR, "crm")
    assert order.diagnosis.facts["error_message"] == "country is missing"
    assert order.diagnosis.evidence == ("failed-crm-POST /approve-130",)


def test_error_is_given_time_to_be_made_good() -> None:
    events = [*whole_life()[:5], failed("crm", "POST /approve", 130)]
    assert judged(events, 150).state is OrderState.OPEN
    assert judged(events, 160).state is OrderState.FAILED


@pytest.mark.parametrize(
    "healing",
    [
        told("crm", "MANUFACTURING_APPROVED", 140),
        told("crm", "", 140, name="POST /approve", kind=EventKind.OPERATION, span_kind="Server"),
    ],
    ids=["the order goes on", "the same operation succeeds"],
)
def test_error_made_good_is_forgotten(healing: OrderEvent) -> None:
    order = judged([*whole_life()[:5], failed("crm", "POST /approve", 130), healing], 200)
    assert (order.state, order.diagnosis) == (OrderState.OPEN, None)


def test_failed_call_names_both_ends() -> None:
    call = failed(
        "shop",
        "POST",
        70,
        span_kind="Client",
        peer="mes",
        span_id="call",
        parent_span_id="in",
        trace_id="t",
        response_code="503",
    )
    entry = failed("shop", "POST /orders/{id}/submit", 69, span_id="in", trace_id="t", duration_seconds=2)
    order = judged([*whole_life()[:1], entry, call], 200)
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system) == (DiagnosisKind.TRANSFER_ERROR, "shop")
    assert (order.diagnosis.facts["target"], order.diagnosis.facts["response_code"]) == ("mes", "503")


def test_the_exception_speaks_rather_than_the_span_around_it() -> None:
    entry = failed("crm", "POST /approve", 130, span_id="in", trace_id="t")
    sending = failed(
        "crm", "POST /approve http send", 131, span_kind="Internal", parent_span_id="in", trace_id="t", error=None
    )
    order = judged([*whole_life()[:5], entry, sending], 200)
    assert order.diagnosis
    assert order.diagnosis.facts["operation"] == "POST /approve"


def test_error_of_a_closed_system_is_told_by_another() -> None:
    order = judged(
        [*whole_life()[:3], failed("crm", "order.failed process", 90, peer="mes", span_kind="Consumer")], 200
    )
    assert order.diagnosis
    assert (order.diagnosis.kind, order.diagnosis.system) == (DiagnosisKind.PROCESSING_ERROR, "mes")


def test_error_of_the_system_that_should_act_explains_the_delay() -> None:
    shipped = [event for event in whole_life() if event.status != "CLOSED"]
    late = judged([*shipped, failed("crm", "order.packaging process", 365)], 4000)
    assert (late.status, late.state) == ("SHIPPED", OrderState.FAILED)
    assert late.diagnosis
    assert (late.diagnosis.kind, late.diagnosis.system) == (DiagnosisKind.PROCESSING_ERROR, "crm")


def test_systems_that_disagree_too_long_are_named() -> None:
    ahead = [event for event in whole_life()[:7] if (event.system, event.status) != ("crm", "MANUFACTURING_APPROVED")]
    assert judged(ahead, 180 + 119).state is OrderState.OPEN
    order = judged(ahead, 180 + 121)
    assert order.state is OrderState.STUCK
    assert order.diagnosis
    assert order.diagnosis.kind is DiagnosisKind.STATUS_MISMATCH
    assert (order.diagnosis.facts["behind"], order.diagnosis.facts["behind_status"]) == ("crm", "PRICE_CALCULATED")
    assert order.diagnosis.since == at(180)


def test_a_closed_system_that_tells_only_its_own_statuses_is_not_behind() -> None:
    events = [*whole_life()[:7], told("mes", "PRICE_CALCULATED", 119)]
    assert judged(events, 600).state is OrderState.OPEN


def test_a_system_never_heard_of_is_not_behind() -> None:
    order = judged([event for event in whole_life()[:5] if event.system == "shop"], 600)
    assert order.state is OrderState.OPEN


PRICED = [told("shop", "SUBMITTED", 0), told("shop", "PRICE_CALCULATED", 60), told("crm", "PRICE_CALCULATED", 61)]


@pytest.mark.parametrize(
    ("heard", "kind"),
    [
        (700, DiagnosisKind.SOURCE_SILENT),  # since before the deadline, and for more than ten minutes
        (1_900, DiagnosisKind.TOO_SLOW),  # it was heard after the deadline: it is slow, whatever came later
        (None, DiagnosisKind.TOO_SLOW),  # never heard at all is not fallen silent
    ],
)
def test_a_system_that_is_not_heard_any_more_is_not_called_slow(heard: int | None, kind: DiagnosisKind) -> None:
    times = {"crm": at(heard)} if heard is not None else {}
    order = build_order("A-1", build_events(PRICED), FLOW, at(4_000), heard=times)
    assert order.diagnosis
    assert (order.state, order.diagnosis.kind, order.diagnosis.system) == (OrderState.STUCK, kind, "crm")
    assert order.diagnosis.evidence
    if kind is DiagnosisKind.SOURCE_SILENT:
        assert (order.diagnosis.since, order.diagnosis.facts["last_seen"]) == (at(700), at(700).isoformat())


def test_a_system_that_fell_silent_is_not_said_to_disagree() -> None:
    events = [told("shop", "SUBMITTED", 0), told("crm", "SUBMITTED", 1), told("shop", "PRICE_CALCULATED", 300)]
    kinds = [
        order.diagnosis and order.diagnosis.kind
        for heard in (200, 400)
        for order in [build_order("A-1", build_events(events), FLOW, at(1_500), heard={"crm": at(heard)})]
    ]
    assert kinds == [DiagnosisKind.SOURCE_SILENT, DiagnosisKind.STATUS_MISMATCH]


def test_cancelled_order_is_at_its_end() -> None:
    order = judged([*whole_life()[:3], told("shop", "CANCELLED", 90)], 100_000)
    assert (order.state, order.closed_at, order.next) == (OrderState.CANCELLED, at(90), None)


def test_closed_system_is_seen_through_others() -> None:
    views = judged(whole_life()[:5], 200).statuses
    assert (views["mes"].status, views["mes"].inferred, views["shop"].inferred) == ("PRICE_CALCULATED", True, False)


@pytest.mark.parametrize("system", ["shop", "crm"])
def test_order_without_status_has_begun(system: str) -> None:
    order = judged([told(system, "", 0, kind=EventKind.OPERATION)], 5)
    assert (order.status, order.state, order.status_since) == ("INITIATED", OrderState.OPEN, at(0))
    assert order.next
    assert order.next.status == "SUBMITTED"


def logged(system: str, seconds: float, **fields: Any) -> OrderEvent:
    error = ErrorDetail("java.net.SocketTimeoutException", "Read timed out", "at Crm.book")
    values = {"kind": EventKind.LOG, "name": "Booking failed", "span_kind": "Internal", "span_id": "", "error": error}
    return told(system, "", seconds, **(values | fields))


def test_logged_error_speaks_where_its_span_was_lost() -> None:
    shipped = [event for event in whole_life() if event.status != "CLOSED"]
    late = judged([*shipped, logged("crm", 430)], 4000)
    assert late.diagnosis
    assert (late.state, late.diagnosis.kind, late.diagnosis.system) == (
        OrderState.FAILED,
        DiagnosisKind.PROCESSING_ERROR,
        "crm",
    )
    assert late.diagnosis.facts["error_type"] == "java.net.SocketTimeoutException"
    assert late.diagnosis.confidence < 0.9


def test_an_answer_of_failure_is_explained_by_what_the_answering_system_logged() -> None:
    """Its span was lost; the call that it answered with 500 is the symptom."""
    one = {"trace_id": "one", "span_kind": "Client", "error": None}
    call = failed("b2b", "HTTP POST", 10, **one)
    late = judged([call, logged("shop", 10.1, trace_id="one")], 4000)
    assert late.diagnosis
    assert (late.diagnosis.kind, late.diagnosis.system) == (DiagnosisKind.PROCESSING_ERROR, "shop")
    refused = failed("b2b", "HTTP POST", 10, **one | {"response_code": "404"})
    for events in (
        [call],
        [refused, logged("shop", 10.1, trace_id="one")],
        [call, logged("b2b", 10.1, trace_id="one")],
    ):
        late = judged(events, 4000)
        assert late.diagnosis
        assert late.diagnosis.kind is DiagnosisKind.TRANSFER_ERROR


def test_logged_error_of_a_span_that_ended_well_is_no_error() -> None:
    shipped = [event for event in whole_life() if event.status != "CLOSED"]
    beside = logged("crm", 421, trace_id="trace-421")
    assert any(event.trace_id == "trace-421" and event.system == "crm" for event in shipped)
    late = judged([*shipped, beside], 4000)
    assert late.diagnosis
    assert late.diagnosis.kind is DiagnosisKind.TOO_SLOW


def received(seconds: float, **fields: Any) -> OrderEvent:
    return told("crm", "", seconds, kind=EventKind.RECEIVE, **fields)


def recorded(status: str, seconds: float) -> OrderEvent:
    at_trace = {"trace_id": f"trace-{seconds}", "span_kind": "Internal", "id": f"log-{seconds}"}
    return told("crm", status, seconds, **at_trace)


def test_a_status_whose_record_was_lost_is_no_disagreement() -> None:
    """The CRM's statuses stand in its log alone: it took the third message, and only the record of that is missing."""
    path = [event for event in whole_life()[:7] if event.system == "shop"]
    told_by_log = [received(61), recorded("SUBMITTED", 61), received(121), recorded("PRICE_CALCULATED", 121)]
    taken = judged([*path, *told_by_log, received(181)], 400)
    assert taken.state is OrderState.OPEN
    not_taken = judged([*path, *told_by_log], 400)
    assert not_taken.diagnosis
    assert not_taken.diagnosis.kind is DiagnosisKind.STATUS_MISMATCH
    crashed = judged([*path, *told_by_log, received(181), failed("crm", "process", 181, trace_id="trace-181")], 182)
    assert crashed.state is OrderState.OPEN  # the error is given time; it is no mismatch either


def test_message_is_paired_by_id_and_by_parent() -> None:
    send = told(
        "shop", "", 1, kind=EventKind.SEND, span_kind="Producer", message_id="m1", span_id="p", name="orders publish"
    )
    by_id = told("crm", "", 2, kind=EventKind.RECEIVE, message_id="m1", queue="crm.q")
    by_parent = told("mes", "", 3, kind=EventKind.RECEIVE, parent_span_id="p", queue="mes.q")
    messages = build_messages(build_events([send, by_id, by_parent]))
    assert [(m.message_id, m.publisher, m.consumer, m.queue, m.state) for m in messages] == [
        ("m1", "shop", "crm", "crm.q", "settled"),
        ("m1", "shop", "mes", "mes.q", "settled"),
    ]


def life(**fields: Any) -> MessageLife:
    values: dict[str, Any] = {
        "broker": "main", "key": "f-1", "message_id": "", "exchange": "orders", "routing_key": "order.closed", "queue": "crm.q",
        "order_id": "A-1", "status": "CLOSED", "published_at": at(60), "delivered_at": at(61), "settled_at": None,
        "publisher": "mes", "consumer": "crm", "redeliveries": 0, "state": MessageState.DELIVERED,
    }  # fmt: skip
    return MessageLife(**(values | fields))


def test_a_message_without_an_id_is_there_once() -> None:
    """What the broker told as facts, and what the receiver's span tells without an id, is the message that the watch saw."""
    sent = told("mes", "CLOSED", 60, id="sent", span_id="", span_kind="Producer", joined_by=JoinedBy.MESSAGE)
    came = told("crm", "", 61, id="came", span_id="", joined_by=JoinedBy.MESSAGE, queue="crm.q")
    own = told("crm", "CLOSED", 61.1, destination="order.closed")
    other = told("shop", "CLOSED", 61.2, destination="order.closed")
    messages = build_messages(build_events([sent, came, own, other]), [life()])
    assert [(message.consumer, message.queue) for message in messages] == [("crm", "crm.q"), ("shop", "")]


def test_spans_without_ids_are_not_taken_for_one_message() -> None:
    sent = told("mes", "CLOSED", 60, span_kind="Producer", span_id="")
    messages = build_messages([sent, told("crm", "CLOSED", 61), told("shop", "CLOSED", 62)])
    assert [(message.publisher, message.consumer) for message in messages] == [("mes", ""), ("", "crm"), ("", "shop")]


def test_what_the_broker_showed_goes_into_the_services_own_span() -> None:
    span = told("crm", "SUBMITTED", 61, message_id="m1", span_id="s", queue="")
    echo = told(
        "crm", "", 61.2, id="echo", span_id="", kind=EventKind.RECEIVE, message_id="m1", queue="crm.q",
        joined_by=JoinedBy.MESSAGE,
    )  # fmt: skip
    closed = told(
        "mes", "", 61.3, id="mes", span_id="", kind=EventKind.RECEIVE, message_id="m1", queue="mes.q",
        joined_by=JoinedBy.MESSAGE,
    )  # fmt: skip
    events = build_events([closed, echo, span])
    assert [(event.system, event.status, event.queue) for event in events] == [
        ("crm", "SUBMITTED", "crm.q"),
        ("mes", "", "mes.q"),
    ]


_EVENTS = st.lists(
    st.builds(
        lambda system, status, seconds, bad: failed(system, status, seconds) if bad else told(system, status, seconds),
        st.sampled_from(["shop", "mes", "crm"]),
        st.sampled_from([step.status for step in FLOW.steps] + ["CANCELLED", "UNHEARD_OF"]),
        st.integers(0, 5000),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=300)
@given(_EVENTS, st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_order_of_arrival_and_repetition_change_nothing(
    events: list[OrderEvent], seconds: int, chance: random.Random
) -> None:
    again = [*events, *chance.choices(events, k=len(events))]
    chance.shuffle(again)
    assert judged(events, seconds) == judged(again, seconds)


@settings(max_examples=300)
@given(_EVENTS, st.integers(0, 10_000))
def test_trouble_always_has_a_reason_with_evidence(events: list[OrderEvent], seconds: int) -> None:
    order = judged(events, seconds)
    assert (order.diagnosis is not None) == (order.state in (OrderState.STUCK, OrderState.FAILED))
    if order.diagnosis:
        assert set(order.diagnosis.evidence) <= {event.id for event in events}
        assert order.diagnosis.evidence
