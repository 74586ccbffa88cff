"""The messages of many orders at once: none of an order's newest is left out for the sake of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.messages import MessageStore
from ordertrace.store.store import open_store

ORDERS, EACH = 300, 30


async def test_every_order_has_its_messages(tmp_path: Path) -> None:
    settings = Settings(store=StoreSettings(url=f"chdb://{tmp_path}"))
    now = datetime.now(UTC)
    async with open_store(settings, Metrics()) as store:
        messages = MessageStore(store)
        rows = [
            ("main", f"m-{order}-{n}", "mes.orders", now - timedelta(seconds=order + n / 100), "published", f"m-{order}-{n}",
             "alexandrite.orders", "order.submitted", f"A-{order}", "", "shop", "", "", "", "", now)
            for order in range(ORDERS) for n in range(EACH)
        ]  # fmt: skip
        rows += [(*row[:1], f"talk-{n}", *row[2:8], "A-0", *row[9:]) for n in range(400) for row in rows[:1]]
        rows += [
            (*rows[0][:1], "early", *rows[0][2:3], now - timedelta(hours=1), *rows[0][4:9], "SUBMITTED", *rows[0][10:])
        ]
        await messages.save_events(rows)
        found = await messages.messages_of_orders([f"A-{order}" for order in range(ORDERS)])
    assert {order: len(lives) for order, lives in found.items()} == {f"A-{n}": EACH for n in range(1, ORDERS)} | {
        "A-0": 200
    }
    assert [life.status for life in found["A-0"] if life.status] == ["SUBMITTED"], "what tells a status stays"
    assert found["A-0"][0].key == "early", "earliest first"
