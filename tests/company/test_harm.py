"""Every way to strike a message really strikes it: the truth of a run against what the broker itself shows of each message."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from alexandrite.broker import RabbitNode, company_url, prepare_watch
from alexandrite.harm import HARMS, LOOPS, MOMENTS, NEEDS_OWN_BROKER, READ_BY_MES, lane_queue
from alexandrite.plan import SETS
from alexandrite.run import Options, RunError, run_company
from alexandrite.truth import Ledger

ORDERS = 130
SHARE = 0.03
NOWHERE = ("127.0.0.1:9", "http://127.0.0.1:9")  # telemetry is not what is looked at here


@dataclass(slots=True)
class Shown:
    """What the firehose and the dead letters showed, by message id, and what was left in the queues."""

    published: dict[str, dict[str, Any]] = field(default_factory=dict)
    delivered: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    died: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    left: dict[str, tuple[int, int]] = field(default_factory=dict)

    async def take_trace(self, message: AbstractIncomingMessage) -> None:
        headers: dict[str, Any] = message.headers
        message_id = headers["properties"].get("message_id", "")
        kind, _, name = (message.routing_key or "").partition(".")
        if kind == "publish":
            self.published[message_id] = headers | {"body": json.loads(message.body)}
        else:
            self.delivered[message_id].append((name, headers["redelivered"]))

    async def take_dead(self, message: AbstractIncomingMessage) -> None:
        death: Any = message.headers["x-death"]
        self.died[str(message.message_id)].append((death[0]["reason"], death[0]["queue"]))


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Shown]:
    """Reads firehose and dead letters, with the rights that ordertrace has."""
    shown = Shown()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for name, exchange, key, take in (
            ("ordertrace.test.tap", "amq.rabbitmq.trace", "#", shown.take_trace),
            ("ordertrace.test.dead", "ordertrace.dlx", "", shown.take_dead),
        ):
            queue = await channel.declare_queue(name, exclusive=True)
            await queue.bind(exchange, key)
            await queue.consume(take, no_ack=True)
        yield shown


def _is_orders(published: dict[str, Any]) -> bool:
    return published["exchange_name"] == "alexandrite.orders" and "note" not in published["body"]


async def _depths(node: RabbitNode, vhost: str) -> dict[str, tuple[int, int]]:
    """Ready and unacknowledged messages by queue."""
    listed = await asyncio.to_thread(
        node.control,
        "list_queues",
        "-p",
        vhost,
        "name",
        "messages_ready",
        "messages_unacknowledged",
        "--no-table-headers",
    )
    rows = [line.split("\t") for line in listed.splitlines() if line.count("\t") == 2]
    return {name: (int(ready), int(unacked)) for name, ready, unacked in rows}


async def test_each_message_is_struck_as_the_truth_says(watched_node: RabbitNode, tmp_path: Path) -> None:
    vhost = "alexandrite.harm"
    url = prepare_watch(watched_node, vhost).url
    faults = dict.fromkeys(SETS["messages"], SHARE)
    options = Options(
        company_url(watched_node, vhost), *NOWHERE, seed=4, orders_per_minute=1200, orders=ORDERS, faults=faults,
        speed=600, truth=tmp_path / "truth.jsonl", bystanders=True,
    )  # fmt: skip
    async with watching(url) as shown:

        async def look(_: Ledger) -> None:
            await asyncio.sleep(1)  # what the run's last facts caused is on its way
            shown.left = await _depths(watched_node, vhost)

        await run_company(options, at_rest=look)
        await asyncio.sleep(0.5)
    truth = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert all(line["rests"] for line in truth)
    assert {line["message"]["verdict"] for line in truth if line["message"]} == set(SETS["messages"])
    for line in truth:
        if line["message"]:
            _check_struck(line, shown)
    _check_left(truth, shown)
    struck = {line["message"]["message_id"] for line in truth if line["message"]}
    _check_healthy(struck, shown)


def _check_struck(line: dict[str, Any], shown: Shown) -> None:
    verdict, queue, message_id = (line["message"][name] for name in ("verdict", "queue", "message_id"))
    status = line["expected"]["status"]
    if verdict == "never_published":
        about = [each["body"] for each in shown.published.values() if _is_orders(each)]
        assert not [body for body in about if body.get("orderId") == line["order"] and body.get("status") == status]
        return
    routed = shown.published[message_id]["routed_queues"]
    delivered = [redelivered for name, redelivered in shown.delivered[message_id] if name == queue]
    assert routed == [] if verdict == "unroutable" else queue in routed
    expected_deaths = [(verdict, queue)] if verdict in ("expired", "maxlen", "rejected", "delivery_limit") else []
    assert shown.died[message_id] == expected_deaths, line
    times = {"rejected": 1, "no_effect": 1, "unacked": 1, "delivery_limit": 4, "redelivery_loop": None}.get(verdict, 0)
    assert len(delivered) == times or (times is None and sum(delivered) >= LOOPS), line
    if HARMS[verdict].by == "mes":
        about_it = [each["body"].get("Status") for each in shown.published.values() if _is_mes_on(each, line["order"])]
        assert set(about_it) <= {"PRICE_CALCULATED"}, line


def _is_mes_on(published: dict[str, Any], order_id: str) -> bool:
    return _is_orders(published) and published["body"].get("OrderId") == order_id


def _check_left(truth: list[dict[str, Any]], shown: Shown) -> None:
    count = Counter(line["fault"] for line in truth)
    assert shown.left[lane_queue("stuck_in_queue")] == (count["stuck_in_queue"], 0)
    assert shown.left[lane_queue("unacked")] == (0, count["unacked"])
    assert sum(shown.left[lane_queue("redelivery_loop")]) == count["redelivery_loop"]
    empty = {*MOMENTS, *READ_BY_MES, "maxlen", "overflow_rejected", "expired", "expired_ttl"}
    empty -= {"stuck_in_queue", "unacked", "redelivery_loop", NEEDS_OWN_BROKER}
    assert {shown.left[lane_queue(lane)] for lane in empty} == {(0, 0)}


def _check_healthy(struck: set[str | None], shown: Shown) -> None:
    """All other messages about orders came to every queue that they were routed to, once, and were sent by who they say."""
    healthy = {
        message_id: each
        for message_id, each in shown.published.items()
        if _is_orders(each) and message_id not in struck
    }
    assert len(healthy) > 5 * ORDERS
    for message_id, each in healthy.items():
        assert sorted(shown.delivered[message_id]) == sorted((queue, 0) for queue in each["routed_queues"]), each
        assert message_id not in shown.died
        assert each["user"] == each["properties"]["app_id"].lower()
    side = [each for each in shown.published.values() if each["exchange_name"] == "alexandrite.side"]
    assert {each["routed_queues"][0].rpartition(".")[2] for each in side} == {
        "priority", "retry", "latest", "booked", "stock",
    }  # fmt: skip


async def test_who_kills_the_broker_needs_to_own_it() -> None:
    options = Options("amqp://guest:guest@127.0.0.1:9/", *NOWHERE, faults={NEEDS_OWN_BROKER: 0.1})
    with pytest.raises(RunError, match="one of the run's own"):
        await run_company(options)
