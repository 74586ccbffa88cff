"""Paths, funnel, latencies and differences from rows and facts, without a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ordertrace.analysis.bottlenecks import build_change, build_courses, build_steps
from ordertrace.analysis.differences import build_differences
from ordertrace.analysis.funnel import build_funnel
from ordertrace.analysis.variants import build_path, build_variants, returns
from ordertrace.model.analysis import Coverage
from ordertrace.model.order import EventKind, OrderEvent
from ordertrace.orders.flow import build_flow
from ordertrace.settings import Settings

FLOW = build_flow(Settings())
START = datetime(2026, 11, 2, 9, tzinfo=UTC)


def fact(second: float, system: str, status: str, trace: str = "", name: str = "") -> OrderEvent:
    at = START + timedelta(seconds=second)
    return OrderEvent(
        id=f"{second}{system}{trace}{name}", order_id="A-1", at=at, system=system, kind=EventKind.STATUS,
        name=name or status, status=status, trace_id=trace,
    )  # fmt: skip


def path(*facts: OrderEvent) -> list[str]:
    return [step.status for step in build_path(facts, FLOW)]


def test_what_others_say_of_a_status_does_not_repeat_it() -> None:
    told = [fact(0, "shop", "SUBMITTED", "t1"), fact(0.1, "shop", "SUBMITTED", "t1", "send")]
    told += [fact(1, "crm", "SUBMITTED", "t2"), fact(2, "crm", "PRICE_CALCULATED", "t3")]
    told += [fact(2.1, "shop", "PRICE_CALCULATED", "t4"), fact(2.2, "shop", "PRICE_CALCULATED", "t5")]
    assert path(*told) == ["SUBMITTED", "PRICE_CALCULATED"]


def test_a_status_reached_again_shows_again() -> None:
    told = [fact(0, "shop", "SUBMITTED", "t1"), fact(1, "mes", "PRICE_CALCULATED")]
    told += [fact(2, "shop", "SUBMITTED", "t2"), fact(3, "mes", "PRICE_CALCULATED")]
    assert path(*told) == ["SUBMITTED", "PRICE_CALCULATED", "SUBMITTED", "PRICE_CALCULATED"]
    assert returns(path(*told)) == (2, 3)


@given(st.permutations(range(6)))
def test_the_order_of_arrival_does_not_matter(order: list[int]) -> None:
    told = [fact(i, ("shop", "mes", "crm")[i % 3], ("SUBMITTED", "PRICE_CALCULATED")[i % 2], f"t{i}") for i in range(6)]
    assert build_path([told[i] for i in order], FLOW) == build_path(told, FLOW)


def test_variants_beyond_the_limit_are_counted() -> None:
    rows = [("a" * 16, ["SUBMITTED"], 6, 0, 0, 4, (1.0, 2.0), "A-1", 10, 4, 5)]
    found = build_variants(rows, Coverage())
    assert (found.orders, found.other_orders, found.other_variants, found.troubled) == (10, 4, 3, 5)
    assert (found.variants[0].share, found.variants[0].open) == (0.6, 2)
    assert build_variants([], Coverage()).orders == 0


def test_an_order_that_came_further_came_to_every_step_before() -> None:
    rows = [
        ("SUBMITTED", 3, 1, 1, 0, 1, 1, 5, (2.0, 3.0), 2, (1.0, 1.5)),
        ("SHIPPED", 4, 4, 0, 0, 0, 0, 4, (9.0, 9.5), 0, (0.0, 0.0)),
    ]
    found = build_funnel(rows, FLOW, Coverage())
    by_status = {step.status: step for step in found.steps}
    assert [step.came for step in found.steps] == [7, 7, 4, 4, 4, 4, 4, 4, 0]
    assert (by_status["SUBMITTED"].went_on, by_status["SUBMITTED"].lost) == (4, 1)
    assert by_status["SHIPPED"].step_median_seconds is None  # nobody was seen at the step before
    assert by_status["PACKAGING"].reached == 0
    assert build_funnel([], FLOW, Coverage()).orders == 0


def test_worse_is_said_only_where_it_is_sure_and_matters() -> None:
    grown = build_change(400, 100, 1.0, 2.0, 120, 80, 10)
    assert grown
    assert grown.worse
    hardly = build_change(400, 100, 1.0, 1.1, 120, 80, 10)
    assert hardly
    assert not hardly.worse
    few = build_change(40, 10, 1.0, 2.0, 15, 7, 10)
    assert few
    assert not few.worse
    assert build_change(40, 3, 1.0, 9.0, 15, 3, 10) is None


def test_latencies_carry_their_course_in_order() -> None:
    courses = build_courses([("A", "B", 3, (2.0, 3.0), 5), ("A", "B", 0, (1.0, 1.0), 7)], START, timedelta(minutes=1))
    (step,) = build_steps([("A", "B", 12, (1.5, 2.5, 3.0), 18.0, 2, 1.0, 2.0, 3, 2, "A-9", 36.0)], courses)
    assert [point.start for point in step.course] == [START, START + timedelta(minutes=3)]
    assert (step.share, step.change) == (0.5, None)


def test_differences_are_what_the_troubled_have_more_often() -> None:
    rows = [
        ("mes", "host", "m-2", 9, 1, ["A-1"], 40),
        ("mes", "host.name", "m-2", 9, 1, ["A-1"], 40),
        ("shop", "country", "RU", 9, 19, ["A-2"], 40),
        ("shop", "sku", "X", 3, 0, ["A-3"], 40),
    ]
    found, tried = build_differences(rows, 10, 20, 50)
    assert [(one.key, one.surely) for one in found] == [("host", True), ("sku", False)]
    assert tried == 40
    assert found[0].lift
    assert round(found[0].lift, 1) == 18.0
    assert found[1].lift is None
