"""Clocks that are off: told from pairs, however they connect, and put right for judgement."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from ordertrace.model.order import JoinedBy
from ordertrace.orders.skew import Skew, correct, estimate_skews
from ordertrace.store.clocks import REFERENCE, ClockPair
from tests.orders.events import at, told


def test_the_broker_is_the_reference() -> None:
    pairs = [ClockPair("shop", REFERENCE, 0.002, 0.001, 50), ClockPair("crm", REFERENCE, 90.0, 0.01, 50)]
    assert estimate_skews(pairs) == {"shop": Skew(0.002, 50), "crm": Skew(90.0, 50)}


def test_calls_connect_systems_that_send_no_messages() -> None:
    pairs = [ClockPair("shop", REFERENCE, 5.0, 0.01, 50), ClockPair("shop", "storefront", 7.0, 0.01, 20)]
    assert estimate_skews(pairs)["storefront"] == Skew(-2.0, 20)


def test_few_or_unsteady_pairs_say_nothing() -> None:
    assert estimate_skews([ClockPair("shop", REFERENCE, 90.0, 0.01, 4)]) == {}
    assert estimate_skews([ClockPair("shop", REFERENCE, 3.0, 30.0, 400)]) == {}


@given(st.permutations(range(4)))
def test_the_order_of_pairs_does_not_matter(order: list[int]) -> None:
    pairs = [
        ClockPair("a", "b", 1.0, 0.0, 9), ClockPair("b", "c", 2.0, 0.0, 9), ClockPair("a", "c", 3.0, 0.0, 5),
        ClockPair("c", "d", 4.0, 0.0, 9),
    ]  # fmt: skip
    assert estimate_skews([pairs[i] for i in order]) == estimate_skews(pairs)


def test_events_are_put_right_and_the_brokers_left_alone() -> None:
    span = told("crm", "SHIPPED", 95)
    seen = told("crm", "", 5, id="seen", span_id="", joined_by=JoinedBy.MESSAGE)
    events = correct([span, seen, told("shop", "SUBMITTED", 1)], {"crm": Skew(90.0, 9), "shop": Skew(0.01, 9)})
    assert [event.at for event in events] == [at(5), at(5), at(1)]
    assert events[1].at - events[0].at == timedelta()
