"""Our own log: ECS fields, and neither payloads nor secrets whatever a caller passes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ordertrace.errors import Invalid
from ordertrace.telemetry import set_up_logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    set_up_logging("json", "info", stream)
    yield stream
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def test_writes_ecs(lines: io.StringIO) -> None:
    structlog.get_logger("ordertrace.part").warning("something", spans=3)
    written = json.loads(lines.getvalue())
    assert written["message"] == "something"
    assert (written["log.level"], written["log.logger"]) == ("warning", "ordertrace.part")
    assert written["@timestamp"].endswith("Z")
    assert written["labels"] == {"spans": 3}


def test_hides_payloads_and_secrets(lines: io.StringIO) -> None:
    structlog.get_logger("x").info(
        "got", body=b"anna@example.org", password="hidden", url="amqp://me:hidden@host/", text="z" * 5000
    )
    written = lines.getvalue()
    assert "anna" not in written
    assert "hidden" not in written
    assert len(written) < 1500


def test_tells_of_a_foreign_error_only_type_and_place(lines: io.StringIO) -> None:
    try:
        raise ValueError("cannot read anna@example.org")
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("library").exception("failed too")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert "anna" not in lines.getvalue()
    assert first["error.type"] == second["error.type"] == "ValueError"
    assert "test_telemetry.py" in first["error.stack_trace"]


def test_tells_our_own_errors_whole(lines: io.StringIO) -> None:
    structlog.get_logger("x").error("failed", exc_info=Invalid("limit 0 is too small"))
    assert json.loads(lines.getvalue())["error.message"] == "limit 0 is too small"


def test_keeps_third_parties_quiet(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /orders/4711")
    logging.getLogger("uvicorn.error").info("started")
    assert lines.getvalue() == ""
