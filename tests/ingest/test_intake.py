"""Durable before it is answered, stored once, and one bad request alone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from ordertrace.errors import Invalid, Overloaded, Unavailable
from ordertrace.ingest.intake import Intake
from ordertrace.ingest.kinds import Kind
from ordertrace.ingest.records import HEAD_BYTES, to_delimited
from ordertrace.store.group_writer import Group
from ordertrace.store.span_writer import SpanWriter
from tests.ingest.conftest import running, settings_in
from tests.ingest.requests import log_request, record, request, span

PII = {
    "note": "write to planted.person@example.com",
    "phone.text": "call +7 916 555-01-99",
    "card.text": "4111 1111 1111 1111",
    "url.full": "http://h/x?mail=planted.person%40example.com&tel=%2B79165550199",
    "list": ["planted.person@example.com", {"email": "Plantedname"}],
    "customer.email": "hidden",
    "customer.first_name": "Plantedname",
    "http.request.header.authorization": "Plantedname",
}
TRACES_OF_PII = re.compile(rb"planted\.person|Plantedname|916.?555.?01.?99|9165550199|4111.?1111.?1111.?1111")


async def test_nothing_is_left_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    async with running(settings_in(tmp_path / "data")) as run:
        await run.intake.admit(request(span("work")).SerializeToString(), "grpc")
        await run.intake.flush()
        assert run.rows("SELECT SpanName FROM otel_traces") == [("work",)]
    assert list((tmp_path / "here").iterdir()) == []


async def test_nothing_planted_reaches_the_disk(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one = request(
        span("call planted.person@example.com", PII, trace_state="k=planted.person@example.com"),
        resource={"service.name": "shop", **PII},
    )
    said = one.resource_spans[0].scope_spans[0].spans[0]
    said.status.message = "no answer from +79165550199"
    said.events.add(name="to planted.person@example.com", attributes=said.attributes)
    said.links.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="planted.person@example.com", attributes=said.attributes
    )
    told = log_request(record("mail planted.person@example.com", PII), record(PII), resource=PII)
    texts = {key: value for key, value in PII.items() if isinstance(value, str)}
    zipkin = {"traceId": "a", "id": "b", "name": "to planted.person@example.com", "tags": texts}
    async with running(settings_in(tmp_path, group_age_max="10s")) as run:
        await run.intake.admit(one.SerializeToString(), "grpc")
        await run.intake.admit(told.SerializeToString(), "grpc", Kind.LOGS)
        await run.intake.admit(json.dumps([zipkin]).encode(), "zipkin", Kind.ZIPKIN)
        held = [path for path in (tmp_path / "journal").iterdir() if path.is_file()]
        assert len(held) == 3
        assert not any(TRACES_OF_PII.search(path.read_bytes()) for path in held)
        await run.intake.flush()
        assert "[email]" in str(run.rows("SELECT * FROM otel_traces"))
        assert "[email]" in str(run.rows("SELECT * FROM otel_logs"))
        run.store.connect().command("SYSTEM FLUSH LOGS")
    for path in tmp_path.rglob("*"):  # noqa: ASYNC240
        if path.is_file():
            assert not TRACES_OF_PII.search(path.read_bytes()), path
    captured = capfd.readouterr()
    assert not TRACES_OF_PII.search((captured.out + captured.err).encode())


async def test_what_was_acknowledged_survives_a_stop_without_draining(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, group_age_max="60s")
    async with running(settings) as run:
        await asyncio.gather(*(run.intake.admit(request(span(f"s{i}")).SerializeToString(), "grpc") for i in range(20)))
        shutil.copytree(tmp_path / "journal", tmp_path / "copy")
        await run.intake.flush()
        assert len(run.joined) == 1
    for path in (tmp_path / "copy").glob("*.segment"):  # as after a crash between insert and removal
        content = path.read_bytes()
        end = end_of_records(content)
        (tmp_path / "journal" / path.name).write_bytes(content[:end] + content[HEAD_BYTES : HEAD_BYTES + 20])
    async with running(settings) as run:
        await run.intake.flush()
        assert run.rows("SELECT count(), uniqExact(SpanName), uniqExact(inserted_at) FROM otel_traces") == [(20, 20, 1)]
        assert len(run.joined) == 1
    assert not list((tmp_path / "journal").glob("*.segment"))


def end_of_records(segment: bytes) -> int:
    """Behind it lie zeros."""
    at = HEAD_BYTES
    while length := int.from_bytes(segment[at : at + 4], "big"):
        at += 4 + length
    return at


async def test_a_damaged_record_is_set_aside_and_the_rest_stored(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, group_age_max="60s")
    async with running(settings) as run:
        for name in ("first", "second"):
            await run.intake.admit(request(span(name)).SerializeToString(), "grpc")
        (segment,) = (tmp_path / "journal").glob("*.segment")
        content = bytearray(segment.read_bytes())
        name = segment.name
    shutil.rmtree(tmp_path / "store")
    content[60] ^= 1
    (tmp_path / "journal" / name).write_bytes(content)
    async with running(settings) as run:
        await run.intake.flush()
        assert run.rows("SELECT SpanName FROM otel_traces") == [("second",)]
        assert run.metric("ordertrace_requests_set_aside_total") == 1
    assert len(list((tmp_path / "journal" / "set-aside").iterdir())) == 1


async def test_a_refused_request_stands_alone(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path, group_age_max="60s")) as run:
        for i in range(7):
            await run.intake.admit(request(span(f"good {i}")).SerializeToString(), "grpc")
        # a request that the check lets through and the engine refuses is not known to us
        run.intake._journal.append(Kind.SPANS, [b"\x0a\xff\xff\xff\xff\x0f"], 1)
        await run.intake.admit(request(span("good 7")).SerializeToString(), "grpc")
        await run.intake.flush()
        assert run.rows("SELECT count() FROM otel_traces") == [(8,)]
        assert run.metric("ordertrace_requests_set_aside_total") == 1
        assert run.intake.ready() == (True, "")
    (kept,) = (tmp_path / "journal" / "set-aside").iterdir()
    assert kept.read_bytes().startswith(b"OTJ1")


async def test_a_group_written_twice_is_there_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with running(settings) as run:
        writer = SpanWriter(run.store.connect(), settings, run.metrics)
        body = request(span()).SerializeToString()
        for _ in range(2):
            file = os.memfd_create("test")
            os.write(file, to_delimited(body) + body)
            writer.write(Group("same", datetime.now(UTC), file, 1, 1))
            os.close(file)
        assert run.rows("SELECT count() FROM otel_traces") == [(1,)]


async def test_a_full_queue_says_so(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path, queued_bytes_max=1024 * 1024, group_age_max="60s")) as run:
        bodies = [request(span("large", {"text": "x" * 700_000})).SerializeToString() for _ in range(2)]
        await run.intake.admit(bodies[0], "grpc")
        with pytest.raises(Overloaded):
            await run.intake.admit(bodies[1], "grpc")
        await run.intake.flush()
        await run.intake.admit(bodies[1], "grpc")


async def test_a_journal_that_cannot_be_written_refuses_and_recovers(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path)) as run:
        (tmp_path / "journal").rename(tmp_path / "away")
        with pytest.raises(Unavailable):
            await run.intake.admit(request(span("lost")).SerializeToString(), "grpc")
        ready, reason = run.intake.ready()
        assert (ready, "journal" in reason) == (False, True)
        (tmp_path / "away").rename(tmp_path / "journal")
        await run.intake.admit(request(span("kept")).SerializeToString(), "grpc")
        await run.intake.flush()
        assert run.intake.ready() == (True, "")
        assert run.rows("SELECT SpanName FROM otel_traces") == [("kept",)]


async def test_a_stopped_intake_refuses(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path)) as run:
        intake: Intake = run.intake
    with pytest.raises(Unavailable):
        await intake.admit(request(span()).SerializeToString(), "grpc")
    with pytest.raises(Invalid):
        await intake.admit(b"\xff", "grpc")


_SERVE = """
import asyncio, sys
from pathlib import Path
from tests.ingest.conftest import running, settings_in
async def serve():
    async with running(settings_in(Path(sys.argv[1]), group_spans_max=40, group_age_max="50ms")) as run:
        print(run.grpc.address, flush=True)
        await asyncio.Event().wait()
asyncio.run(serve())
"""


async def test_kill_during_ingest_loses_and_doubles_nothing(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for attempt in range(2):
        server = subprocess.Popen([sys.executable, "-c", _SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        assert server.stdout
        address = (await asyncio.to_thread(server.stdout.readline)).strip()
        sending = [asyncio.create_task(_send(address, f"{attempt}-{i}", acknowledged)) for i in range(4)]
        until = time.monotonic() + 20
        wanted = len(acknowledged) + 200
        while len(acknowledged) < wanted and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        server.send_signal(signal.SIGKILL)
        await asyncio.to_thread(server.wait)
        await asyncio.gather(*sending)
        server.stdout.close()
    async with running(settings_in(tmp_path)) as run:
        await run.intake.flush()
        rows: dict[str, int] = {
            row[0]: row[1] for row in run.rows("SELECT SpanName, count() FROM otel_traces GROUP BY SpanName")
        }
    assert len(acknowledged) >= 200
    assert not [name for name in acknowledged if rows.get(name) != 1]
    assert max(rows.values()) == 1


async def _send(address: str, prefix: str, acknowledged: list[str]) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        for i in range(100_000):
            names = [f"{prefix}-{i}-{j}" for j in range(5)]
            try:
                await export(request(*(span(name) for name in names)).SerializeToString())
            except grpc.aio.AioRpcError:
                return
            acknowledged.extend(names)
