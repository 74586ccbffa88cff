"""The gRPC port at its bounds: unfinished calls, connections, and its end. Each test has a server of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ordertrace.receivers.http2_frames import ACK, END_HEADERS, Frame, frame
from tests.ingest.conftest import running, settings_in
from tests.receivers.http2_peer import SECONDS, block, call, peer, spans


async def test_unfinished_calls_are_bounded_together_and_forgotten_with_their_connection(tmp_path: Path) -> None:
    half = frame(Frame.HEADERS, END_HEADERS, 1, block()) + frame(Frame.DATA, 0, 1, bytes(16_000)) * 40
    async with running(settings_in(tmp_path, queued_bytes_max=1024 * 1024)) as run:
        async with peer(run) as first, peer(run) as second:
            first.send(half + frame(Frame.PING, 0, 0, bytes(8)))
            await first.until(Frame.PING)
            second.send(half)
            assert (await second.answer())["grpc-status"] == "8"
            assert (await second.until(Frame.RST_STREAM))[2] == 1
            assert run.metric("ordertrace_limits_hit_total", limit="held_bytes") == 1
            first.leave()
            second.send(call(3, spans()))
            assert (await second.answer())["grpc-status"] == "0"
        async with asyncio.timeout(SECONDS):
            while run.grpc._calls.connections:  # noqa: ASYNC110 - nobody tells when they are gone
                await asyncio.sleep(0.01)
        assert run.grpc._calls.held_bytes == 0


async def test_connections_beyond_the_limit_are_closed_and_counted(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    listen = settings.listen.model_copy(update={"connections_max": 1})
    async with running(settings.model_copy(update={"listen": listen})) as run, peer(run) as first:
        await first.until(Frame.SETTINGS)
        async with peer(run) as second:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await second.next()
        assert run.metric("ordertrace_limits_hit_total", limit="connections") == 1
        first.send(call(1, spans()))
        assert (await first.answer())["grpc-status"] == "0"


async def test_a_stop_answers_what_it_has_taken(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path)) as run, peer(run) as one:
        one.send(call(1, spans()))
        await one.until(Frame.SETTINGS, ACK)
        await run.grpc.__aexit__(None, None, None)
        await one.until(Frame.GOAWAY)
        assert 1 in one.headers or await one.answer()
        assert one.headers[1]["grpc-status"] == "0"
        assert await one.is_closed()
