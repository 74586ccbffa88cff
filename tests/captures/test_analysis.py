"""Variants, funnel, bottlenecks and differences on telemetry recorded from real agents, against the truth beside it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ordertrace.analysis.variants import build_path
from ordertrace.app import Server, serving
from ordertrace.metrics import Metrics
from ordertrace.orders.flow import build_flow
from ordertrace.orders.skew import correct
from ordertrace.settings import Settings
from ordertrace.store.orders import OrderStore
from ordertrace.store.store import open_store
from tests.captures.test_scores import CAPTURES, capture_settings, import_into, scorer

Truth = dict[str, Any]


def ways(truth: Truth, first_is_said: bool) -> Counter[tuple[str, ...]]:
    """How many orders went which way; where nothing says that an order was created, its way begins with the next status.

    A message that was sent twice under one id reached its status once.
    """
    found: Counter[tuple[str, ...]] = Counter()
    for order in truth["orders"].values():
        once = {step.get("message_id") or i: step["status"] for i, step in enumerate(order["statuses"])}
        way = tuple(once.values())
        found[way if first_is_said or len(way) == 1 else way[1:]] += 1
    return found


def get(url: str, path: str, **parameters: str | int) -> Any:
    answer = httpx2.get(f"{url}/api/v1/{path}", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ask(server: Server, path: str, **parameters: str | int) -> Any:
    return await asyncio.to_thread(lambda: get(server.web_url, path, **parameters))


@pytest.mark.parametrize(
    ("name", "first_is_said"), [("java-http-orderid", True), ("java-grpc-plain", False), ("python-shop", False)]
)
async def test_variants_are_the_ways_that_orders_really_went(tmp_path: Path, name: str, first_is_said: bool) -> None:
    truth = scorer().truth_of(str(CAPTURES / f"{name}.tar.gz"))
    settings = capture_settings(tmp_path / "data")
    async with serving(settings) as server:
        await import_into(server, CAPTURES / f"{name}.tar.gz")
        found = await ask(server, "variants", limit=100)
        assert Counter({tuple(v["path"]): v["orders"] for v in found["variants"]}) == ways(truth, first_is_said)
        assert (found["orders"], found["other_orders"]) == (len(truth["orders"]), 0)
        listed: dict[str, Sequence[str]] = {}
        for variant in await settled(server, found["variants"]):
            page = await ask(server, f"variants/{variant['id']}", limit=1000)
            assert page["path"] == variant["path"]
            assert len(page["orders"]) == variant["orders"]
            listed |= {order["id"]: variant["path"] for order in page["orders"]}
        await funnel_agrees(server, truth)
        await slow_steps_are_seen(server)
    assert listed.keys() == truth["orders"].keys()
    await paths_agree(settings, listed)


async def settled(server: Server, variants: Sequence[Any]) -> Sequence[Any]:
    """The variants once all that is late has been found out; none of the recorded orders goes on."""
    for _ in range(300):
        if all(variant["open"] == 0 or variant["path"] == ["CLOSED"] for variant in variants):
            return variants
        await asyncio.sleep(0.1)
        variants = (await ask(server, "variants", limit=100))["variants"]
    return variants


async def funnel_agrees(server: Server, truth: Truth) -> None:
    found = await ask(server, "funnel")
    reached = Counter(
        status for order in truth["orders"].values() for status in {step["status"] for step in order["statuses"]}
    )
    assert {step["status"]: step["came"] for step in found["steps"]} == reached
    here = found["steps"][1]
    assert (
        here["here"]
        == here["waiting"] + here["stuck"] + here["failed"] + here["cancelled"]
        == here["came"] - here["went_on"]
    )
    assert sum(step["lost"] for step in found["steps"]) >= sum(
        order["end"]["kind"] == "lost_message" for order in truth["orders"].values()
    )


async def slow_steps_are_seen(server: Server) -> None:
    """The recorded system waits longest for the carrier."""
    found = await ask(server, "bottlenecks")
    first = found["steps"][0]
    assert (first["source"], first["target"]) == ("SHIPPED", "CLOSED")
    assert abs(sum(step["share"] for step in found["steps"]) - 1) < 1e-6
    assert all(sum(point["times"] for point in step["course"]) == step["times"] for step in found["steps"])
    assert {hop["source"] for hop in found["messages"]} >= {"mes.orders", "crm.order-events", "shop.order-events"}
    assert all(hop["median_seconds"] <= hop["p90_seconds"] for hop in found["messages"] + found["calls"])
    assert any(call["source"] == "crm" for call in found["calls"])


async def paths_agree(settings: Settings, listed: dict[str, Sequence[str]]) -> None:
    """What one statement says of all orders is what the facts of each say."""
    flow = build_flow(settings)
    async with open_store(settings, Metrics()) as store:
        facts = await OrderStore(store, flow).find_events(list(listed))
    for order_id, way in listed.items():
        told = [step.status for step in build_path(correct(facts[order_id], {}), flow)]
        assert (told or [flow.steps[0].status]) == list(way), order_id


async def test_a_wrong_routing_key_sets_lost_orders_apart(tmp_path: Path) -> None:
    """The harmed approvals of this recording went out under a key that no queue takes."""
    truth = scorer().truth_of(str(CAPTURES / "java-http-orderid.tar.gz"))
    harmed = {i for i, order in truth["orders"].items() if order["fault"] == "approval_unroutable"}
    async with serving(capture_settings(tmp_path / "data")) as server:
        await import_into(server, CAPTURES / "java-http-orderid.tar.gz")
        found = await ask(server, "differences", kind="message_lost")
        assert found["finished_orders"] == found["finished_all"] > 50
        key = next(d for d in found["differences"] if d["value"].endswith("workshop.approved"))
        assert set(key["examples"]) <= harmed
        assert (key["finished"], key["lift"], key["surely"]) == (0, None, True)
        assert key["chance"] < 1e-4
        everything = await ask(server, "differences")
        assert all(d["value"] not in truth["orders"] for d in everything["differences"])
        far = datetime(2030, 1, 1, tzinfo=UTC).isoformat()
        assert (await ask(server, "differences", since=far))["differences"] == []
