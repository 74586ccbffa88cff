"""Operations of systems that send nothing, from what went in and out of them."""

from __future__ import annotations

from dataclasses import replace

from ordertrace.model.message import MessageState
from ordertrace.model.order import EventKind, JoinedBy, OrderEvent
from ordertrace.orders.closed_work import infer_operations

from .events import at, default_flow
from .test_lost import life

FLOW = default_flow()
SETTLED = {"state": MessageState.SETTLED, "settled_at": at(0)}
ASKED = life(
    key="in", message_id="in", status="SUBMITTED", published_at=at(9), delivered_at=at(10), consumer="mes", **SETTLED
)
PRICED = life(
    key="out", message_id="out", queue="crm.order-events", status="PRICE_CALCULATED", publisher="mes", consumer="crm",
    published_at=at(14), delivered_at=at(14.1), **SETTLED,
)  # fmt: skip


def test_an_answer_is_an_operation_from_what_came_in_to_what_went_out() -> None:
    twice = replace(PRICED, queue="shop.order-events", consumer="shop")  # the same message in another queue
    (done,) = infer_operations((), [twice, PRICED, ASKED], FLOW)
    assert (done.system, done.kind, done.name) == ("mes", EventKind.OPERATION, "SUBMITTED → PRICE_CALCULATED")
    assert (done.at, done.duration_seconds) == (at(10), 4.0)
    assert (done.joined_by, done.status, done.message_id, done.queue) == (JoinedBy.INFERRED, "", "in", "mes.orders")
    assert 0 < done.confidence < 1


def test_what_is_sent_without_being_asked_again_follows_from_what_was_sent_before() -> None:
    more = replace(
        PRICED, key="out-2", message_id="out-2", status="PACKAGING", published_at=at(20), delivered_at=at(21)
    )
    done = infer_operations((), [ASKED, PRICED, more], FLOW)
    assert [(each.name, each.at, each.duration_seconds) for each in done] == [
        ("SUBMITTED → PRICE_CALCULATED", at(10), 4.0),
        ("PRICE_CALCULATED → PACKAGING", at(14), 6.0),
    ]


def test_nothing_is_inferred_of_what_was_not_asked_or_of_systems_that_tell_themselves() -> None:
    assert infer_operations((), [PRICED], FLOW) == ()
    assert infer_operations((), [replace(ASKED, consumer="crm"), replace(PRICED, publisher="crm")], FLOW) == ()


def test_a_call_to_a_closed_system_is_its_operation() -> None:
    call = OrderEvent(
        "e1", "A-1", at(3), "shop", EventKind.CALL, "PUT", span_kind="Client", peer="mes", duration_seconds=0.2,
        response_code="503", trace_id="t1",
    )  # fmt: skip
    (done,) = infer_operations([call, replace(call, id="e2", peer="crm")], (), FLOW)
    assert (done.system, done.at, done.duration_seconds, done.response_code) == ("mes", at(3), 0.2, "503")
    assert (done.joined_by, done.trace_id) == (JoinedBy.INFERRED, "t1")
