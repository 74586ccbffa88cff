"""`/api/v1/orders` and what belongs to it, in the shapes of the public interface."""

from __future__ import annotations

import re

import pytest

from tests.api.conftest import Get

ORDER_FIELDS = {
    "id", "state", "status", "status_since", "system", "owner", "started_at", "last_seen_at", "closed_at", "age_seconds",
    "deadline_at", "deadline_seconds", "next", "diagnosis", "statuses", "deviations",
}  # fmt: skip
EVENT_FIELDS = {
    "id", "at", "system", "kind", "status", "name", "duration_seconds", "response_code", "trace_id", "span_id",
    "message_id", "queue", "error", "joined_by", "confidence",
}  # fmt: skip
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_lists_every_order_with_counts(get: Get) -> None:
    answer = get("/api/v1/orders").json()
    assert {order["id"]: order["state"] for order in answer["orders"]} == {
        "A-1": "closed",
        "A-2": "open",
        "A-3": "stuck",
        "A-4": "failed",
    }
    assert answer["counts"]["closed"] == 1
    assert sum(answer["counts"].values()) == 4
    assert answer["next"] is None
    assert all(set(order) == ORDER_FIELDS for order in answer["orders"])


def test_pages_through_the_list(get: Get) -> None:
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        answer = get(f"/api/v1/orders?limit=1&sort=id&cursor={cursor}").json()
        seen += [order["id"] for order in answer["orders"]]
        cursor = answer["next"]
    assert seen == ["A-1", "A-2", "A-3", "A-4"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("state=closed", {"A-1"}),
        ("state=", {"A-1", "A-2", "A-3", "A-4"}),
        ("status=PRICE_CALCULATED", {"A-3"}),
        ("q=a-2", {"A-2"}),
        ("system=shop&q=A-1", set()),
        ("until=2020-01-01T00:00:00Z", set()),
        ("since=2020-01-01T00:00:00%2B03:00", {"A-1", "A-2", "A-3", "A-4"}),
    ],
)
def test_filters(get: Get, query: str, ids: set[str]) -> None:
    assert {order["id"] for order in get(f"/api/v1/orders?{query}").json()["orders"]} == ids


def test_shows_one_order_whole(get: Get) -> None:
    order = get("/api/v1/orders/A-4").json()
    assert set(order) == ORDER_FIELDS | {"events", "messages", "traces", "surer"}
    assert order["diagnosis"]["kind"] == "processing_error"
    assert set(order["diagnosis"]) == {"kind", "text", "since", "system", "confidence", "evidence"}
    assert order["next"]["status"] == "PRICE_CALCULATED"
    assert order["statuses"]["shop"]["status"] == "SUBMITTED"
    assert all(set(event) == EVENT_FIELDS for event in order["events"])
    failed = [event for event in order["events"] if event["error"]]
    assert failed[0]["error"] == {"type": "PriceError", "message": "no price for 3 stones", "stack": "at price.py:7"}
    assert failed[0]["id"] in order["diagnosis"]["evidence"]


def test_times_are_utc_and_durations_seconds(get: Get) -> None:
    order = get("/api/v1/orders/A-1").json()
    times = [order[name] for name in ("started_at", "last_seen_at", "closed_at", "status_since")]
    times += [event["at"] for event in order["events"]] + [view["at"] for view in order["statuses"].values()]
    assert all(RFC_3339.fullmatch(time) for time in times)
    assert order["events"][0]["duration_seconds"] == pytest.approx(0.002)
    assert order["age_seconds"] == pytest.approx(8)


def test_words_the_diagnosis_in_the_callers_language(get: Get) -> None:
    russian = get("/api/v1/orders/A-4")
    english = get("/api/v1/orders/A-4", Accept_Language="en-GB,en;q=0.9,ru;q=0.1")
    assert russian.headers["content-language"] == "ru"
    assert re.search("[а-я]", russian.json()["diagnosis"]["text"])
    assert english.headers["content-language"] == "en"
    assert "no price for 3 stones" in english.json()["diagnosis"]["text"]


def test_flow_and_systems(get: Get) -> None:
    flow = get("/api/v1/flow").json()
    assert next(step["status"] for step in flow["steps"]) == "INITIATED"
    assert flow["deadline_seconds"] == 1800
    systems = get("/api/v1/systems").json()["systems"]
    assert {system["name"] for system in systems} >= {"shop", "mes", "crm", "carrier"}
    assert set(systems[0]["coverage"]) >= {"spans", "with_order", "with_message_id", "with_status", "errors"}
    closed = next(system for system in systems if system["name"] == "mes")
    assert closed["advice"]["kind"] == "watch_broker"
    assert "[[broker]]" in closed["advice"]["change"]
