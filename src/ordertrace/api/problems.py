"""Errors as problem+json (RFC 9457): the table from a kind of error to a status, and the answers made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ..errors import Forbidden, Internal, Invalid, NotFound, OrdertraceError, Overloaded, TooLarge, Unavailable

STATUS_OF_ERROR: Mapping[type[OrdertraceError], HTTPStatus] = {
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Invalid: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Forbidden: HTTPStatus.FORBIDDEN,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Internal: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Problem(BaseModel):
    """Why a request was not answered as asked."""

    type: str = Field("about:blank", description="about:blank: the title is that of the HTTP status")
    title: str
    status: int
    detail: str = Field(description="What happened, with which value, and what to do")
    instance: str | None = Field(None, description="Names this one failure in the server's log")


PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the statuses that a route names, and the form of any other error."""
    named: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, "content": PROBLEM_CONTENT} for status in statuses
    }
    return {**named, "default": {"description": "Any other error", "content": PROBLEM_CONTENT}}


def to_problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, instance: str | None = None
) -> JSONResponse:
    """An answer of kind problem+json."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, instance=instance)
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, dict(headers or {}), media_type="application/problem+json")


def status_of(error: OrdertraceError) -> HTTPStatus:
    """The status of the nearest kind in the table."""
    return next(
        (STATUS_OF_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_OF_ERROR), STATUS_OF_ERROR[Internal]
    )


def add_problem_answers(app: FastAPI) -> None:
    """Makes every error that a route raises a problem+json; what nobody expected is answered by the guard."""

    @app.exception_handler(OrdertraceError)
    async def _ours(_request: Request, error: OrdertraceError) -> JSONResponse:
        wait = (
            error.retry_after_seconds
            if isinstance(error, Overloaded)
            else 1
            if isinstance(error, Unavailable)
            else None
        )
        return to_problem(
            status_of(error), str(error), {} if wait is None else {"Retry-After": str(max(1, round(wait)))}
        )

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return to_problem(HTTPStatus.BAD_REQUEST, describe_invalid(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        detail = {
            404: f"there is nothing at {request.url.path[:200]}; see /api/v1/openapi.json",
            405: f"{request.method} is not possible here; allowed: {(error.headers or {}).get('Allow', 'GET')}",
        }
        return to_problem(error.status_code, detail.get(error.status_code, str(error.detail)), error.headers)


def refuse_parameters(request: Request, repeated_only: bool = False) -> None:
    """Raises Invalid for query parameters that would be passed over in silence: any, or those given twice."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if not repeated_only:
            raise Invalid(f"there is no parameter {name[:100]!r} here")
        if names.count(name) > 1:
            raise Invalid(f"parameter {name[:100]!r} is given {names.count(name)} times; give it once")


def describe_invalid(errors: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with a request, one sentence a parameter, with the value that was sent."""
    return "; ".join(_describe(error) for error in errors[:10])


def _describe(error: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"][1:]) or "request"
    if error["type"] == "extra_forbidden":
        return f"there is no parameter {name!r} here"
    message = str(error["msg"]).removeprefix("Value error, ")
    value = error.get("input")
    return f"{name}: {message}" + (f", got {value[:100]!r}" if isinstance(value, str) else "")
