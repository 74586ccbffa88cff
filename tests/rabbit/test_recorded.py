"""Recorded firehose lines, in portions of any size: what channels show of settled messages."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx2

from ordertrace.app import serving
from ordertrace.settings import Settings

AT = 1_795_302_028


def line(seconds: float, user: str, order: str, key: str, *, redelivered: bool = False) -> bytes:
    """A delivery to the CRM, or what the CRM published about an order (user `crm`, key `order.closed`)."""
    published = key == "order.closed"
    said: dict[str, Any] = {
        "exchange_name": "alexandrite.orders", "routing_keys": [key], "vhost": "/", "node": "n", "user": user,
        "connection": f"{user} -> b", "channel": 1, "properties": {"message_id": f"message-{order}-{key}", "headers": {}},
    }  # fmt: skip
    said |= {"routed_queues": ["shop.q"]} if published else {"redelivered": int(redelivered)}
    body = base64.b64encode(json.dumps({"orderId": order}).encode()).decode()
    routing = "publish.alexandrite.orders" if published else "deliver.crm.q"
    told = {"seen_unix_nano": int((AT + seconds) * 1e9), "routing_key": routing, "headers": said, "body_base64": body}
    return json.dumps(told).encode()


async def test_what_is_given_again_settles_nothing_that_came_after_its_effect(tmp_path: Path) -> None:
    listen = dict.fromkeys(("otlp_grpc", "otlp_http", "web", "zipkin", "jaeger_storage"), "127.0.0.1:0")
    settings = Settings.model_validate(
        {"store": {"url": f"chdb://{tmp_path}"}, "listen": listen, "broker": [{"name": "main"}]}
    )
    lines = [
        line(0.5, "crm", "A-0", "order.shipped"),
        line(1, "crm", "A-1", "order.shipped"),
        line(2, "crm", "A-1", "order.closed"),
        line(3, "crm", "A-2", "order.shipped"),
        line(4, "crm", "A-1", "order.shipped", redelivered=True),
        line(20, "crm", "A-9", "order.closed"),
    ]
    async with serving(settings) as server, httpx2.AsyncClient(base_url=f"{server.web_url}/api/v1") as http:
        assert (await http.post("/firehose", content=b"\n".join(lines))).is_success
        found = (await http.get("/messages", params={"since": "2026-11-01T00:00:00Z", "limit": 50})).json()["messages"]
    settled = {one["order_id"]: one["settled_at"] for one in found if one["queue"] == "crm.q"}
    assert settled.keys() == {"A-0", "A-1", "A-2"}
    assert settled["A-2"] is None
    assert settled["A-0"] is not None
