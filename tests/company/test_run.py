"""The company as a whole: real processes, a real RabbitMQ, real exporters into a real collector."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from alexandrite.bus import EXCHANGE, declare_queues
from alexandrite.plan import COMMON_FAULTS

from .collector import Collector, Seen
from .processes import find_marked, wait_until_gone

ORDERS = 48
ALL = ",".join(f"{name}=0.09" for name in COMMON_FAULTS)
TAP = "company.test.tap"


@dataclass(frozen=True, slots=True)
class Finished:
    """What is left of a run: truth by order id, telemetry, and the messages that went over the exchange."""

    truth: dict[str, dict[str, Any]]
    seen: list[Seen]
    messages: list[aio_pika.abc.AbstractIncomingMessage]
    depths: dict[str, int]


def _command(amqp_url: str, collector: Collector, truth: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "alexandrite", "--amqp", amqp_url, "--otlp-grpc", collector.grpc_address,
        "--otlp-http", collector.http_url, "--seed", "3", "--speed", "600", "--orders-per-minute", "720",
        "--faults", ALL, "--truth", str(truth), *more,
    ]  # fmt: skip


def _read(truth: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert len({line["order"] for line in lines}) == len(lines), "one line an order"
    return {line["order"]: line for line in lines}


async def _open_tap(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await declare_queues(channel)
        tap = await channel.declare_queue(TAP, arguments={"x-expires": 600_000})
        await tap.purge()
        await tap.bind(EXCHANGE, routing_key="#")


async def _read_tap(amqp_url: str) -> tuple[list[aio_pika.abc.AbstractIncomingMessage], dict[str, int]]:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        tap = await channel.get_queue(TAP)
        messages = []
        while message := await tap.get(no_ack=True, fail=False):
            messages.append(message)
        await tap.delete()
        depths = {}
        for name in ("shop.order-events", "crm.order-events", "mes.orders", "crm.order-events.dlq"):
            queue = await channel.declare_queue(name, passive=True)
            depths[name] = queue.declaration_result.message_count or 0
        return messages, depths


@pytest.fixture(scope="module")
def finished(rabbit_node: str, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    truth = tmp_path_factory.mktemp("company") / "truth.jsonl"
    asyncio.run(_open_tap(rabbit_node))
    with Collector() as collector:
        command = _command(rabbit_node, collector, truth, "--orders", str(ORDERS))
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        messages, depths = asyncio.run(_read_tap(rabbit_node))
        return Finished(_read(truth), collector.seen, messages, depths)


def test_every_fault_happened_and_every_order_came_to_rest(finished: Finished) -> None:
    assert len(finished.truth) == ORDERS
    assert {line["fault"] for line in finished.truth.values()} == {*COMMON_FAULTS, None}
    assert all(line["rests"] for line in finished.truth.values())


def test_truth_is_consistent(finished: Finished) -> None:
    for line in finished.truth.values():
        expected, reached = line["expected"], [step["status"] for step in line["path"]]
        assert expected["status"] in reached, line
        assert (reached[-1] == expected["status"]) or expected["state"] == "cancelled", line
        assert bool(line["errors"]) == (
            line["fault"] in ("mes_error", "crm_exception", "crm_exception_fixed", "transfer_error")
        ), line
        if line["fault"] == "status_not_synchronised":
            assert line["views"]["shop"] == "SHIPPED"
            assert line["views"]["crm"] != "SHIPPED"
        if line["fault"] == "crm_exception" and line["where"] == "event":
            assert line["message"].items() >= {"verdict": "rejected", "queue": "crm.order-events"}.items()
        else:
            assert line["message"] is None
        if expected["state"] == "closed":
            assert line["views"] == {"shop": "CLOSED", "crm": "CLOSED", "mes": "SHIPPED"}


def test_spans_tell_each_status_where_it_was_reached_and_nowhere_else(finished: Finished) -> None:
    told = {
        (seen.attributes["order.id"], seen.service, seen.attributes["order.status"])
        for seen in finished.seen
        if "order.status" in seen.attributes
    }
    true = {
        (order, step["system"], step["status"])
        for order, line in finished.truth.items()
        for step in (*line["path"], *line["applied"])
        if step["system"] in ("shop", "crm")
    }
    assert told == true


def test_only_shop_and_crm_send_telemetry_each_its_own_way(finished: Finished) -> None:
    assert {(seen.service, seen.transport) for seen in finished.seen} == {("shop", "grpc"), ("crm", "http")}


def test_consumer_spans_name_order_and_message(finished: Finished) -> None:
    consumed = [seen for seen in finished.seen if seen.span.kind == Span.SPAN_KIND_CONSUMER]
    published = {message.message_id for message in finished.messages}
    assert len(consumed) > ORDERS
    assert all(seen.attributes["order.id"] in finished.truth for seen in consumed)
    assert {seen.attributes["messaging.message.id"] for seen in consumed} <= published
    assert {seen.attributes["messaging.destination"] for seen in consumed} == {EXCHANGE}


def test_errors_are_on_spans_with_stack_and_one_leaks_an_address(finished: Finished) -> None:
    broken = [seen for seen in finished.seen if seen.span.status.code == 2 and "order.id" in seen.attributes]
    at_shop_or_crm = {
        (order, error["system"])
        for order, line in finished.truth.items()
        for error in line["errors"]
        if error["system"] != "mes"
    }
    assert {(seen.attributes["order.id"], seen.service) for seen in broken} == at_shop_or_crm
    for seen in broken:
        event = {each.key: each.value.string_value for each in seen.span.events[0].attributes}
        assert event["exception.type"]
        assert event["exception.message"] in event["exception.stacktrace"]
    assert any("@example.com" in seen.span.status.message for seen in broken)


def test_the_crm_names_the_mes_as_source_of_its_errors(finished: Finished) -> None:
    named = {seen.attributes["order.id"] for seen in finished.seen if "error.code" in seen.attributes}
    assert named == {order for order, line in finished.truth.items() if line["fault"] == "mes_error"}
    peers = {seen.attributes["peer.service"] for seen in finished.seen if "error.code" in seen.attributes}
    assert peers == {"mes"}


def test_the_mes_passes_nothing_on(finished: Finished) -> None:
    by_app = {name: [each for each in finished.messages if each.app_id == name] for name in ("shop", "crm", "MES")}
    assert sum(map(len, by_app.values())) == len(finished.messages)
    assert all("traceparent" not in each.headers and "OrderId" in json.loads(each.body) for each in by_app["MES"])
    assert all("traceparent" in each.headers for name in ("shop", "crm") for each in by_app[name])
    assert all(each.message_id and each.delivery_mode == 2 for each in finished.messages)


def test_nothing_is_left_in_the_queues(finished: Finished) -> None:
    rejected = sum(line["fault"] == "crm_exception" and line["where"] == "event" for line in finished.truth.values())
    parked = finished.depths.pop("crm.order-events.dlq")
    assert parked == rejected > 0
    assert set(finished.depths.values()) == {0}


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A mark that all processes started in this test carry; none may be left at its end."""
    mark = f"mark-{uuid.uuid4()}"
    monkeypatch.setenv("COMPANY_TEST_MARK", mark)
    yield mark
    assert wait_until_gone(mark) == {}


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process(
    rabbit_node: str, tmp_path: Path, mark: str, finished: Finished, sign: signal.Signals
) -> None:
    """The first orders are the same as in the whole run: same seed, same faults and decisions."""
    truth = tmp_path / "truth.jsonl"
    with Collector() as collector:
        environment = os.environ | {"TMPDIR": str(tmp_path)}
        run = subprocess.Popen(
            _command(rabbit_node, collector, truth), stderr=subprocess.PIPE, text=True, env=environment
        )
        until = time.monotonic() + 60
        while len({seen.attributes.get("order.id") for seen in collector.seen}) < 10 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(find_marked(mark)) == 5
        os.kill(run.pid, sign)
        _, said = run.communicate(timeout=30)
    assert wait_until_gone(mark) == {}
    assert run.returncode == (-sign if sign == signal.SIGKILL else 0)
    assert said == ""
    if sign != signal.SIGKILL:
        again = [(line["fault"], line["where"]) for _, line in sorted(_read(truth).items())]
        assert again == [(line["fault"], line["where"]) for _, line in sorted(finished.truth.items())][: len(again)]
        assert len(again) >= 10


def test_a_service_that_ends_ends_the_run(rabbit_node: str, tmp_path: Path, mark: str) -> None:
    with Collector() as collector:
        run = subprocess.Popen(
            _command(rabbit_node, collector, tmp_path / "truth.jsonl"), stderr=subprocess.PIPE, text=True
        )
        until = time.monotonic() + 60
        while not collector.seen and time.monotonic() < until:
            time.sleep(0.05)
        (mes,) = [pid for pid, command in find_marked(mark).items() if "alexandrite.mes" in command]
        os.kill(mes, signal.SIGKILL)
        _, said = run.communicate(timeout=30)
    assert run.returncode == 1
    assert said == "alexandrite: mes ended with code -9: it said nothing\n"


def test_a_run_without_broker_fails_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alexandrite", "--amqp", "amqp://guest:guest@127.0.0.1:9/", "--orders", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith("alexandrite: no RabbitMQ at 127.0.0.1:9")
    assert done.stderr.count("\n") == 1


def test_wrong_faults_are_wrong_use() -> None:
    done = subprocess.run([sys.executable, "-m", "alexandrite", "--faults", "mes_eror"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "mes_eror" in done.stderr
