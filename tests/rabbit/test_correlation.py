"""Answers on a real RabbitMQ that name no order: the id of what they answer leads to it."""

from __future__ import annotations

from pathlib import Path

import aio_pika

from alexandrite.broker import RabbitNode
from alexandrite.bus import EXCHANGE
from ordertrace.metrics import Metrics
from ordertrace.model.order import JoinedBy
from ordertrace.orders.flow import build_flow
from ordertrace.orders.linker import Linker
from ordertrace.orders.skew import Skews
from ordertrace.settings import Settings
from ordertrace.settings.sections import OrderSettings
from ordertrace.store.clocks import ClockStore
from ordertrace.store.linking import LinkStore
from ordertrace.store.orders import OrderStore

from .company import Company, Watched, acknowledge, addresses, company_at, until, watching

VHOST = "alexandrite.answers"
FLOW = build_flow(Settings())


async def answer(company: Company, question: str, message_id: str, key: str = "order.price_calculated") -> None:
    """What the MES says of an order without naming it."""
    exchange = await company.channels["mes"].get_exchange(EXCHANGE, ensure=False)
    message = aio_pika.Message(b'{"price": 12}', message_id=message_id, correlation_id=question)
    await exchange.publish(message, key)


def linker_of(watched: Watched) -> Linker:
    skews = Skews(ClockStore(watched.store, FLOW))
    links = LinkStore(watched.store, OrderSettings(), FLOW)
    return Linker(links, skews, lambda groups: None, FLOW, True, Metrics())


async def test_an_answer_is_its_orders_and_its_loss_too(watched_node: RabbitNode, tmp_path: Path) -> None:
    place = addresses(watched_node, VHOST)
    async with company_at(watched_node, VHOST) as company, watching(*place, tmp_path) as watched:
        await until(watched.sees)
        for queue in ("shop.order-events", "crm.order-events", "mes.orders"):
            await company.consume(queue, acknowledge, by=queue.partition(".")[0])
        linker = linker_of(watched)
        question = await company.publish("A-1", message_id="question-of-a-1")
        await company.publish("A-2", message_id="question-of-a-2")
        await answer(company, question, "answer-to-a-1")
        await answer(company, "answer-to-a-1", "thanks-for-a-1", "order.nowhere")
        await answer(company, "a question that nobody asked", "answer-to-nobody")

        async def joined() -> dict[str, str]:
            linker.note_messages(watched.told)
            watched.told.clear()
            await linker.work()
            lives = await watched.lives("A-1")
            found = {life.message_id: life.held.value if life.held else "" for life in lives}
            return found if found.get("thanks-for-a-1") else {}

        found = await until(joined)
        assert found == {"question-of-a-1": "", "answer-to-a-1": "", "thanks-for-a-1": "unroutable"}
        events = (await OrderStore(watched.store, FLOW).find_events(["A-1"]))["A-1"]
        told = {(event.message_id, event.joined_by, event.status) for event in events}
        assert ("answer-to-a-1", JoinedBy.CORRELATION, "PRICE_CALCULATED") in told
        assert {life.message_id for life in await watched.lives("A-2")} == {"question-of-a-2"}
