"""How far clocks are off, asked of a real store: whoever asks, and however many at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from ordertrace.metrics import Metrics
from ordertrace.orders.skew import Skews
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.clocks import ClockStore
from ordertrace.store.store import open_store
from tests.store.test_joiner import FLOW, NOW, insert


async def test_all_who_ask_at_once_are_told_the_same(tmp_path: Path) -> None:
    """The first page after a start must not judge by clocks that the second one knows to be off."""
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as store:
        calls = [{"TraceId": f"t{n}", "SpanId": "a", "SpanKind": "Client", "ServiceName": "shop"} for n in range(6)]
        late = NOW + timedelta(seconds=90)
        served = [
            {"TraceId": f"t{n}", "SpanId": "b", "ParentSpanId": "a", "ServiceName": "crm", "Timestamp": late}
            for n in range(6)
        ]
        await insert(store, 1, *calls, *served)
        skews = Skews(ClockStore(store, FLOW))
        told = await asyncio.gather(*(skews.now(NOW) for _ in range(3)))
    assert [{name: skew.seconds for name, skew in each.items()} for each in told] == [{"crm": 0.0, "shop": -90.0}] * 3
