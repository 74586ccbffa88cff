"""Every error is problem+json with the right status, and every answer carries the headers of safety."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from ordertrace.errors import Invalid, Overloaded, TooLarge, Unavailable
from ordertrace.metrics import Metrics
from tests.api.conftest import Get


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/v1/orders?limit=0", 400, "limit"),
        ("/api/v1/orders?limit=1001", 400, "limit"),
        ("/api/v1/orders?limit=many", 400, "'many'"),
        ("/api/v1/orders?state=lost", 400, "state"),
        ("/api/v1/orders?sort=name", 400, "sort"),
        ("/api/v1/orders?colour=red", 400, "'colour'"),
        ("/api/v1/orders?limit=1&limit=2", 400, "2 times"),
        ("/api/v1/orders?since=2026-01-01", 400, "since"),
        ("/api/v1/orders?since=9999-01-01T00:00:00Z", 400, "since"),
        ("/api/v1/orders?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 400, "later"),
        ("/api/v1/orders?cursor=abc", 400, "cursor"),
        ("/api/v1/orders?q=%00", 400, "q"),
        ("/api/v1/orders/A-1?x=1", 400, "'x'"),
        ("/api/v1/flow?x=1", 400, "'x'"),
        ("/api/v1/orders/A-99", 404, "A-99"),
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
        ("/api/v1/orders/", 404, ""),
    ],
)
def test_wrong_questions(get: Get, path: str, status: int, says: str) -> None:
    answer = get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert says in problem["detail"]


def test_a_method_that_is_not_there_names_those_that_are(get: Get) -> None:
    answer = get("/api/v1/orders", method="DELETE")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert "DELETE" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("x"), 400),
        (TooLarge("x"), 413),
        (Overloaded("x", 7), 429),
        (Unavailable("x"), 503),
        (KeyError("pw"), 500),
    ],
)
def test_each_kind_of_error_has_its_status(app: FastAPI, get: Get, error: Exception, status: int) -> None:
    path = f"/raise/{status}"

    def fails() -> None:
        raise error

    app.add_api_route(path, fails, include_in_schema=False)
    answer = get(path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert "pw" not in answer.text
    if status == 429:
        assert answer.headers["retry-after"] == "7"
    if status == 500:
        assert answer.json()["instance"].startswith("urn:uuid:")


@pytest.mark.parametrize("path", ["/api/v1/orders", "/metrics", "/healthz", "/api/v1/nothing", "/api/v1/orders?x=1"])
def test_headers_of_safety(get: Get, path: str) -> None:
    headers = get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_head_is_get_without_a_body(get: Get) -> None:
    answer = get("/healthz", method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


def test_readiness_names_its_reason(get: Get, readiness: dict[str, str]) -> None:
    assert get("/readyz").json() == {"status": "ready"}
    readiness["reason"] = "the store is being opened"
    try:
        answer = get("/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "the store is being opened")
    finally:
        readiness.clear()


def test_metrics_and_intake_tell_the_same(get: Get, metrics: Metrics) -> None:
    metrics.spans_received.labels("otlp_grpc").inc(5)
    metrics.spans_stored.inc(5)
    metrics.sweep_seconds.observe(0.1)
    exposition = get("/metrics").text
    assert 'ordertrace_spans_received_total{protocol="otlp_grpc"} 5.0' in exposition
    intake = get("/api/v1/intake").json()
    assert (intake["spans_received"], intake["spans_stored"], intake["sweeps"]) == (5, 5, 1)
    assert intake["receivers"] == {
        "otlp_grpc": "127.0.0.1:4317",
        "otlp_http": "127.0.0.1:4318",
        "zipkin": "127.0.0.1:9411",
    }
