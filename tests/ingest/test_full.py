"""A disk that takes no more, and bounds that are reached: senders are asked to wait, readiness says why, and it ends."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx2
import pytest

from ordertrace.errors import Overloaded, Unavailable
from ordertrace.ingest.kinds import Kind
from tests.cli.conftest import COMMAND, environment
from tests.ingest.conftest import running, settings_in
from tests.ingest.requests import request, span

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows larger: a write fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_what_a_full_disk_does_not_take_is_refused_and_the_rest_is_there(tmp_path: Path) -> None:
    acknowledged, refused, said = list[str](), list[str](), list[str]()
    async with running(settings_in(tmp_path, group_age_max="60s")) as run:
        with files_of_at_most(200_000):
            for i in range(8):
                body = request(span(f"s{i}", {"text": os.urandom(25_000).hex()})).SerializeToString()
                try:
                    await run.intake.admit(body, "grpc")
                except Unavailable as error:
                    refused.append(f"s{i}")
                    said = [str(error), *map(str, run.intake.ready())]
                else:
                    acknowledged.append(f"s{i}")
        assert acknowledged
        assert refused
        assert "cannot be written" in said[0]
        assert (said[1], "cannot be written" in said[2]) == ("False", True)
        await until(lambda: run.intake.ready() == (True, ""))  # without anybody sending
        await run.intake.admit(request(span("after")).SerializeToString(), "grpc")
        await run.intake.flush()
        names = [row[0] for row in run.rows("SELECT SpanName FROM otel_traces ORDER BY SpanName")]
        assert names == sorted([*acknowledged, "after"])


async def test_the_store_is_not_written_with_too_little_left(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path, group_age_max="60s")) as run:
        await run.intake.admit(request(span("kept")).SerializeToString(), "grpc")
        shutil.copytree(tmp_path / "journal", tmp_path / "copy")
    shutil.rmtree(tmp_path / "journal")
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "copy").rename(tmp_path / "journal")
    async with running(settings_in(tmp_path, free_bytes_min=2**62)) as run:
        await until(lambda: "store" in run.intake._problems)
        assert run.rows("SELECT count() FROM otel_traces") == [(0,)]
    async with running(settings_in(tmp_path)) as again:
        await again.intake.flush()
        assert again.rows("SELECT SpanName FROM otel_traces") == [("kept",)]


async def test_too_little_left_refuses_on_every_way_in(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path, free_bytes_min=2**62)) as run:
        await until(lambda: not run.intake.ready()[0])
        assert "free_bytes_min" in run.intake.ready()[1]
        async with grpc.aio.insecure_channel(run.grpc.address) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await call(request(span()).SerializeToString())
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
        async with httpx2.AsyncClient() as client:
            body = request(span()).SerializeToString()
            answer = await client.post(f"http://{run.http.address}/v1/traces", content=body, headers=PROTOBUF)
            zipkin = await client.post(f"http://{run.zipkin.address}/api/v2/spans", json=[{"traceId": "1", "id": "1"}])
        assert [(one.status_code, one.headers["retry-after"]) for one in (answer, zipkin)] == [(503, "1")] * 2
        assert run.metric("ordertrace_limits_hit_total", limit="free_bytes") == 3


async def test_bodies_that_are_being_read_are_bounded_together(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, queued_bytes_max=1024 * 1024)
    async with running(settings) as run:
        host, port = run.http.address.split(":")
        slow = socket.create_connection((host, int(port)))
        slow.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n")
        slow.sendall(b"content-length: 900000\r\n\r\n" + bytes(800_000))
        async with httpx2.AsyncClient() as client:
            answers = []
            end = time.monotonic() + 20
            while 429 not in answers and time.monotonic() < end:
                content, url = os.urandom(400_000), f"http://{run.http.address}/v1/traces"
                answers.append((await client.post(url, content=content, headers=PROTOBUF)).status_code)
            assert answers[-1] == 429
            slow.close()
            while answers[-1] == 429 and time.monotonic() < end:
                answers.append((await client.post(url, content=content, headers=PROTOBUF)).status_code)
            assert answers[-1] == 400
        assert run.metric("ordertrace_limits_hit_total", limit="held_bytes") >= 1


async def test_connections_beyond_the_limit_are_told_and_counted(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    listen = settings.listen.model_copy(update={"connections_max": 2})
    async with running(settings.model_copy(update={"listen": listen})) as run:
        host, port = run.http.address.split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(3)]
        async with httpx2.AsyncClient() as client:
            url, answers, end = f"http://{run.http.address}/v1/traces", [0], time.monotonic() + 20
            while answers[-1] != 503 and time.monotonic() < end:
                answers.append((await client.post(url, content=b"", headers=PROTOBUF)).status_code)
            assert answers[-1] == 503
            for one in idle:
                one.close()
            while answers[-1] == 503 and time.monotonic() < end:
                answers.append((await client.post(url, content=b"", headers=PROTOBUF)).status_code)
            assert answers[-1] == 200
        assert run.metric("ordertrace_limits_hit_total", limit="connections") >= 1


async def test_grpc_requests_beyond_the_limit_are_told_and_counted(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    listen = settings.listen.model_copy(update={"connections_max": 4})
    async with (
        running(settings.model_copy(update={"listen": listen})) as run,
        grpc.aio.insecure_channel(run.grpc.address) as channel,
    ):
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        end, told, rounds = time.monotonic() + 20, list[str](), 0
        while not told and time.monotonic() < end:  # each round is new: what is sent again is answered at once
            rounds += 1
            bodies = [request(span(f"s{rounds}-{i}")).SerializeToString() for i in range(8)]
            answers = await asyncio.gather(*(call(body) for body in bodies), return_exceptions=True)
            told = [one.code().name for one in answers if isinstance(one, grpc.aio.AioRpcError)]
        assert set(told) == {"RESOURCE_EXHAUSTED"}
        assert run.metric("ordertrace_limits_hit_total", limit="connections") >= 1
        for body in bodies:
            await call(body)
        await run.intake.flush()
        assert run.rows("SELECT count(), uniqExact(SpanName) FROM otel_traces") == [(8 * rounds, 8 * rounds)]


async def test_a_queue_that_is_full_lets_go_again(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path, queued_bytes_max=1024 * 1024, group_age_max="50ms")) as run:
        sent, waited = 0, 0
        for i in range(20):
            body = request(span(f"s{i}", {"text": os.urandom(100_000).hex()})).SerializeToString()
            while True:
                try:
                    await run.intake.admit(body, "grpc")
                except Overloaded:
                    waited += 1
                    await asyncio.sleep(0.02)
                else:
                    sent += 1
                    break
        await run.intake.flush()
        assert waited
        assert run.rows("SELECT count(), uniqExact(SpanName) FROM otel_traces") == [(sent, 20)]


async def test_what_is_set_aside_is_listed(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path, group_age_max="60s")) as run:
        run.intake._journal.append(Kind.SPANS, [b"\x0a\xff\xff\xff\xff\x0f"], 1)  # what the engine refuses
        await run.intake.admit(request(span("good")).SerializeToString(), "grpc")
        await run.intake.flush()
    code, said = await asyncio.to_thread(store_check, tmp_path)
    assert (code, "1 set aside, 0 segments wait" in said) == (3, True)
    code, said = await asyncio.to_thread(store_check, tmp_path, "--json")
    (row,) = json.loads(said)["set_aside"]
    assert (code, row["kind"], row["readable"]) == (3, "spans", True)
    assert (await asyncio.to_thread(store_check, tmp_path / "none"))[0] == 0
    assert not (tmp_path / "none").exists()


def store_check(directory: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of `ordertrace store check`."""
    variables = environment(ORDERTRACE_STORE__URL=f"chdb://{directory}")
    done = subprocess.run([str(COMMAND), "store", "check", *options], env=variables, capture_output=True, text=True)
    return done.returncode, done.stdout
