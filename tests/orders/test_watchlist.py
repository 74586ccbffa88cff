"""When an order is looked at again: a verdict on its message may come before, between and after what it says of itself."""

from __future__ import annotations

from ordertrace.orders.watchlist import Watchlist
from ordertrace.store.orders import OrderGlance

from .events import default_flow

NS = 1_000_000_000


def glance(status: str = "SUBMITTED", at: int = 100) -> OrderGlance:
    return OrderGlance(
        order_id="A-1", status=status, rank=default_flow().rank(status), since_ns=at * NS, started_ns=90 * NS,
        seen_ns=at * NS, inserted_ms=at * 1000, apart=False, error_ns=0,
    )  # fmt: skip


def build_watchlist() -> Watchlist:
    return Watchlist(default_flow(), 30.0, 3.0, 100)


def test_a_verdict_makes_an_order_due_at_once_and_with_every_change_after_it() -> None:
    orders = build_watchlist()
    orders.note(glance())
    assert orders.take_due(101 * NS, 10) == []
    orders.review_now("A-1")
    assert orders.take_due(101 * NS, 10) == ["A-1"]
    assert orders.take_due(101 * NS, 10) == []
    orders.note(glance("PRICE_CALCULATED", 102))  # the verdict may be about this status, which nobody knew of yet
    assert orders.take_due(103 * NS, 10) == ["A-1"]


def test_a_verdict_on_an_order_that_nobody_has_heard_of_waits_for_it() -> None:
    orders = build_watchlist()
    orders.review_now("A-1")
    assert orders.take_due(101 * NS, 10) == []
    orders.note(glance())
    assert orders.take_due(101 * NS, 10) == ["A-1"]


def test_a_verdict_that_comes_while_an_order_is_looked_at_is_not_forgotten() -> None:
    orders = build_watchlist()
    orders.note(glance())
    orders.review_now("A-1")
    assert orders.take_due(101 * NS, 10) == ["A-1"]
    orders.review_now("A-1")  # the evidence has been read already
    orders.review_after("A-1", 101 * NS)
    assert orders.take_due(101 * NS, 10) == ["A-1"]
