"""What the watch does not see, it says so: a killed broker, the firehose that is off after it, a tap that overflows."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from alexandrite.broker import VHOST, RabbitNode
from alexandrite.rights import company_url
from ordertrace.model.message import MessageState

from .company import acknowledge, addresses, bind_once, company_at, until, watching

DARK = "alexandrite.dark"  # its firehose is off after a restart


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitNode]:
    with RabbitNode(plugins=True, trace_vhosts=(VHOST,)) as node:
        yield node


@pytest.mark.parametrize("vhost", [VHOST, DARK])
async def test_a_killed_broker(node: RabbitNode, vhost: str, tmp_path: Path) -> None:
    where = addresses(node, vhost)
    async with watching(*where, tmp_path, reconnect_max="1s") as watched:
        await until(watched.sees)
        async with company_at(node, vhost) as company:
            await company.consume("mes.orders", acknowledge)
            await company.declare("mes.lane")
            await company.declare("mes.passing", durable=False)
            for queue in ("mes.lane", "mes.passing"):
                await bind_once(company, queue)
            await company.publish("K-healthy")
            await company.publish("K-transient", "lab.mes.lane", delivery_mode=1)
            await company.publish("K-kept", "lab.mes.lane")
            await company.publish("K-passing", "lab.mes.passing")

            async def all_seen() -> bool:
                return all([await watched.lives(f"K-{name}") for name in ("healthy", "transient", "kept", "passing")])

            await until(all_seen)
            await until(lambda: watched.watches.watches[0].detector.books["mes.lane"].present_until)
            await asyncio.to_thread(node.kill)
        await asyncio.to_thread(node.restart)

        async def named() -> bool:
            found = await watched.verdicts("K-transient", "K-passing")
            return found == {
                ("K-transient", "mes.lane"): "broker_restart",
                ("K-passing", "mes.passing"): "broker_restart",
            }

        await until(named)
        if vhost == DARK:
            assert not await watched.sees()
            (gap,) = [gap for gap in watched.watches.sights()[0].gaps if gap.until is None]
            assert gap.reason in ("broker_restarted", "tracing_off")
            async with company_at(node, vhost) as company:
                await company.consume("mes.orders", acknowledge)
                await company.publish("K-unwatched")
            await asyncio.to_thread(node.control, "trace_on", "-p", vhost)
        await until(watched.sees)

        async def one_gap_ended() -> bool:
            gaps = await watched.messages.gaps(datetime.fromtimestamp(0, UTC))
            return [gap.until is not None for gap in gaps] == [True]

        await until(one_gap_ended)
        async with company_at(node, vhost, empty=False) as company:
            await company.publish("K-after", "order.nowhere")

            async def goes_on() -> bool:
                return await watched.verdicts("K-after") == {("K-after", ""): "unroutable"}

            await until(goes_on)

            async def still_there() -> bool:
                return await watched.verdicts("K-kept") == {("K-kept", "mes.lane"): "stuck_in_queue"}

            await until(still_there)
        assert await watched.verdicts("K-healthy") == {("K-healthy", "crm.order-events"): "stuck_in_queue"}


async def all_taken(channel: AbstractChannel, queue: str) -> bool:
    return not (await channel.declare_queue(queue, passive=True)).declaration_result.message_count


async def test_an_overflowing_tap_is_a_gap_and_no_loss(node: RabbitNode, tmp_path: Path) -> None:
    where = addresses(node, VHOST)

    async def publish_and_take(count: int) -> None:
        async with await aio_pika.connect(company_url(node, VHOST).format(system="alexandrite")) as connection:
            channel = await connection.channel(publisher_confirms=False)
            queue = await channel.declare_queue("mes.flood")
            await queue.consume(acknowledge)
            for n in range(count):
                body = json.dumps({"orderId": f"O-{n}"}).encode()
                message = aio_pika.Message(body, message_id=f"overflow-{n}", headers={"x-order-id": f"O-{n}"})
                await channel.default_exchange.publish(message, "mes.flood")
            await until(lambda: all_taken(channel, "mes.flood"))

    async with watching(*where, tmp_path, tap_messages_max=100) as watched:
        await until(watched.sees)
        thread = threading.Thread(target=lambda: asyncio.run(publish_and_take(4_000)))
        thread.start()
        while thread.is_alive():
            time.sleep(0.2)  # noqa: ASYNC251 stands still: nothing is read
        thread.join()

        async def gap_over() -> bool:
            gaps = await watched.messages.gaps(datetime.fromtimestamp(0, UTC))
            return [gap.reason for gap in gaps if gap.until] == ["tap_overflow"] and await watched.sees()

        await until(gap_over)
        await asyncio.sleep(3)
        assert await watched.all_verdicts() == []
        states = {life.state for n in range(0, 4_000, 100) for life in await watched.lives(f"O-{n}")}
        assert states <= {MessageState.UNSEEN, MessageState.DELIVERED, MessageState.SETTLED}
