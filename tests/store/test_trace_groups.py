"""The spans of a trace are found in whatever groups they came, however those lie on disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ordertrace.ingest.records import to_delimited
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.group_writer import Group
from ordertrace.store.span_writer import SpanWriter
from ordertrace.store.store import Store, open_store
from tests.ingest.requests import request, span
from tests.store.test_joiner import NOW, insert


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as opened:
        yield opened


async def test_a_trace_is_found_whole_however_long_it_took(store: Store) -> None:
    for group in range(3):
        at = NOW + timedelta(minutes=20 * group)
        await insert(store, group, {"SpanId": f"s{group}", "Timestamp": at}, {"TraceId": f"other {group}"})
    merged = store.connect()
    for _ in range(2):
        ((trace, *_, spans, errors, _name),) = await store.query("order_traces", {"traces": ["t1"]})
        assert (trace, spans, errors) == ("t1", 3, 0)
        found = await store.query("trace_spans", {"trace": "t1", "limit": 10, "offset": 0})
        assert [row[5] for row in found] == ["s0", "s1", "s2"]
        for table in ("otel_traces", "trace_groups"):
            merged.command(f"OPTIMIZE TABLE {table} FINAL")


async def test_a_group_that_a_crash_cut_short_is_found_once_it_is_written_again(store: Store) -> None:
    client = store.connect()
    writer = SpanWriter(client, Settings(), Metrics())
    payload = request(span("one"), span("two")).SerializeToString()
    file = os.memfd_create("group")
    os.write(file, to_delimited(payload) + payload)
    group = Group("group", NOW, file, 1, 2)
    client.command("DETACH TABLE trace_groups_from_spans")  # as if the crash had come before its turn
    writer.write(group)
    client.command("ATTACH TABLE trace_groups_from_spans")
    assert await store.query_text("count", "SELECT count() FROM trace_groups") == [(0,)]
    for _ in range(2):
        writer.write(group)
        assert await store.query_text("count", "SELECT count() FROM otel_traces") == [(2,)]
        traces = await store.query_text("count", "SELECT uniqExact(TraceId) FROM otel_traces")
        assert await store.query_text("count", "SELECT count() FROM trace_groups") == traces
    os.close(file)
