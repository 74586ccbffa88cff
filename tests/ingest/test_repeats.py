"""A request that is sent again is acknowledged again and written once: at once, later, and over a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from ordertrace.errors import Unavailable
from ordertrace.ingest.kinds import Kind
from ordertrace.ingest.repeats import DIGEST_BYTES, Repeats
from ordertrace.settings.sections import OrderSettings
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import log_request, record, request, span

SPANS = request(span("once", {"order.id": "A-1"}), span("bad", span_id=b"1")).SerializeToString()
LOGS = log_request(record("once")).SerializeToString()


async def send_both(run: Running) -> None:
    admission = await run.intake.admit(SPANS, "grpc")
    assert (admission.count, admission.refused) == (1, 1)
    await run.intake.admit(LOGS, "grpc", Kind.LOGS)


async def assert_once(run: Running) -> None:
    await run.intake.flush()
    assert run.rows("SELECT SpanName FROM otel_traces") == [("once",)]
    assert run.rows("SELECT Body FROM otel_logs") == [("once",)]


async def test_a_repeat_is_written_once(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path)) as run:
        await asyncio.gather(*(send_both(run) for _ in range(5)))
        await run.intake.flush()
        await send_both(run)
        await assert_once(run)
        assert run.metric("ordertrace_requests_repeated_total") == 10
        assert run.metric("ordertrace_spans_received_total", protocol="grpc") == 1
        await run.intake.admit(LOGS.replace(b"once", b"more"), "grpc", Kind.LOGS)
        await run.intake.flush()
        assert run.rows("SELECT count() FROM otel_logs") == [(2,)]


async def test_a_repeat_is_known_after_a_restart(tmp_path: Path) -> None:
    for _ in range(3):
        async with running(settings_in(tmp_path)) as run:
            await send_both(run)
            await assert_once(run)
    (file,) = (tmp_path / "journal").glob("*.repeats")
    assert file.stat().st_size == 2 * DIGEST_BYTES
    assert oct(file.stat().st_mode)[-3:] == "600"


async def test_a_repeat_is_known_while_its_first_is_in_the_journal_only(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, group_age_max="60s")
    async with running(settings) as run:
        await send_both(run)
        shutil.copytree(tmp_path / "journal", tmp_path / "copy")
    shutil.rmtree(tmp_path / "journal")
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "copy").rename(tmp_path / "journal")  # as after a crash before anything was stored
    async with running(settings) as run:
        await send_both(run)
        await assert_once(run)
        assert run.metric("ordertrace_requests_repeated_total") == 2


async def test_what_was_refused_is_no_repeat(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path)) as run:
        (tmp_path / "journal").rename(tmp_path / "away")
        for _ in range(2):
            with pytest.raises(Unavailable):
                await run.intake.admit(SPANS, "grpc")
        (tmp_path / "away").rename(tmp_path / "journal")
        await send_both(run)
        await assert_once(run)
        assert run.metric("ordertrace_requests_repeated_total") == 0


async def test_a_span_that_comes_in_another_request_counts_once_in_its_trace(tmp_path: Path) -> None:
    one, other = span("one"), span("other")
    async with running(settings_in(tmp_path).model_copy(update={"order": OrderSettings()})) as run:
        await run.intake.admit(request(one).SerializeToString(), "grpc")
        await run.intake.admit(request(one, other).SerializeToString(), "grpc")
        await run.intake.flush()
        traces = {row[0] for row in run.rows("SELECT TraceId FROM otel_traces")}
        rows = await run.store.query("order_traces", {"traces": sorted(traces)})
    assert sorted(row[4] for row in rows) == [1, 1]


def build(directory: Path, **bounds: object) -> Repeats:
    given = {"age": timedelta(minutes=10), "requests_max": 100} | bounds
    return Repeats(directory, b"k" * 32, **given)  # type: ignore[arg-type]


def test_memory_is_bounded_by_number(tmp_path: Path) -> None:
    repeats = build(tmp_path, requests_max=100)
    digests = [repeats.digest(Kind.SPANS, os.urandom(8)) for _ in range(200)]
    for digest in digests:
        repeats.add(digest)
        repeats.keep([digest])
    assert digests[-1] in repeats
    assert digests[0] not in repeats
    assert sum(digest in repeats for digest in digests) <= 100
    assert len(list(tmp_path.glob("*.repeats"))) <= 2
    again = build(tmp_path, requests_max=100)
    again.load()
    assert [digest in again for digest in digests] == [digest in repeats for digest in digests]


def test_a_torn_digest_shifts_no_other(tmp_path: Path) -> None:
    repeats = build(tmp_path)
    digests = [repeats.digest(Kind.LOGS, bytes([i])) for i in range(3)]
    repeats.keep(digests[:2])
    (file,) = tmp_path.glob("*.repeats")
    with file.open("ab") as torn:
        torn.write(b"torn")
    again = build(tmp_path)
    again.load()
    again.keep(digests[2:])
    last = build(tmp_path)
    last.load()
    assert all(digest in last for digest in digests)
    assert repeats.digest(Kind.SPANS, bytes([0])) not in last
