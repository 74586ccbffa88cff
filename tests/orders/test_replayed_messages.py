"""After a change of `[[broker.message]]` stored messages are as if they had come in under the new rules, as far as what is
kept of them tells; no body is.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx2

from ordertrace.app import serving
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.store.store import Row, Store
from tests.orders.replaying import FACTS, GLANCES, TRACES, dump

AT = 1_795_302_028_000_000_000
STEPS = """
    SELECT broker, key, queue, at, kind, exchange, routing_key, order_id, status, system FROM message_events FINAL
    WHERE kind IN ('published', 'delivered', 'redelivered', 'dead_lettered') ORDER BY ALL"""
DELIVERIES = "SELECT key, queue, order_id, system FROM channel_deliveries FINAL ORDER BY ALL"
FINDINGS = "SELECT key, queue, order_id, verdict FROM message_findings FINAL ORDER BY ALL"
DEATH = {
    "count": 1,
    "reason": "rejected",
    "queue": "crm.q",
    "exchange": "orders.x",
    "routing-keys": ["order.submitted.E-5"],
}
BY_BODY = {
    "exchange": "orders.*",
    "order_id": ["body:$.customer", "body:$.orderId", "header:x-order-id"],
    "status": ["body:$.phase", "body:$.status"],
}
BY_KEY = {
    "exchange": "orders.x",
    "order_id": ["header:x-order-id", r"routing_key:^order\.[a-z]+\.(?P<id>.+)$", "body:$.orderId"],
    "status": [r"routing_key:^order\.([a-z]+)", "body:$.status"],
}
ONLY_PYTHON_READS = BY_KEY | {"order_id": [r"routing_key:(?<=submitted\.)[A-Z]-\d"]}


def settings_at(directory: Path, rules: dict[str, Any]) -> Settings:
    listen = dict.fromkeys(("otlp_grpc", "otlp_http", "web", "zipkin", "jaeger_storage"), "127.0.0.1:0")
    return Settings.model_validate(
        {
            "store": {"url": f"chdb://{directory}"},
            "listen": listen,
            "system": [{"name": "shop"}, {"name": "crm"}, {"name": "mes", "closed": True}],
            "step": [
                {"status": "SUBMITTED", "system": "shop"},
                {"status": "PRICED", "system": "mes"},
                {"status": "CLOSED", "system": "crm"},
            ],
            "flow": {"closed": ["CLOSED"]},
            "broker": [{"name": "main", "message": [rules]}],
        }
    )


def message(name: str, key: str, user: str, body: dict[str, str], *more: str, **headers: Any) -> list[dict[str, Any]]:
    """A message that is published by a user, and delivered to the CRM."""
    order = len(name) * 1_000_000 + ord(name[-1]) * 10_000_000
    said: dict[str, Any] = {
        "exchange_name": "orders.x", "routing_keys": [key, *more], "vhost": "/", "node": "n",
        "properties": {"message_id": f"message-{name}", "headers": headers},
    }  # fmt: skip
    content = base64.b64encode(json.dumps(body).encode()).decode()
    published = said | {"user": user, "connection": f"{user} -> b", "channel": 1, "routed_queues": ["crm.q"]}
    delivered = said | {"user": "crm", "connection": "crm -> b", "channel": 1, "redelivered": 0}
    return [
        {"seen_unix_nano": AT + order, "routing_key": "publish.orders.x", "headers": published, "body_base64": content},
        {
            "seen_unix_nano": AT + order + 1000,
            "routing_key": "deliver.crm.q",
            "headers": delivered,
            "body_base64": content,
        },
    ]


def recording() -> bytes:
    """Messages that say their order and status in several places, which do not agree."""
    lines = [
        *message("a", "order.submitted", "shop", {"orderId": "A-1", "status": "submitted", "customer": "C-1"}),
        *message("b", "order.priced.B-2", "nobody", {"orderId": "B-0", "status": "closed"}),
        *message("c", "order.closed.C-3", "crm", {"phase": "priced"}, **{"x-order-id": "C-4"}),
        *message("d", "other", "shop", {"orderId": "D-5"}, "order.submitted.D-6"),
        *message("e", "parked", "shop", {"orderId": "E-4"}, **{"x-death": [DEATH]}),
        *message("f", "order.submitted.me@shop.test", "shop", {}),
    ]
    nowhere = message("g", "order.submitted.G-8", "shop", {"orderId": "G-9"})[0]
    nowhere["headers"]["routed_queues"] = []
    return "\n".join(map(json.dumps, [*lines, nowhere])).encode()


async def rows_of(settings: Settings, lines: bytes = b"") -> list[list[Row]]:
    """What is in a store once the lines are taken in and all is by the rules of the settings."""
    async with serving(settings) as server:
        if lines:
            async with httpx2.AsyncClient() as http:
                answer = await http.post(f"{server.web_url}/api/v1/firehose", content=lines)
            assert answer.is_success, answer.text
        async with asyncio.timeout(60):
            await server.replayer.in_force.wait()
    store = Store(settings, Metrics())
    try:
        return await dump(store, STEPS, DELIVERIES, FINDINGS, FACTS, GLANCES, TRACES)
    finally:
        store.close()


async def test_messages_are_read_by_the_new_rules_and_by_the_old_ones_again(tmp_path: Path) -> None:
    again, fresh = tmp_path / "again", tmp_path / "fresh"
    before = await rows_of(settings_at(again, BY_BODY), recording())
    by_key = await rows_of(settings_at(again, BY_KEY))
    expected = await rows_of(settings_at(fresh, BY_KEY), recording())
    for made, wanted, old in zip(by_key, expected, before, strict=True):
        assert made == wanted
        assert made != old
    assert {row[7] for row in by_key[0]} == {"A-1", "B-2", "C-4", "D-6", "E-5", "G-8", "[email]"}
    assert await rows_of(settings_at(again, BY_BODY)) == before
    await rules_find_what_rules_looked_for(fresh)


async def rules_find_what_rules_looked_for(store: Path) -> None:
    """Of bodies and headers nothing else is kept; and a pattern that the engine does not read holds for new messages."""
    (steps, *_) = await rows_of(settings_at(store, BY_BODY))
    assert {row[7] for row in steps} == {"A-1", "B-0", "C-4", "D-5", "E-4", "G-9", ""}
    assert {row[8] for row in steps} == {"SUBMITTED", "CLOSED", ""}
    (steps, *_) = await rows_of(settings_at(store, ONLY_PYTHON_READS))
    assert {row[7] for row in steps} == {""}
