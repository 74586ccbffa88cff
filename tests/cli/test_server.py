"""The commands against a real server: serve, import, orders, order, and a stop in good order."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.cli.conftest import ANY_PORTS, COMMAND, Background, environment, running

STATUSES = (("shop", "INITIATED"), ("shop", "SUBMITTED"), ("crm", "CLOSED"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    with running(tmp_path_factory.mktemp("server"), "serve", ORDERTRACE_COMPANY__LANGUAGE="en") as background:
        background.wait_for("OTLP HTTP")
        yield background
        assert background.stop() == 0


def ask(server: Background, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(COMMAND), *arguments]
    variables = {"ORDERTRACE_API": server.url, "ORDERTRACE_COMPANY__LANGUAGE": "en"} | variables
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=120)


def recording(order_id: str, statuses: tuple[tuple[str, str], ...]) -> bytes:
    """An order's life ten minutes ago, a span and trace for each status, each by its own system."""
    request = ExportTraceServiceRequest()
    start = time.time_ns() - 600 * 10**9
    for number, (service, status) in enumerate(statuses, 1):
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = service
        span = resource.scope_spans.add().spans.add()
        span.trace_id = f"{order_id}-{number}".encode().ljust(16, b"\1")
        span.span_id, span.name, span.kind = bytes([number]) * 8, f"to {status}", Span.SPAN_KIND_SERVER
        span.start_time_unix_nano = start + number * 10**9
        span.end_time_unix_nano = span.start_time_unix_nano + 5 * 10**6
        span.attributes.add(key="order.id").value.string_value = order_id
        span.attributes.add(key="order.status").value.string_value = status
    return request.SerializeToString()


def test_imported_orders_are_there_when_the_import_ends(server: Background, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(recording("IMP-1", STATUSES))
    (tmp_path / "b.bin").write_bytes(recording("IMP-2", STATUSES[:2]))
    (tmp_path / "c.json").write_text('{"resourceMetrics": []}')
    done = ask(server, "import", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "spans 5, log records 0" in done.stdout
    assert "not taken yet: 1 metrics" in done.stdout
    orders = json.loads(ask(server, "orders", "--query", "IMP-", "--json").stdout)["orders"]
    assert {order["id"]: order["state"] for order in orders} == {"IMP-1": "closed", "IMP-2": "open"}

    board = ask(server, "orders", "--query", "IMP-").stdout
    assert "IMP-2" in board
    assert "waits for the price" in board
    one = ask(server, "order", "IMP-1").stdout
    assert "order submitted" in one
    assert "\x1b" not in one  # no colours in a pipe
    assert json.loads(ask(server, "order", "IMP-1", "--json").stdout)["status"] == "CLOSED"


def test_speaks_the_companys_language(server: Background, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(recording("IMP-3", STATUSES[:1]))
    done = ask(server, "import", str(tmp_path / "a.bin"), ORDERTRACE_COMPANY__LANGUAGE="ru")
    assert (done.returncode, "спанов 1, записей журнала 0" in done.stdout) == (0, True)
    exported = ask(server, "export", "ocel", str(tmp_path / "log.json"), ORDERTRACE_COMPANY__LANGUAGE="ru")
    assert "заказов" in exported.stderr
    assert "Дальше: заказ оформлен" in ask(server, "order", "IMP-3", ORDERTRACE_COMPANY__LANGUAGE="ru").stdout


def test_a_refused_request_is_named_and_fails_the_import(server: Background, tmp_path: Path) -> None:
    index = '{"file": "requests/1.bin", "path": "/v1/traces", "transport": "grpc"}\n'
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "1.bin").write_bytes(b"\xff" * 100)
    (tmp_path / "index.jsonl").write_text(index)
    done = ask(server, "import", str(tmp_path))
    assert done.returncode == 1
    assert "refused: 1 (400" in done.stdout


def test_an_unknown_order_is_one_line(server: Background) -> None:
    done = ask(server, "order", "IMP-99")
    assert (done.returncode, done.stdout) == (1, "")
    assert "IMP-99" in done.stderr


def test_a_taken_port_is_one_line(server: Background, tmp_path: Path) -> None:
    taken = server.url.removeprefix("http://")
    variables = environment(**(ANY_PORTS | {"ORDERTRACE_LISTEN__WEB": taken}))
    for command in (["serve"], ["demo", "--faults", "none"]):
        done = subprocess.run(
            [str(COMMAND), *command], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert taken in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_in_good_order_and_starts_again(tmp_path: Path, number: signal.Signals) -> None:
    for _ in range(2):
        with running(tmp_path, "serve") as background:
            background.wait_for("OTLP HTTP")
            assert background.stop(number) == 0
            assert not [line for line in background.said if "error" in line.lower()]
