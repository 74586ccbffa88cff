"""The whole product on real input: the reference company with faults, and what ordertrace says of every order."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ordertrace.app import Server, serving
from ordertrace.model.order import Order, OrderFilter
from ordertrace.settings import Settings, load_settings

SPEED = 120.0  # the example's settings suit 60
ORDERS = 60
FAULTS = (
    "mes_error=0.08,crm_exception=0.08,crm_exception_fixed=0.06,status_not_synchronised=0.08,transfer_error=0.08,"
    "abandoned=0.06,slow_step=0.06,cancelled=0.06"
)
SETTLING_SECONDS = 40


def company_settings(directory: Path) -> Settings:
    """The example's settings with all times shortened to this test's speed, and ports of our own."""
    example = load_settings(Path("examples/alexandrite/ordertrace.toml")).model_dump()
    factor = 60 / SPEED
    for step in example["step"]:
        step["deadline"] = step["deadline"] and step["deadline"] * factor
    for name in ("deadline", "error_grace", "mismatch_grace"):
        example["flow"][name] *= factor
    listen = dict.fromkeys(("otlp_grpc", "otlp_http", "web", "zipkin", "jaeger_storage"), "127.0.0.1:0")
    return Settings.model_validate(example | {"store": {"url": f"chdb://{directory}"}, "listen": listen, "broker": []})


async def run_company(server: Server, amqp: str, truth: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "alexandrite", "--amqp", amqp, "--otlp-grpc", server.otlp_grpc]
    command += [
        "--otlp-http",
        f"http://{server.otlp_http}",
        "--seed",
        "11",
        "--orders",
        str(ORDERS),
        "--orders-per-minute",
        "240",
    ]
    command += ["--speed", str(SPEED), "--faults", FAULTS, "--truth", str(truth)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        assert await asyncio.wait_for(process.wait(), 150) == 0
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return [json.loads(line) for line in await asyncio.to_thread(lambda: truth.read_text("utf-8").splitlines())]


def differs(expected: dict[str, Any], order: Order | None) -> str:
    """What is wrong with this order, or nothing."""
    if order is None:
        return "not found"
    kind = order.diagnosis.kind.value if order.diagnosis else None
    said = {"state": order.state.value, "status": order.status, "kind": kind}
    return ", ".join(
        f"{name} {said[name]} instead of {expected[name]}" for name in said if said[name] != expected[name]
    )


async def compare(server: Server, truth: list[dict[str, Any]]) -> dict[str, str]:
    page = await server.reader.find_orders(OrderFilter(limit=1000), datetime.now(UTC))
    orders = {order.id: order for order in page.orders}
    wrong = {line["order"]: differs(line["expected"], orders.get(line["order"])) for line in truth}
    return {f"{line['order']} ({line['fault']})": wrong[line["order"]] for line in truth if wrong[line["order"]]}


async def test_every_order_is_judged_as_it_really_is(tmp_path: Path, rabbit_node: str) -> None:
    async with serving(company_settings(tmp_path / "data")) as server:
        truth = await run_company(server, rabbit_node, tmp_path / "truth.jsonl")
        assert len(truth) == ORDERS
        assert {line["expected"]["kind"] for line in truth} >= {
            *(None, "processing_error", "transfer_error", "status_mismatch", "too_slow"),
        }
        wrong = await compare(server, truth)
        for _ in range(SETTLING_SECONDS):
            if not wrong:
                break
            await asyncio.sleep(1)
            wrong = await compare(server, truth)
        assert wrong == {}
        counts = (await server.reader.find_orders(OrderFilter(), datetime.now(UTC))).counts
        expected = [line["expected"]["state"] for line in truth]
        assert counts == {state: expected.count(state) for state in counts}, "the board's counts, which the sweep made"
