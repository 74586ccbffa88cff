"""A private RabbitMQ node lives beside others, survives a kill with its data, and leaves nothing behind."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import aio_pika
import httpx2
import pytest

from alexandrite.broker import BrokerError, RabbitNode

from .processes import wait_until_gone


async def _publish(url: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True)
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key="kept")


async def _take(url: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get(timeout=5)
        assert message is not None
        await message.ack()
        return message.body


async def test_node_keeps_its_data_over_a_kill_and_leaves_nothing(
    rabbit_node: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark = f"mark-{uuid.uuid4()}"
    monkeypatch.setenv("COMPANY_TEST_MARK", mark)
    node = RabbitNode(tmp_path, plugins=True)
    try:
        node.start()
        assert str(node.port) not in rabbit_node
        await _publish(node.url, b"persistent")
        node.control("eval", "mnesia:sync_log().")  # a queue just declared may still be on its way to the disk
        node.kill()
        node.restart()
        assert await _take(node.url) == b"persistent"
        assert "kept" in node.control("list_queues", "name")
        async with httpx2.AsyncClient() as http:
            assert "rabbitmq_identity_info" in (await http.get(node.prometheus_url)).text
            assert (await http.get(node.management_url)).is_success
    finally:
        node.stop()
    assert wait_until_gone(mark) == {}
    assert (tmp_path / "mnesia").is_dir()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", node.port))


def test_a_node_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"mark-{uuid.uuid4()}"
    monkeypatch.setenv("COMPANY_TEST_MARK", mark)
    node = RabbitNode()
    with socket.create_server(("127.0.0.1", node.port)), pytest.raises(BrokerError, match="did not start"):
        node.start()
    assert wait_until_gone(mark) == {}
    assert not node.directory.exists()


def test_without_rabbitmq_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RABBITMQ_HOME", raising=False)
    with pytest.raises(BrokerError, match="ORDERTRACE_AMQP_URL") as caught:
        RabbitNode(tmp_path).start()
    assert "\n" not in str(caught.value)
