"""Opening the store: migrations once, retention as the settings say, errors in words."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ordertrace.errors import Internal, Invalid
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.sections import RetentionSettings, StoreSettings
from ordertrace.store.statements import statement
from ordertrace.store.store import Store, open_store


async def retention_of(store: Store, table: str) -> str:
    ((_, definition),) = await store.query("table_retention", {"tables": [table]})
    return str(definition).split("TTL ")[1].split(" SETTINGS")[0]


async def test_retention_follows_the_settings_also_when_they_change(tmp_path: Path) -> None:
    store_settings = StoreSettings(url=f"chdb://{tmp_path}")
    async with open_store(Settings(store=store_settings), Metrics()) as store:
        assert await retention_of(store, "otel_traces") == "toDateTime(inserted_at) + toIntervalSecond(2592000)"
    week = Settings(store=store_settings, retention=RetentionSettings(spans=timedelta(days=7)))
    async with open_store(week, Metrics()) as store:
        assert await retention_of(store, "otel_traces") == "toDateTime(inserted_at) + toIntervalSecond(604800)"
        assert await retention_of(store, "order_events") == "toDateTime(inserted_at) + toIntervalSecond(94608000)"


async def test_foreign_address_is_refused_without_its_password() -> None:
    with pytest.raises(Invalid) as refused:
        async with open_store(Settings(store=StoreSettings(url="mysql://user:geheim@host/db")), Metrics()):
            pass
    assert "geheim" not in str(refused.value)
    assert "chdb:///path" in str(refused.value)


async def test_refused_statement_says_which_and_hides_the_engines_text(tmp_path: Path) -> None:
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as store:
        with pytest.raises(Internal) as refused:
            await store.query("order_events", {"orders": ["Ivanova"], "limit": "many"})
    assert "order_events" in str(refused.value)
    assert "Ivanova" not in str(refused.value)


def test_unknown_statement_is_our_own_mistake() -> None:
    with pytest.raises(Internal, match="no statement"):
        statement("no_such_statement")
