"""Rules on what is stored: which takes what to which order, why something belongs to none, what others would change."""

from __future__ import annotations

from typing import Any

import pytest

from ordertrace.settings.sections import OrderSettings
from tests.api.conftest import Get
from tests.api.span_rows import ALONE, ELSEWHERE, SHARED

PATTERN = OrderSettings().id[3]


def spans(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {span["span_id"]: span for trace in answer["traces"] for span in trace["spans"]}


def test_a_trace_says_which_rule_took_what_where(get: Get) -> None:
    answer = get(f"/api/v1/rules/test?trace={ALONE}").json()
    root, child = (spans(answer)[name]["verdict"] for name in ("root", "child"))
    assert (root["order_id"], root["why"], root["rule"], root["confidence"]) == ("A-1", "rule", PATTERN, 0.95)
    assert (child["order_id"], child["why"], child["from_span"]) == ("A-1", "above", "root")
    assert {use["rule"]: use["uses"] for use in answer["rules"]}[PATTERN] == 1
    assert (answer["differences"], answer["limits"]) == (0, [])


def test_what_belongs_to_no_order_says_why(get: Get) -> None:
    found = spans(get(f"/api/v1/rules/test?trace={SHARED}").json())
    assert {name: (span["verdict"]["order_id"], span["verdict"]["why"]) for name, span in found.items()} == {
        "job": ("", "several"), "one": ("A-1", "rule"), "two": ("A-2", "rule"), "below": ("A-2", "above"),
    }  # fmt: skip
    assert {name for name, span in found.items() if span["tells"]} == {"one", "two"}
    assert [span["depth"] for span in found.values()] == [0, 1, 1, 2]


def test_an_order_has_all_its_traces(get: Get) -> None:
    answer = get("/api/v1/rules/test?order=A-1").json()
    assert {ALONE, SHARED} <= {trace["trace_id"] for trace in answer["traces"]}


def test_other_rules_show_what_would_change_and_change_nothing(get: Get) -> None:
    before = get(f"/api/v1/rules/test?trace={ALONE}").json()
    others = {"trace": ALONE, "id": ["attribute:shop.number"], "status": ["attribute:shop.state"]}
    answer = get("/api/v1/rules/test", "POST", others).json()
    found = spans(answer)
    changed = {name: (span["difference"], span["verdict"]["order_id"]) for name, span in found.items()}
    assert changed == {"root": ("moved", "A-7"), "child": ("moved", "A-7")}
    assert [span["verdict"]["status"] for span in found.values()] == ["", "CLOSED"]
    assert answer["differences"] == 2
    assert get(f"/api/v1/rules/test?trace={ALONE}").json() == before


def test_rules_that_find_less_lose_and_those_that_find_an_order_elsewhere_gain(get: Get) -> None:
    answer = get("/api/v1/rules/test", "POST", {"trace": SHARED, "id": ["pattern:order.id:^(?P<id>A-2)$"]}).json()
    assert {name: span["difference"] for name, span in spans(answer).items()} == {
        "job": "gained", "one": "moved", "two": "", "below": "",
    }  # fmt: skip
    nothing = get("/api/v1/rules/test", "POST", {"trace": ALONE, "id": []}).json()
    assert {span["difference"] for span in spans(nothing).values()} == {"lost"}
    assert {span["verdict"]["why"] for span in spans(nothing).values()} == {"nothing_named"}


def test_other_rules_look_for_an_order_in_traces_that_are_not_its_own(get: Get) -> None:
    """Nothing stored joins A-3 to the trace; a rule that reads another attribute does."""
    stored = get("/api/v1/rules/test?order=A-3").json()
    answer = get("/api/v1/rules/test", "POST", {"order": "A-3", "id": ["attribute:shop.elsewhere"]}).json()
    assert ELSEWHERE not in [trace["trace_id"] for trace in stored["traces"]]
    assert ELSEWHERE in [trace["trace_id"] for trace in answer["traces"]]
    assert spans(answer)["elsewhere"]["difference"] == "gained"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "name an order or a trace"),
        ({"order": "A-1", "trace": ALONE}, "name an order or a trace"),
        ({"trace": ALONE, "id": ["nonsense"]}, "write attribute:KEY"),
        ({"trace": ALONE, "id": ["pattern:url.path:(?!x)(?P<id>.+)"]}, "RE2"),
        ({"trace": ALONE, "key": []}, "key"),
    ],
)
def test_what_cannot_be_tried_is_named(get: Get, body: dict[str, object], said: str) -> None:
    answer = get("/api/v1/rules/test", "POST", body)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("subject", ["order=nobody", "trace=" + "9" * 32])
def test_what_nothing_is_stored_of_is_not_found(get: Get, subject: str) -> None:
    assert get(f"/api/v1/rules/test?{subject}").status_code == 404


def test_without_a_replay_everything_is_by_the_rules_in_force(get: Get) -> None:
    answer = get("/api/v1/replay").json()
    assert (answer["state"], answer["share"], answer["problem"]) == ("none", 1.0, "")
