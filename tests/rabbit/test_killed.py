"""Killed, frozen and long away: ordertrace and the broker as real processes that die without warning, in either order.

Whatever was told before stays told, watching goes on by itself, and what nobody saw is not called lost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from alexandrite.broker import BrokerError, RabbitNode
from alexandrite.rights import company_url

from .company import Company, acknowledge, addresses, bind_once, company_at, until
from .processes import Watcher

VHOST = "alexandrite.killed"
LIMIT, DEAD_LIMIT = 200, 100


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitNode]:
    with RabbitNode(plugins=True, trace_vhosts=(VHOST,)) as node:
        yield node


@pytest.fixture
def watcher(node: RabbitNode, tmp_path: Path) -> Iterator[Watcher]:
    url, management = addresses(node, VHOST)
    broker = {
        "url": url, "management": management, "wait": 2, "reconnect_max": 1, "tap_messages_max": LIMIT,
        "dead_letters_max": DEAD_LIMIT,
    }  # fmt: skip
    for name in ("ordertrace.tap", "ordertrace.dead"):  # what the test before left in them
        with suppress(BrokerError):
            node.control("delete_queue", name, "-p", VHOST)
    with Watcher(tmp_path, broker) as watcher:
        yield watcher


async def refuse(message: AbstractIncomingMessage) -> None:
    await message.reject(requeue=False)


@asynccontextmanager
async def working(node: RabbitNode, *, empty: bool = True) -> AsyncIterator[Company]:
    """The company with readers of all its queues, and two lanes that nobody reads."""
    async with company_at(node, VHOST, empty=empty) as company:
        for queue in ("shop.order-events", "crm.order-events", "mes.orders"):
            await company.consume(queue, acknowledge, by=queue.partition(".")[0])
        for queue in ("mes.lane", "mes.refused"):
            await company.declare(queue)
            await bind_once(company, queue)
        await company.consume("mes.refused", refuse)
        yield company


async def settle_first(company: Company, watcher: Watcher) -> None:
    """Healthy messages, one rejected and one that waits: all told before anything dies."""
    for n in range(20):
        await company.publish(f"H-{n}")
    await company.publish("H-rejected", "lab.mes.refused")
    await company.publish("H-kept", "lab.mes.lane")
    expected = {("H-rejected", "mes.refused"): "rejected", ("H-kept", "mes.lane"): "stuck_in_queue"}
    await until(lambda: watcher.verdicts() == expected)


async def goes_on(company: Company, watcher: Watcher, told: dict[tuple[str, str], str]) -> None:
    """A new loss is named, and nothing else has come to what was told before."""
    await company.publish("N-lost", "order.nowhere")
    expected = told | {("N-lost", ""): "unroutable"}
    await until(lambda: watcher.verdicts() == expected)
    for n in range(20):
        await company.publish(f"N-{n}")
    await until(lambda: len(watcher.messages(order="N-19", state="settled")) == 2)
    await asyncio.sleep(2)  # what is false comes late
    assert watcher.verdicts() == expected


@pytest.mark.parametrize("first", ["ordertrace", "broker"])
async def test_both_are_killed(node: RabbitNode, watcher: Watcher, first: str) -> None:
    await watcher.start()
    async with working(node) as company:
        await settle_first(company, watcher)
        if first == "ordertrace":
            watcher.kill()
            for n in range(20):
                await company.publish(f"U-{n}")
            await company.publish("U-lost", "order.nowhere")  # known to the firehose alone, which dies with the broker
        await asyncio.to_thread(node.kill)
    if first == "broker":
        await asyncio.sleep(0.5)
        watcher.kill()
    await asyncio.to_thread(node.restart)
    await watcher.start()
    async with working(node, empty=False) as company:
        told = {("H-rejected", "mes.refused"): "rejected", ("H-kept", "mes.lane"): "stuck_in_queue"}
        await goes_on(company, watcher, told)
        assert set(watcher.gaps()) <= {"ordertrace_stopped", "broker_restarted"}
        assert watcher.gaps()


async def test_what_the_broker_holds_for_a_killed_ordertrace_is_told(node: RabbitNode, watcher: Watcher) -> None:
    """Only ordertrace dies: the firehose and the dead letters wait for it."""
    await watcher.start()
    async with working(node) as company:
        await settle_first(company, watcher)
        watcher.kill()
        await company.publish("U-rejected", "lab.mes.refused")
        await company.publish("U-lost", "order.nowhere")
        await company.publish("U-kept", "lab.mes.lane")
        await watcher.start()
        told = {
            ("H-rejected", "mes.refused"): "rejected", ("H-kept", "mes.lane"): "stuck_in_queue",
            ("U-rejected", "mes.refused"): "rejected", ("U-lost", ""): "unroutable",
            ("U-kept", "mes.lane"): "stuck_in_queue",
        }  # fmt: skip
        await goes_on(company, watcher, told)
        assert watcher.gaps() == []


async def test_a_frozen_process_raises_nothing(node: RabbitNode, watcher: Watcher) -> None:
    await watcher.start()
    async with working(node) as company:
        watcher.freeze()
        await company.declare("mes.passing")
        for n in range(50):
            await company.publish(f"F-{n}")
            await company.publish(f"F-{n}", "mes.passing", exchange="", by="alexandrite")
        passing = await company.channels["alexandrite"].get_queue("mes.passing", ensure=False)
        for _ in range(50):
            taken = await passing.get()
            assert taken
            await taken.ack()
        await passing.delete()
        await asyncio.sleep(5)
        watcher.thaw()
        await goes_on(company, watcher, {})
        assert len(watcher.messages(order="F-49")) >= 2


@pytest.mark.parametrize("how", ["frozen", "killed", "away for longer than its queues stay"])
async def test_long_away(node: RabbitNode, watcher: Watcher, how: str) -> None:
    """Its queues fill up to their limits and no further, who publishes notices nothing, and what was missed is a gap."""
    await watcher.start()
    async with working(node) as company:
        await company.publish("B-seen")
        await until(lambda: len(watcher.messages(order="B-seen", state="settled")) == 2)
        if how == "frozen":
            watcher.freeze()
        else:
            watcher.kill()
        await _publish_confirmed(node, 3_000)
        for n in range(2 * DEAD_LIMIT):
            await company.publish(f"R-{n}", "lab.mes.refused")
        await until(lambda: _lengths(node)["mes.orders"]["messages"] == 0)
        held = {name: queue for name, queue in _lengths(node).items() if name.startswith("ordertrace.")}
        in_hand = 3_000 + 1_000 if how == "frozen" else 0  # what the broker had given to the frozen process before
        assert held["ordertrace.tap"]["messages_ready"] <= LIMIT
        assert held["ordertrace.dead"]["messages_ready"] <= DEAD_LIMIT
        assert sum(queue["messages"] for queue in held.values()) <= LIMIT + DEAD_LIMIT + in_hand + 3
        assert sum(queue["message_bytes"] for queue in held.values()) <= (LIMIT + DEAD_LIMIT + in_hand + 3) * 400
        if how == "frozen":
            watcher.thaw()
        else:
            if how != "killed":
                await asyncio.to_thread(node.control, "delete_queue", "ordertrace.tap", "-p", VHOST)
            await watcher.start()
        await until(lambda: watcher.gaps() and watcher.sees())

        async def watches_again() -> bool:
            await company.publish("N-lost", "order.nowhere")  # what is sent before the gap is over is not seen
            return ("N-lost", "") in watcher.verdicts()

        await until(watches_again)
        await asyncio.sleep(3)  # what is false comes late
        told = watcher.verdicts()
        assert told.pop(("N-lost", "")) == "unroutable"
        assert set(told.values()) == {"rejected"}
        assert {queue for _, queue in told} == {"mes.refused"}
        expected = {"away for longer than its queues stay": "ordertrace_stopped"}.get(how, "tap_overflow")
        assert watcher.gaps() == [expected]


async def _publish_confirmed(node: RabbitNode, count: int) -> None:
    """Returns when each is confirmed."""
    url = company_url(node, VHOST).format(system="shop")
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange("alexandrite.orders", ensure=False)

        async def publish(n: int) -> None:
            body = json.dumps({"orderId": f"L-{n}", "status": "SUBMITTED"}).encode()
            message = aio_pika.Message(body, message_id=f"long-away-{n}", delivery_mode=2)
            assert await exchange.publish(message, "order.submitted")

        for first in range(0, count, 100):
            await asyncio.gather(*(publish(n) for n in range(first, first + 100)))


def _lengths(node: RabbitNode) -> dict[str, dict[str, int]]:
    """Queue → what it holds, as the queues tell themselves."""
    columns = ("messages", "messages_ready", "message_bytes")
    listed = json.loads(node.control("list_queues", "-p", VHOST, "name", *columns, "--formatter", "json"))
    return {queue["name"]: {column: queue[column] for column in columns} for queue in listed}
