"""`/api/v1/messages` and `/api/v1/incidents`, in the shapes of the public interface."""

from __future__ import annotations

import re

import pytest

from tests.api.conftest import Get

MESSAGE_FIELDS = {
    "message_id", "exchange", "routing_key", "queue", "published_at", "delivered_at", "settled_at", "state", "verdict",
    "order_id", "broker", "key", "status", "publisher", "consumer", "redeliveries", "since", "detected_at", "cleared_at",
    "confidence", "evidence", "trace_id", "text",
}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", {"m-ok", "m/lost", "m-stuck", "m-fine"}),
        ("state=lost", {"m/lost"}),
        ("verdict=stuck_in_queue", {"m-stuck"}),
        ("verdict=stuck_in_queue&cleared=true", {"m-stuck", "m-fine"}),
        ("queue=crm.order-events", {"m-ok"}),
        ("order=A-1", {"m-ok", "m-fine"}),
        ("broker=other", set()),
        ("since=2100-01-01T00:00:00Z", set()),
    ],
)
def test_lists_messages_by_what_is_asked_for(get: Get, query: str, keys: set[str]) -> None:
    answer = get(f"/api/v1/messages?{query}").json()
    assert {message["key"] for message in answer["messages"]} == keys
    assert all(set(message) == MESSAGE_FIELDS for message in answer["messages"])


def test_pages_through_messages(get: Get) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        answer = get(f"/api/v1/messages?limit=1&cursor={cursor}").json()
        seen += [(message["key"], message["queue"]) for message in answer["messages"]]
        cursor = answer["next"]
    assert len(seen) == len(set(seen)) == 5


def test_shows_one_message_by_its_id(get: Get) -> None:
    lost = get("/api/v1/messages/m%2Flost", Accept_Language="en").json()
    assert (lost["state"], lost["verdict"], lost["confidence"], lost["order_id"]) == ("lost", "expired", 1.0, "A-3")
    assert "lay in the queue mes.orders for too long" in lost["text"]
    assert lost["evidence"] == [
        {
            "kind": "queue_depth",
            "values": {"ready": "3", "consumers": "0"},
            "text": "In the queue: 3 waiting, receivers: 0.",
        }
    ]
    assert [step["kind"] for step in lost["steps"]] == ["published"]
    both = get("/api/v1/messages/m-ok").json()
    assert {life["queue"] for life in both["queues"]} == {"mes.orders", "crm.order-events"}
    assert re.search("[а-я]", both["text"])


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/v1/messages?state=gone", 400, "state"),
        ("/api/v1/messages?verdict=gone", 400, "verdict"),
        ("/api/v1/messages?colour=red", 400, "'colour'"),
        ("/api/v1/messages?cursor=x", 400, "cursor"),
        ("/api/v1/messages/unheard", 404, "unheard"),
        ("/api/v1/incidents?x=1", 400, "'x'"),
        ("/api/v1/incidents/unheard", 404, "unheard"),
    ],
)
def test_wrong_questions(get: Get, path: str, status: int, says: str) -> None:
    answer = get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


def test_failed_messages_come_in_groups(get: Get) -> None:
    groups = get("/api/v1/failed-messages").json()["groups"]
    found = {group["verdict"]: group for group in groups}
    assert set(found) == {"expired", "stuck_in_queue"}
    expired = found["expired"]
    assert (expired["queue"], expired["routing_key"], expired["error_type"]) == ("mes.orders", "order.submitted", None)
    assert (expired["messages"], expired["orders"], expired["order_ids"]) == (1, 1, ["A-3"])


def test_incidents_gather_orders_by_cause(get: Get) -> None:
    incidents = get("/api/v1/incidents", Accept_Language="en").json()["incidents"]
    by_kind = {incident["kind"]: incident for incident in incidents}
    error = by_kind["processing_error"]
    assert (error["orders"], error["affected"], error["order_ids"]) == (2, 2, ["A-4", "A-5"])
    assert error["text"] == "MES fails while processing orders: PriceError, price."
    assert by_kind["too_slow"]["system"] == "crm"


def test_people_take_on_note_and_resolve(get: Get) -> None:
    incidents = get("/api/v1/incidents").json()["incidents"]
    path = f"/api/v1/incidents/{next(i['id'] for i in incidents if i['kind'] == 'processing_error')}"
    taken = get(f"{path}/acknowledge", "POST", {"by": "Анна"}).json()
    assert (taken["state"], taken["acknowledged_by"]) == ("acknowledged", "Анна")
    get(f"{path}/note", "POST", {"by": "Olga", "text": "two\nlines"})
    done = get(f"{path}/resolve", "POST", {"by": "Olga", "text": "fixed"}).json()
    assert (done["state"], done["resolved_by"]) == ("resolved", "Olga")
    assert [entry["kind"] for entry in done["entries"]] == ["opened", "acknowledged", "note", "resolved"]
    assert get(path).json() == done


@pytest.mark.parametrize(
    "body",
    [None, {}, {"by": ""}, {"by": " "}, {"by": "A" * 81}, {"by": "A\x00"}, {"by": "A", "colour": "red"}, {"by": "A"}],
)
def test_wrong_notes_are_refused(get: Get, body: object) -> None:
    incident = get("/api/v1/incidents").json()["incidents"][0]
    answer = get(f"/api/v1/incidents/{incident['id']}/note", "POST", body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert get(f"/api/v1/incidents/{incident['id']}").json()["entries"] == incident["entries"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_pages_of_other_sites_change_nothing(get: Get, headers: dict[str, str]) -> None:
    incident = get("/api/v1/incidents").json()["incidents"][0]
    answer = get(f"/api/v1/incidents/{incident['id']}/resolve", "POST", {"by": "Mallory"}, **headers)
    assert answer.status_code == 403
    same = get(f"/api/v1/incidents/{incident['id']}/note", "POST", {"by": "A", "text": "b"}, Origin="http://ordertrace")
    assert same.status_code == 200
