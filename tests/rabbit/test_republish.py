"""Lost messages that are sent again: once, whatever dies meanwhile, with a record of who had it done."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from alexandrite.broker import BrokerError, RabbitNode
from ordertrace.errors import Forbidden, Invalid, NotFound
from ordertrace.model.message import MessageLife, Republication
from ordertrace.store.republications import RepublicationStore

from .company import Company, Watched, acknowledge, addresses, company_at, until, watching
from .dying import STEPS
from .processes import Watcher
from .test_watch import all_files

VHOST = "alexandrite.again"
ON = {"republish": {"enabled": True}}
SECRET = b"milk and honey"


@pytest.fixture
async def company(watched_node: RabbitNode) -> AsyncIterator[Company]:
    addresses(watched_node, VHOST, republish=True)
    for queue in ("ordertrace.tap", "ordertrace.dead", "ordertrace.kept"):
        try:
            watched_node.control("delete_queue", queue, "-p", VHOST)
        except BrokerError:
            continue  # the first test
    async with company_at(watched_node, VHOST) as company:
        for queue in ("shop.order-events", "crm.order-events"):
            await company.consume(queue, acknowledge, by=queue.partition(".")[0])
        yield company


@asynccontextmanager
async def watching_again(node: RabbitNode, directory: Path, **more: Any) -> AsyncIterator[Watched]:
    async with watching(*addresses(node, VHOST, republish=True), directory, **(ON | more)) as watched:
        await until(watched.sees)
        yield watched


async def lose(company: Company, watched: Watched, order_id: str, message_id: str) -> MessageLife:
    """A message that the MES rejected, held to be lost."""

    async def refuse(message: AbstractIncomingMessage) -> None:
        await message.reject(requeue=False)

    stop = await company.consume("mes.orders", refuse)
    await company.publish(
        order_id, message_id=message_id, expiration=600, headers={"x-shop": "north", "CC": ["nowhere"]}
    )

    async def rejected() -> bool:
        return await watched.verdicts(order_id) == {(order_id, "mes.orders"): "rejected"}

    await until(rejected)
    await stop()
    (life,) = [life for life in await watched.lives(order_id) if life.held]
    return life


async def record(watched: Watched, key: str) -> list[Republication]:
    return list(await RepublicationStore(watched.store).of_message("main", key))


async def test_a_rejected_message_goes_back_to_its_queue_alone(
    watched_node: RabbitNode, company: Company, tmp_path: Path
) -> None:
    async with watching_again(watched_node, tmp_path) as watched:
        life = await lose(company, watched, "B-1", "again-one")
        got: list[AbstractIncomingMessage] = []

        async def take(message: AbstractIncomingMessage) -> None:
            got.append(message)
            await message.ack()

        await company.consume("mes.orders", take)
        done = await watched.watches.republish(life, "Vera")
        assert (done.result, done.exchange, done.routing_key, done.verdict) == (
            "published",
            "",
            "mes.orders",
            "rejected",
        )

        async def well_again() -> bool:
            return bool(got) and await watched.verdicts("B-1") == {}

        await until(well_again)
        (message,) = got
        assert SECRET in message.body
        assert (message.message_id, message.delivery_mode, message.expiration) == ("again-one", 2, None)
        assert message.headers == {
            "x-shop": "north",
            "x-ordertrace-republished": done.attempt,
            "x-ordertrace-origin": ["alexandrite.orders", "order.submitted"],
        }
        lives = {life.queue: life for life in await watched.lives("B-1")}
        assert set(lives) == {"mes.orders", "crm.order-events"}  # the CRM had its own, and gets no second one
        assert lives["mes.orders"].exchange == "alexandrite.orders"
        with pytest.raises(Invalid, match="nothing to send again"):
            await watched.watches.republish(lives["mes.orders"], "Vera")
        with pytest.raises(Invalid, match="was sent again"):
            await watched.watches.republish(life, "Vera")
        assert [(each.by, each.result) for each in await record(watched, life.key)] == [("Vera", "published")]
    assert all(SECRET not in path.read_bytes() for path in all_files(tmp_path))


async def test_a_message_that_came_to_no_queue_is_kept_and_sent_as_at_first(
    watched_node: RabbitNode, company: Company, tmp_path: Path
) -> None:
    async with watching_again(watched_node, tmp_path) as watched:
        await company.publish("B-2", "order.nowhere", message_id="again-astray")

        async def unroutable() -> bool:
            return await watched.verdicts("B-2") == {("B-2", ""): "unroutable"}

        await until(unroutable)
        (life,) = await watched.lives("B-2")
        back = await watched.watches.republish(life, "Vera")
        assert (back.result, back.exchange, back.routing_key) == ("returned", "alexandrite.orders", "order.nowhere")
        await company.declare("mes.found")
        place = await company.channels["alexandrite"].get_queue("mes.found", ensure=False)
        await place.bind("alexandrite.orders", "order.nowhere")
        assert (await watched.watches.republish(life, "Vera")).result == "published"

        async def found() -> bool:
            return await watched.verdicts("B-2") == {}

        await until(found)
        taken = await place.get()
        assert taken
        assert SECRET in taken.body
        assert taken.message_id == "again-astray"
        await taken.ack()
        await place.unbind("alexandrite.orders", "order.nowhere")
        await place.delete()
        assert [each.result for each in await record(watched, life.key)] == ["returned", "published"]


async def test_lost_once_more_it_can_be_sent_once_more(
    watched_node: RabbitNode, company: Company, tmp_path: Path
) -> None:
    async with watching_again(watched_node, tmp_path) as watched:
        life = await lose(company, watched, "B-7", "again-and-again")
        refused: list[bool] = []

        async def refuse(message: AbstractIncomingMessage) -> None:
            refused.append(True)
            await message.reject(requeue=False)

        stop = await company.consume("mes.orders", refuse)
        for times in (1, 2):
            assert (await watched.watches.republish(life, "Vera")).result == "published"

            async def lost_again(after: MessageLife = life, times: int = times) -> MessageLife | None:
                held = [each for each in await watched.lives("B-7") if each.held]
                later = [each for each in held if each.since and after.since and each.since > after.since]
                return later[0] if later and len(refused) == times else None

            life = await until(lost_again)
            assert life.held == "rejected"
        await stop()
        assert [each.result for each in await record(watched, life.key)] == ["published", "published"]


async def test_off_unless_turned_on_and_refused_without_rights(
    watched_node: RabbitNode, company: Company, tmp_path: Path
) -> None:
    async with watching_again(watched_node, tmp_path, republish={}) as watched:
        life = await lose(company, watched, "B-3", "again-off")
        with pytest.raises(Forbidden, match="is off"):
            await watched.watches.republish(life, "Vera")
    async with watching_again(watched_node, tmp_path) as watched:
        with pytest.raises(NotFound, match="keeps no copy"):  # it was lost before anything was kept
            await watched.watches.republish(life, "Vera")
        life = await lose(company, watched, "B-4", "again-refused")
        addresses(watched_node, VHOST)
        await asyncio.sleep(0)
        refused = await watched.watches.republish(life, "Vera")
        assert (refused.result, refused.reason) == ("refused", "no rights")
        addresses(watched_node, VHOST, republish=True)
        assert (await watched.watches.republish(life, "Vera")).result == "published"


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_it_is_sent_once(
    watched_node: RabbitNode, company: Company, tmp_path: Path, step: str
) -> None:
    where = addresses(watched_node, VHOST, republish=True)
    message_id = f"again-{step.replace(' ', '-')}"
    async with watching_again(watched_node, tmp_path) as watched:
        life = await lose(company, watched, "B-5", message_id)
    command = [sys.executable, "-m", "tests.rabbit.dying", step, str(tmp_path), *where, message_id]
    died = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr
    was_sent = step in ("published", "seen", "noted")
    async with watching_again(watched_node, tmp_path) as watched:

        async def known() -> bool:
            found = await record(watched, life.key)
            return all(each.result in ("published", "not_published") for each in found)

        await until(known)
        results = [each.result for each in await record(watched, life.key)]
        assert results == {"before the claim": [], "claimed": ["not_published"]}.get(step, ["published"])
        if was_sent:
            with pytest.raises((Invalid, NotFound)):
                await watched.watches.republish(life, "Vera")
        else:
            assert (await watched.watches.republish(life, "Vera")).result == "published"
        place = await company.channels["mes"].get_queue("mes.orders", ensure=False)
        assert await waiting(place) == 1
        taken = await place.get()
        assert taken
        assert taken.message_id == message_id
        await taken.ack()

        async def well_again() -> bool:
            return await watched.verdicts("B-5") == {}

        await until(well_again)
    assert all(SECRET not in path.read_bytes() for path in all_files(tmp_path))


async def waiting(queue: aio_pika.abc.AbstractQueue) -> int:
    answer = await queue.channel.declare_queue(queue.name, passive=True)
    return answer.declaration_result.message_count or 0


async def test_an_attempt_across_a_gap_stays_unknown_and_is_never_repeated(
    watched_node: RabbitNode, company: Company, tmp_path: Path
) -> None:
    where = addresses(watched_node, VHOST, republish=True)
    async with watching_again(watched_node, tmp_path) as watched:
        life = await lose(company, watched, "B-6", "again-unknown")
    command = [sys.executable, "-m", "tests.rabbit.dying", "published", str(tmp_path), *where, "again-unknown"]
    await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60)
    await asyncio.to_thread(watched_node.control, "delete_queue", "ordertrace.tap", "-p", VHOST)
    async with watching_again(watched_node, tmp_path) as watched:

        async def unknown() -> bool:
            return [each.result for each in await record(watched, life.key)] == ["unknown"]

        await until(unknown)
        with pytest.raises(Invalid, match="may make two of it"):
            await watched.watches.republish(life, "Vera")


async def test_people_have_it_done_by_api_and_page(watched_node: RabbitNode, company: Company, tmp_path: Path) -> None:
    url, management = addresses(watched_node, VHOST, republish=True)
    with Watcher(tmp_path, {"url": url, "management": management, **ON}) as watcher:
        await watcher.start()

        async def refuse(message: AbstractIncomingMessage) -> None:
            await message.reject(requeue=False)

        stop = await company.consume("mes.orders", refuse)
        for name in ("api", "page"):
            await company.publish(f"B-{name}", message_id=f"again-by-{name}")
        await until(lambda: len(watcher.verdicts()) == 2)
        await stop()
        at = f"http://127.0.0.1:{watcher.port}"
        page = await ask(f"{at}/messages/again-by-page")
        assert 'action="/messages/again-by-page/republish"' in page
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": at}
        after = await ask(f"{at}/messages/again-by-page/republish", b"queue=mes.orders&by=Vera", form)
        assert "Vera" in after
        assert "/messages/again-by-page/republish" not in after
        path = f"{at}/api/v1/messages/again-by-api"
        answer = json.loads(await ask(f"{path}/republish", b'{"by": "Vera"}', {"Content-Type": "application/json"}))
        assert answer["result"] == "published"
        detail = json.loads(await ask(path))
        assert [each["by"] for each in detail["republications"]] == ["Vera"]
        for headers in ({"Origin": "http://elsewhere.example"}, {}):
            with pytest.raises(urllib.error.HTTPError) as refused:
                await ask(f"{path}/republish", b'{"by": "Vera"}', {"Content-Type": "application/json", **headers})
            assert refused.value.code == (403 if headers else 400)
        place = await company.channels["mes"].get_queue("mes.orders", ensure=False)
        assert await waiting(place) == 2


async def ask(url: str, content: bytes | None = None, headers: dict[str, str] | None = None) -> str:
    def call() -> str:
        with urllib.request.urlopen(urllib.request.Request(url, content, headers or {}), timeout=20) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(call)
