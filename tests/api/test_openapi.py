"""The OpenAPI document holds against the running API, tried by schemathesis with requests of its own making."""

from __future__ import annotations

from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.api.conftest import Get

_FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def test_document_names_every_route_and_its_errors(get: Get) -> None:
    document = get("/api/v1/openapi.json").json()
    assert {"/api/v1/orders", "/api/v1/orders/{id}", "/api/v1/flow", "/api/v1/systems"} <= set(document["paths"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    problem = document["paths"]["/api/v1/orders/{id}"]["get"]["responses"]["404"]
    assert list(problem["content"]) == ["application/problem+json"]


def test_answers_hold_what_the_document_says(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    for operation in schema.get_all_operations():
        assert isinstance(operation, Ok)
        _try_out(operation.ok())


# That every request of the right form is accepted is more than can be promised: only we know what a cursor looks like, and a
# period must not end before it begins.
def _try_out(operation: Any) -> None:
    @_FEW
    @given(case=operation.as_strategy())
    def holds(case: Any) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    holds()
