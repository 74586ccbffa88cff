"""What a seed fixes, and what can be said about faults."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from alexandrite.plan import FAULTS, FLOW, SLOW, USUAL, Plan, PlanError, expect, parse_faults
from ordertrace.settings import load_settings

SETTINGS = Path(__file__).parents[2] / "examples" / "alexandrite" / "ordertrace.toml"


def test_same_seed_same_orders_wherever_the_numbers_begin() -> None:
    one, other = Plan(5, parse_faults("all"), 1), Plan(5, parse_faults("all"), 4_200_000)
    assert [one.at(index) for index in range(200)] == [other.of(other.order_id(index)) for index in range(200)]
    assert [one.at(index) for index in range(200)] != [Plan(6, one.faults, 1).at(index) for index in range(200)]
    assert one.order_id(41) == "ALX-26-00042"


def test_faults_come_as_often_as_their_share_says() -> None:
    plan = Plan(9, parse_faults("all"), 1)
    counts = Counter(plan.at(index).fault for index in range(1000))
    assert all(abs(counts[name] - share * 1000) <= 3 for name, (share, _) in FAULTS.items())
    assert 0.10 <= 1 - counts[""] / 1000 <= 0.16


def test_faults_as_text() -> None:
    assert parse_faults("none") == {}
    assert parse_faults("mes_error, slow_step=0.5") == {"mes_error": FAULTS["mes_error"][0], "slow_step": 0.5}
    for wrong in ("mes_eror", "mes_error=many", "mes_error=0.7,slow_step=0.7"):
        with pytest.raises(PlanError):
            parse_faults(wrong)


def test_every_fault_has_an_expected_end() -> None:
    plan = Plan(2, parse_faults("all"), 1)
    ends = {order.fault: expect(order).state for order in map(plan.at, range(500))}
    assert ends == {
        "": "closed", "crm_exception_fixed": "closed", "slow_step": "closed", "cancelled": "cancelled",
        "abandoned": "stuck", "status_not_synchronised": "stuck",
        "mes_error": "failed", "crm_exception": "failed", "transfer_error": "failed",
    }  # fmt: skip


def test_the_settings_tell_usual_from_slow() -> None:
    """At the usual speed a business minute takes a second; retries and polling take up to two and a half."""
    steps = {step["status"]: step for step in tomllib.loads(SETTINGS.read_text("utf-8"))["step"]}
    assert tuple(steps) == FLOW
    loaded = {step.status: step.deadline for step in load_settings(SETTINGS).step}
    for status in USUAL:
        deadline = loaded[status]
        assert deadline is not None
        assert USUAL[status][1] + 2.5 < deadline.total_seconds() < SLOW[status][0] - 2.5
