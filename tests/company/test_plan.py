"""What a seed fixes, and what can be said about faults."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from alexandrite.harm import HARMS, LANES, NEEDS_OWN_BROKER, lanes_for
from alexandrite.plan import COMMON_FAULTS, FAULTS, FLOW, SETS, SLOW, USUAL, Plan, PlanError, expect, parse_faults
from ordertrace.settings import load_settings

SETTINGS = Path(__file__).parents[2] / "examples" / "alexandrite" / "ordertrace.toml"


def test_same_seed_same_orders_wherever_the_numbers_begin() -> None:
    one, other = Plan(5, parse_faults("all"), 1), Plan(5, parse_faults("all"), 4_200_000)
    assert [one.at(index) for index in range(200)] == [other.of(other.order_id(index)) for index in range(200)]
    assert [one.at(index) for index in range(200)] != [Plan(6, one.faults, 1).at(index) for index in range(200)]
    assert one.order_id(41) == "ALX-26-00042"


def test_faults_come_as_often_as_their_share_says() -> None:
    for name, least, most in (("common", 0.10, 0.16), ("usual", 0.15, 0.22), ("all", 0.22, 0.30)):
        plan = Plan(9, parse_faults(name), 1)
        counts = Counter(plan.at(index).fault for index in range(1000))
        assert set(counts) == {"", *SETS[name]}
        assert all(abs(counts[fault] - share * 1000) <= 3 for fault, share in plan.faults.items())
        assert least <= 1 - counts[""] / 1000 <= most


def test_faults_as_text() -> None:
    assert parse_faults("none") == {}
    assert NEEDS_OWN_BROKER not in parse_faults("all")
    assert set(parse_faults("messages")) == {*HARMS} - {NEEDS_OWN_BROKER}
    assert parse_faults("mes_error, slow_step=0.5") == {"mes_error": FAULTS["mes_error"][0], "slow_step": 0.5}
    for wrong in ("mes_eror", "mes_error=many", "mes_error=0.7,slow_step=0.7"):
        with pytest.raises(PlanError):
            parse_faults(wrong)


def test_every_fault_has_an_expected_end() -> None:
    plan = Plan(2, parse_faults("common"), 1)
    ends = {order.fault: expect(order).state for order in map(plan.at, range(500))}
    assert ends == {
        "": "closed", "crm_exception_fixed": "closed", "slow_step": "closed", "cancelled": "cancelled",
        "abandoned": "stuck", "status_not_synchronised": "stuck",
        "mes_error": "failed", "crm_exception": "failed", "transfer_error": "failed",
    }  # fmt: skip


def test_every_struck_message_has_an_expected_end() -> None:
    plan = Plan(2, dict.fromkeys(HARMS, 1 / len(HARMS)), 1)
    ends = {(order.fault, order.where): expect(order) for order in map(plan.at, range(500))}
    assert set(ends) == {(fault, where) for fault in HARMS for where in FAULTS[fault][1]}
    assert {end.state for end in ends.values()} == {"stuck"}
    assert all(end.kind == HARMS[fault].kind for (fault, _), end in ends.items())
    assert ends["unroutable", "SHIPPED"].system == "mes"
    assert ends["never_published", "SUBMITTED"].system == "shop"
    assert set(lanes_for(HARMS)) == {*LANES}
    assert lanes_for(COMMON_FAULTS) == ()


def test_the_settings_tell_usual_from_slow() -> None:
    """At the usual speed a business minute takes a second; retries and polling take up to two and a half."""
    steps = {step["status"]: step for step in tomllib.loads(SETTINGS.read_text("utf-8"))["step"]}
    assert tuple(steps) == FLOW
    loaded = {step.status: step.deadline for step in load_settings(SETTINGS).step}
    for status in USUAL:
        deadline = loaded[status]
        assert deadline is not None
        assert USUAL[status][1] + 2.5 < deadline.total_seconds() < SLOW[status][0] - 2.5
