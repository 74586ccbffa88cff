"""A real RabbitMQ, a user with no more rights than needed, a real store: what each source tells arrives as verdicts."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import httpx2
import pytest
from aio_pika.abc import AbstractIncomingMessage

from alexandrite.broker import RabbitNode
from alexandrite.rights import company_url
from ordertrace.errors import NotFound
from ordertrace.model.message import MessageFilter, MessageState

from .company import Company, Watched, acknowledge, addresses, bind_once, company_at, until, watching

VHOST = "alexandrite.watch"


@pytest.fixture
async def company(watched_node: RabbitNode) -> AsyncIterator[Company]:
    addresses(watched_node, VHOST)
    async with company_at(watched_node, VHOST) as company:
        for queue in ("shop.order-events", "crm.order-events"):
            await company.consume(queue, acknowledge, by=queue.partition(".")[0])
        yield company


@pytest.fixture
async def watched(watched_node: RabbitNode, company: Company, tmp_path: Path) -> AsyncIterator[Watched]:
    async with watching(*addresses(watched_node, VHOST), tmp_path) as watched:
        await until(watched.sees)
        yield watched


async def test_healthy_messages_are_published_delivered_settled_and_told_to_their_orders(
    company: Company, watched: Watched
) -> None:
    async def price(message: AbstractIncomingMessage) -> None:
        order_id = json.loads(message.body)["orderId"]
        await company.publish(order_id, "order.price_calculated", by="mes", message_id=f"priced-{order_id}")
        await message.ack()

    await company.consume("mes.orders", price)
    for n in range(20):
        await company.publish(f"A-{n}")

    async def all_settled() -> bool:
        lives = [life for n in range(20) for life in await watched.lives(f"A-{n}") if life.queue == "mes.orders"]
        return len(lives) == 20 and all(life.state is MessageState.SETTLED for life in lives)

    await until(all_settled)
    (life,) = [life for life in await watched.lives("A-7") if life.queue == "mes.orders"]
    assert (life.publisher, life.consumer, life.status, life.exchange) == (
        "shop",
        "mes",
        "SUBMITTED",
        "alexandrite.orders",
    )
    assert (life.routing_key, life.redeliveries, life.broker) == ("order.submitted", 0, "main")
    assert life.published_at is not None
    assert life.delivered_at is not None
    assert life.published_at <= life.delivered_at
    assert await watched.all_verdicts() == []
    assert watched.told == sorted(set(watched.told))
    assert watched.told
    rows = await watched.store._run(
        "x",
        lambda client: (
            client.query(
                "SELECT kind, system, status, queue FROM order_events WHERE order_id = 'A-7' ORDER BY at, queue"
            ).result_rows
        ),
    )
    assert ("send", "shop", "SUBMITTED", "") in rows  # its own status; its spans may tell it, too
    assert ("receive", "mes", "", "mes.orders") in rows
    assert ("send", "mes", "PRICE_CALCULATED", "") in rows
    steps = await watched.messages.steps("priced-A-7")
    assert {(step.kind, step.queue) for step in steps} >= {
        ("published", "crm.order-events"),
        ("delivered", "shop.order-events"),
    }
    assert len(await watched.messages.get_message("priced-A-7")) == 2
    with pytest.raises(NotFound):
        await watched.messages.get_message("nobody")
    assert await watched.messages.gaps(datetime.fromtimestamp(0, UTC)) == ()


async def test_every_certain_loss_is_named(company: Company, watched: Watched) -> None:
    admin = company.channels["alexandrite"]
    queues: dict[str, dict[str, Any]] = {
        "mes.ttl": {"x_message_ttl": 200}, "mes.short": {"x_max_length": 1}, "mes.deleted": {},
        "mes.quorum": {"x_queue_type": "quorum", "x_delivery_limit": 2}, "mes.loop": {},
    }  # fmt: skip
    for name, arguments in queues.items():
        await admin.queue_delete(name)
        await company.declare(name, **arguments)

    async def refuse(message: AbstractIncomingMessage) -> None:
        await message.reject(requeue=(message.routing_key or "").startswith("lab."))

    await company.consume("mes.orders", refuse)
    await company.consume("mes.quorum", refuse)
    stop_loop = await company.consume("mes.loop", refuse)
    await company.publish("A-unroutable", "order.nowhere")
    await company.publish("A-nosuch", "mes.nosuch", exchange="", by="alexandrite", headers={"x-order-id": "A-nosuch"})
    await company.publish("A-rejected")
    for order_id, queue in {"A-expired": "mes.ttl", "A-maxlen": "mes.short", "A-newer": "mes.short",
                            "A-deleted": "mes.deleted", "A-limit": "mes.quorum", "A-loop": "mes.loop"}.items():  # fmt: skip
        await bind_once(company, queue)
        await company.publish(order_id, f"lab.{queue}")
    await admin.queue_delete("mes.deleted")
    expected = {
        ("A-unroutable", ""): "unroutable",
        ("A-rejected", "mes.orders"): "rejected",
        ("A-expired", "mes.ttl"): "expired",
        ("A-maxlen", "mes.short"): "maxlen",
        ("A-deleted", "mes.deleted"): "queue_deleted",
        ("A-limit", "mes.quorum"): "delivery_limit",
        ("A-loop", "mes.loop"): "redelivery_loop",
        ("A-newer", "mes.short"): "stuck_in_queue",
    }
    orders = {order for order, _ in expected}

    async def all_named() -> bool:
        return await watched.verdicts(*orders) == expected

    await until(all_named)
    await stop_loop()
    lives = {life.order_id: life for life in await watched.all_verdicts()}
    assert {order: lives[order].confidence for order in orders} == dict.fromkeys(orders, 1.0)
    assert lives["A-rejected"].evidence[0].values["consumer"] == "mes"
    assert lives["A-rejected"].state is MessageState.LOST
    assert lives["A-newer"].state is MessageState.QUEUED
    assert watched.reviewed >= orders
    groups = {
        (group.queue, group.verdict.value): group for group in await watched.messages.failed_groups(datetime.now(UTC))
    }
    assert groups["mes.ttl", "expired"].order_ids == ("A-expired",)
    rejected = lives["A-rejected"]
    thrown = {
        "order_id": "A-rejected", "at": datetime.now(UTC), "event_id": "e1", "system": "mes", "kind": "error",
        "message_id": rejected.message_id, "error_type": "CadError", "inserted_at": datetime.now(UTC),
    }  # fmt: skip
    await watched.store.insert("order_events", list(thrown), [tuple(thrown.values())])
    by_error = {
        (group.queue, group.verdict.value): (group.routing_key, group.error_type)
        for group in await watched.messages.failed_groups_by_error(datetime.now(UTC))
    }
    assert by_error["mes.orders", "rejected"] == ("order.submitted", "CadError")
    assert by_error["mes.ttl", "expired"] == ("lab.mes.ttl", "")
    assert by_error["", "unroutable"][0] in ("order.nowhere", "mes.nosuch")
    page = await watched.messages.find_messages(MessageFilter(verdict="maxlen"), datetime.now(UTC))
    assert [life.order_id for life in page.messages] == ["A-maxlen"]


async def test_what_only_absence_tells_is_likely(company: Company, watched: Watched) -> None:
    admin = company.channels["alexandrite"]
    queues: dict[str, dict[str, Any]] = {
        "mes.purged": {},
        "mes.refusing": {"x_max_length": 1, "x_overflow": "reject-publish"},
    }
    for name, arguments in queues.items():
        await admin.queue_delete(name)
        await company.declare(name, **arguments)
        await bind_once(company, name)
    await company.publish("A-purged", "lab.mes.purged")

    async def stuck() -> bool:
        return await watched.verdicts("A-purged") == {("A-purged", "mes.purged"): "stuck_in_queue"}

    await until(stuck)
    await (await admin.get_queue("mes.purged", ensure=False)).purge()
    await company.publish("A-first", "lab.mes.refusing")
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await company.publish("A-refused", "lab.mes.refusing")
    await company.consume("mes.refusing", acknowledge)

    async def named() -> bool:
        return await watched.verdicts("A-purged", "A-refused", "A-first") == {
            ("A-purged", "mes.purged"): "removed",
            ("A-refused", "mes.refusing"): "overflow_rejected",
        }

    await until(named)
    assert {life.confidence for life in await watched.all_verdicts()} == {0.8}


async def test_dead_letters_that_go_elsewhere_are_inferred_from_where_they_lie(
    company: Company, watched: Watched
) -> None:
    """The application's own dead-letter exchange gives us no copy; the queue behind it grows."""
    admin = company.channels["alexandrite"]
    queues: dict[str, dict[str, Any]] = {"mes.choosy": {}, "mes.tiny": {"x_max_length_bytes": 1}}
    for queue, more in queues.items():
        for name in (queue, f"{queue}.parked"):
            await admin.queue_delete(name)
        await admin.declare_exchange(f"{queue}.away", "fanout", durable=True)
        await company.declare(f"{queue}.parked")
        await (await admin.get_queue(f"{queue}.parked", ensure=False)).bind(f"{queue}.away")
        await company.declare(queue, x_dead_letter_exchange=f"{queue}.away", **more)
        await bind_once(company, queue)

    async def refuse_some(message: AbstractIncomingMessage) -> None:
        await (message.reject() if b"A-refused" in message.body else message.ack())

    await company.consume("mes.choosy", refuse_some)
    books = watched.watches.watches[0].detector.books

    async def facts_known() -> bool:
        await company.publish("A-taken", "lab.mes.choosy")
        return all(name in books and books[name].facts and books[name].parked for name in ("mes.choosy", "mes.tiny"))

    await until(facts_known)
    await until(lambda: not books["mes.choosy"].unsettled)
    await company.publish("A-refused", "lab.mes.choosy")
    await company.publish("A-large", "lab.mes.tiny")
    expected = {("A-refused", "mes.choosy"): "dead_lettered", ("A-large", "mes.tiny"): "dead_lettered"}

    async def inferred() -> bool:
        return await watched.verdicts("A-refused", "A-large", "A-taken") == expected

    await until(inferred)
    assert {life.confidence for life in await watched.all_verdicts()} == {0.6}


async def test_a_transaction_that_is_rolled_back_and_a_delay_queue_raise_nothing(
    company: Company, watched: Watched
) -> None:
    admin = company.channels["alexandrite"]
    await admin.declare_exchange("mes.later", "fanout", durable=True)
    await company.declare("mes.work", x_dead_letter_exchange="mes.later")
    await company.declare(
        "mes.work.wait", x_message_ttl=300, x_dead_letter_exchange="alexandrite.orders",
        x_dead_letter_routing_key="lab.mes.work",
    )  # fmt: skip
    await (await admin.get_queue("mes.work.wait", ensure=False)).bind("mes.later")
    await bind_once(company, "mes.work")
    done: list[str] = []

    async def take_at_third(message: AbstractIncomingMessage) -> None:
        deaths = message.headers.get("x-death")
        rounds = max((int(str(d["count"])) for d in deaths), default=0) if isinstance(deaths, list) else 0  # type: ignore[call-overload,index]
        if rounds < 2:
            await message.reject(requeue=False)
        else:
            await message.ack()
            done.append(str(message.message_id))

    await company.consume("mes.work", take_at_third)
    await company.publish("A-retried", "lab.mes.work")
    mes = company.channels["mes"]
    async with await aio_pika.connect(company_url_of(company)) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.get_underlay_channel()
        exchange = await channel.get_exchange("alexandrite.orders", ensure=False)
        await company.declare("mes.booked")
        await bind_once(company, "mes.booked")
        await company.consume("mes.booked", acknowledge)
        transaction = channel.transaction()
        await transaction.select()
        for order_id in ("A-rolled-back", "A-kept"):
            body = json.dumps({"orderId": order_id}).encode()
            await exchange.publish(aio_pika.Message(body, message_id=f"id-{order_id}"), "lab.mes.booked")
            await (transaction.rollback() if order_id == "A-rolled-back" else transaction.commit())

        async def open_at_last() -> bool:
            lives = [life for order in ("A-rolled-back", "A-kept", "A-retried") for life in await watched.lives(order)]
            states = {life.order_id: life.state for life in lives if life.queue in ("mes.booked", "mes.work")}
            return states == {
                "A-rolled-back": MessageState.UNSEEN, "A-kept": MessageState.SETTLED, "A-retried": MessageState.SETTLED,
            }  # fmt: skip

        await until(open_at_last)
    assert done
    assert not mes.is_closed
    assert await watched.all_verdicts() == []


def company_url_of(company: Company) -> str:
    """The URL with which the company's administrator is connected."""
    connection = company.channels["alexandrite"]._connection  # type: ignore[attr-defined]
    return str(connection.url)


async def test_a_frozen_watch_raises_nothing(watched_node: RabbitNode, company: Company, watched: Watched) -> None:
    """Everything that awaits in this process stands still while another thread publishes, consumes and deletes."""
    await company.consume("mes.orders", acknowledge)
    url = company_url(watched_node, VHOST)

    async def work() -> None:
        async with await aio_pika.connect(url.format(system="alexandrite")) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("mes.frozen")
            for n in range(50):
                body = json.dumps({"orderId": f"F-{n}"}).encode()
                message = aio_pika.Message(body, message_id=f"frozen-{n}", headers={"x-order-id": f"F-{n}"})
                await channel.default_exchange.publish(message, "mes.frozen")
            for _ in range(50):
                taken = await queue.get()
                assert taken is not None
                await taken.ack()
            await channel.queue_delete("mes.frozen")
            await asyncio.sleep(5)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    await asyncio.to_thread(lambda: None)
    time.sleep(6)  # noqa: ASYNC251 the freeze itself
    thread.join()

    async def caught_up() -> bool:
        return len(await watched.messages.get_message("frozen-49")) == 1

    await until(watched.sees)
    await asyncio.sleep(1.5)
    await until(caught_up)
    assert await watched.all_verdicts() == []
    assert await watched.messages.gaps(datetime.fromtimestamp(0, UTC)) == ()


async def test_identity_without_message_ids(watched_node: RabbitNode, company: Company, watched: Watched) -> None:
    """Twins without any id are counted; redelivery and fan-out do not make new messages; other bodies do."""
    seen: list[bool] = []

    async def at_second(message: AbstractIncomingMessage) -> None:
        seen.append(bool(message.redelivered))
        await (message.ack() if message.redelivered else message.reject(requeue=True))

    await company.consume("mes.orders", at_second)
    publish = f"{watched_node.management_url}/api/exchanges/{VHOST}/alexandrite.orders/publish"
    async with httpx2.AsyncClient(auth=("guest", "guest")) as client:  # the AMQP client gives every message an id
        for order_id in ("T-1", "T-1", "T-2"):
            body = json.dumps({"orderId": order_id, "status": "SUBMITTED"})
            content = {
                "properties": {},
                "routing_key": "order.submitted",
                "payload": body,
                "payload_encoding": "string",
            }
            assert (await client.post(publish, json=content)).json() == {"routed": True}

    async def settled() -> bool:
        lives = [*await watched.lives("T-1"), *await watched.lives("T-2")]
        return len(lives) == 4 and {life.state for life in lives} == {MessageState.SETTLED}

    await until(settled)
    redeliveries = {
        life.order_id: life.redeliveries for life in await watched.lives("T-1") if life.queue == "mes.orders"
    }
    assert redeliveries == {"T-1": 2}
    assert await watched.all_verdicts() == []
    assert sorted(seen) == [False] * 3 + [True] * 3


async def test_no_body_reaches_the_disk(company: Company, watched: Watched, tmp_path: Path) -> None:
    await company.consume("mes.orders", acknowledge)
    await company.publish("D-1")
    await company.publish("D-2", "order.nowhere")

    async def stored() -> bool:
        return bool(await watched.verdicts("D-2"))

    await until(stored)
    written = b"".join(path.read_bytes() for path in all_files(tmp_path))
    assert written
    assert b"milk and honey" not in written


def all_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_what_was_in_flight_is_taken_over_by_the_next_process(
    watched_node: RabbitNode, company: Company, tmp_path: Path
) -> None:
    where = addresses(watched_node, VHOST)
    await company.declare("mes.patient")
    await bind_once(company, "mes.patient")
    async with watching(*where, tmp_path, wait="1h") as first:
        await until(first.sees)
        await company.publish("R-1", "lab.mes.patient")
        await until(lambda: first.lives("R-1"))
    await company.publish("R-2", "lab.mes.patient")  # while nobody watches: the tap keeps it
    async with watching(*where, tmp_path) as second:
        expected = {(order, "mes.patient"): "stuck_in_queue" for order in ("R-1", "R-2")}

        async def both_stuck() -> bool:
            return await second.verdicts("R-1", "R-2") == expected

        await until(both_stuck)
        await company.consume("mes.patient", acknowledge)

        async def cleared() -> bool:
            return await second.verdicts("R-1", "R-2") == {}

        await until(cleared)
    await company.channels["alexandrite"].queue_delete("mes.patient")


async def test_an_unreachable_broker_delays_nothing_and_is_said(tmp_path: Path) -> None:
    async with watching("amqp://ordertrace:x@127.0.0.1:1/none", "", tmp_path) as watched:
        (sight,) = watched.watches.sights()
        assert not sight.connected
        assert {source.reason for source in sight.sources} == {"not_connected"}


async def test_a_source_without_rights_is_off_and_the_others_go_on(
    watched_node: RabbitNode, company: Company, tmp_path: Path
) -> None:
    url, management = addresses(watched_node, VHOST)
    own = r"^ordertrace\..*"
    await asyncio.to_thread(watched_node.control, "set_permissions", "-p", VHOST, "ordertrace", own, own, own)
    try:
        async with watching(url, management, tmp_path) as watched:

            def told() -> bool:
                sources = {source.name: source for source in watched.watches.sights()[0].sources}
                return sources["tap"].reason == "no_rights" and all(
                    sources[name].on for name in ("dead_letters", "events", "queues", "management")
                )

            await until(told)

            async def refuse(message: AbstractIncomingMessage) -> None:
                await message.reject(requeue=False)

            await company.consume("mes.orders", refuse)
            await company.publish("N-1")

            async def named() -> bool:
                return await watched.verdicts("N-1") == {("N-1", "mes.orders"): "rejected"}

            await until(named)
    finally:
        addresses(watched_node, VHOST)
