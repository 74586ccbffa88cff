"""Groups wait while nobody wants them, and whoever reads finds what was acknowledged before all the same."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

from ordertrace.ingest.demand import Demand
from ordertrace.ingest.intake import Intake
from ordertrace.ingest.kinds import Kind
from ordertrace.metrics import Metrics
from ordertrace.settings.sections import JournalSettings
from ordertrace.store.store import open_store
from tests.ingest.conftest import running, settings_in
from tests.ingest.requests import request, span

SECONDS = 20


async def test_a_group_waits_until_somebody_looks_and_no_longer_for_who_goes_on_looking(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, group_age_max="50ms", group_age_unseen_max="60s")
    async with running(settings) as run:
        demand = run.intake._demand
        await run.intake.admit(request(span("first")).SerializeToString(), "grpc")
        opened = run.intake._opened()
        assert opened
        await asyncio.sleep(opened + 0.2 - time.monotonic())  # so that it would have been closed, had anybody looked
        assert run.rows("SELECT SpanName FROM otel_traces") == []
        await asyncio.gather(demand.look(), demand.look())
        assert run.rows("SELECT SpanName FROM otel_traces") == [("first",)]
        await run.intake.admit(request(span("second")).SerializeToString(), "grpc")
        async with asyncio.timeout(SECONDS):
            while len(run.joined) < 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert run.rows("SELECT count() FROM otel_traces") == [(2,)]


async def test_who_asks_about_something_waits_only_if_anything_speaks_of_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, group_age_max="10ms", group_age_unseen_max="60s")
    async with running(settings) as run:
        demand = run.intake._demand

        async def wait_until_late() -> None:
            opened = run.intake._opened()
            assert opened
            await asyncio.sleep(opened + 0.05 - time.monotonic())

        await run.intake.admit(request(span("of order 4711")).SerializeToString(), "grpc")
        await wait_until_late()
        assert not await demand.catch_up([b"4712", b"4713"])
        assert run.rows("SELECT SpanName FROM otel_traces") == []
        assert await demand.catch_up([b"4712", b"4711"])
        assert run.rows("SELECT SpanName FROM otel_traces") == [("of order 4711",)]
        assert not await demand.catch_up()
        zipkin = b'[{"traceId":"0a","id":"0b","name":"of order \\u0034","timestamp":1767225600000000}]'
        await run.intake.admit(zipkin, "zipkin", Kind.ZIPKIN)
        await wait_until_late()
        assert await demand.catch_up([b"4711"])  # JSON may write it otherwise


async def test_what_crowds_or_is_much_does_not_wait(tmp_path: Path) -> None:
    demand = Demand(JournalSettings(queued_bytes_max=1024 * 1024), timedelta(hours=1))
    assert demand.age_max(1_000, 1_000) == 15
    assert demand.age_max(1_000, 600_000) == 0.8
    assert demand.age_max(9_000_000, 9_000_000) == 0.8
    assert Demand(JournalSettings(), timedelta(seconds=4)).age_max(0, 0) == 2
    assert Demand(JournalSettings(), timedelta(seconds=1)).age_max(0, 0) == 0.8


async def test_a_reader_does_not_wait_for_a_store_in_trouble(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, group_age_max="10ms", group_age_unseen_max="60s")
    release = asyncio.Event()

    async def join(spans: object, logs: object) -> None:
        await release.wait()

    demand, metrics = Demand(settings.journal), Metrics()
    async with open_store(settings, metrics) as store, Intake(settings, metrics, store, join, demand) as intake:
        await intake.admit(request(span()).SerializeToString(), "grpc")
        opened = intake._opened()
        assert opened
        await asyncio.sleep(opened + 0.05 - time.monotonic())
        async with asyncio.timeout(SECONDS):
            for _ in range(5):  # all of them together wait as long as one
                await demand.look()
        release.set()
        await intake.flush()
