"""The gRPC port by the byte: what HTTP/2 lets peers do is understood, what it forbids ends one connection and harms no other."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hpack import Encoder

from ordertrace.receivers.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PADDED,
    PRIORITY,
    Code,
    Frame,
    frame,
)
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import request, span
from tests.receivers.http2_peer import EXPORT, HEADERS, block, call, message, peer, spans, windows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running(settings_in(tmp_path_factory.mktemp("http2"))) as run:
        yield run


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_call_may_come_in_any_pieces(server: Running) -> None:
    body, headers = spans(), block(grpc_timeout="10S")
    first = b"\3" + bytes(5) + headers[:20] + bytes(3)
    pieces = frame(Frame.HEADERS, PADDED | PRIORITY, 1, first)
    pieces += frame(Frame.CONTINUATION, 0, 1, headers[20:60]) + frame(Frame.CONTINUATION, END_HEADERS, 1, headers[60:])
    pieces += frame(Frame.DATA, PADDED, 1, b"\7" + body[:3] + bytes(7)) + frame(Frame.PRIORITY, 0, 1, bytes(5))
    pieces += frame(Frame.DATA, 0, 1, b"") + frame(Frame.DATA, 0, 1, body[3:]) + b"\0\0\1\x99\0\0\0\0\0x"
    pieces += frame(Frame.DATA, END_STREAM, 1, b"")
    async with peer(server) as one:
        for at in range(len(pieces)):
            one.send(pieces[at : at + 1])
            await asyncio.sleep(0)
        answer = await one.answer()
    assert (answer[":status"], answer["content-type"], answer["grpc-status"]) == ("200", "application/grpc", "0")


async def test_calls_of_several_connections_that_come_in_turn_are_not_mixed_up(server: Running) -> None:
    """Nor is a frame lost that is longer than what is read at once, whose padding keeps it from being taken in pieces."""
    texts = {"padded": "a" * 800_000, "long": "b" * 900_000, "short": "c" * 300_000}
    begin = frame(Frame.HEADERS, END_HEADERS, 1, block())
    calls = dict[str, bytes]()
    for name, text in texts.items():
        body = message(request(span(name, {"text": text})).SerializeToString())
        step = 16_000 if name == "short" else len(body)
        pad = b"\xff" if name == "padded" else b""
        frames = [
            frame(Frame.DATA, PADDED if pad else 0, 1, pad + body[at : at + step] + bytes(255 * len(pad)))
            for at in range(0, len(body), step)
        ]
        calls[name] = begin + b"".join(frames) + frame(Frame.DATA, END_STREAM, 1, b"")
    async with peer(server) as one, peer(server) as two, peer(server) as three:
        peers = dict(zip(calls, (one, two, three), strict=True))
        for at in range(0, max(map(len, calls.values())), 50_000):
            for name, content in calls.items():
                peers[name].send(content[at : at + 50_000])
            await asyncio.sleep(0.001)
        assert [(await each.answer())["grpc-status"] for each in peers.values()] == ["0", "0", "0"]
    await server.intake.flush()
    rows = server.rows(
        "SELECT SpanName, SpanAttributes['text'] FROM otel_traces WHERE mapContains(SpanAttributes, 'text')"
    )
    assert dict(rows) == texts  # type: ignore[arg-type]


async def test_headers_are_read_from_the_table_as_it_is_now(server: Running) -> None:
    encoder, numbers = Encoder(), range(1, 41, 2)
    async with peer(server) as one:
        for number in numbers:  # other values, so that the same bytes mean another header than before
            headers = HEADERS | {":path": EXPORT if number % 4 == 1 else "/none", "x-call": f"call {number // 8}"}
            one.send(call(number, spans(), encoder.encode(headers.items())))
            status = (await one.answer())["grpc-status"]
            assert status == ("0" if number % 4 == 1 else "12")


async def test_pings_and_settings_are_acknowledged(server: Running) -> None:
    async with peer(server) as one:
        assert (await one.until(Frame.SETTINGS, ACK))[3] == b""
        one.send(frame(Frame.PING, 0, 0, b"12345678"))
        assert (await one.until(Frame.PING, ACK))[3] == b"12345678"


async def test_an_answer_waits_until_the_peer_takes_it(server: Running) -> None:
    async with peer(server) as one:
        one.send(windows(0) + call(1, spans()) + frame(Frame.PING, 0, 0, bytes(8)))
        await one.until(Frame.HEADERS)
        one.send(frame(Frame.WINDOW_UPDATE, 0, 1, struct.pack(">I", 2)))
        assert (await one.until(Frame.DATA))[3] == bytes(2)
        one.send(windows(100))
        assert (await one.until(Frame.DATA))[3] == bytes(3)
        assert (await one.answer())["grpc-status"] == "0"


async def test_a_long_connection_is_given_credit(server: Running) -> None:
    async with peer(server) as one:
        for number in range(1, 9, 2):
            pieces = [
                frame(Frame.DATA, 0, number, message(bytes(900_000))[at : at + 16_384])
                for at in range(0, 900_005, 16_384)
            ]
            one.send(frame(Frame.HEADERS, END_HEADERS, number, block()) + b"".join(pieces))
            one.send(frame(Frame.DATA, END_STREAM, number, b""))
        credit = int.from_bytes((await one.until(Frame.WINDOW_UPDATE))[3], "big")
        credit += int.from_bytes((await one.until(Frame.WINDOW_UPDATE))[3], "big")
        assert credit > 16 << 20


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (block(path="/no.such/Method"), message(), {"grpc-status": "12"}),
        (block(grpc_encoding="snappy"), b"\1" + message()[1:], {"grpc-status": "12"}),
        (block(grpc_encoding="gzip"), b"\1" + message(b"no gzip")[1:], {"grpc-status": "3"}),
        (block(), b"", {"grpc-status": "3"}),
        (block(), message() + message(), {"grpc-status": "3"}),
        (block(), b"\0\0\0\0\x09short", {"grpc-status": "3"}),
        (block(method="GET"), b"", {":status": "415"}),
        (block(content_type="text/html"), b"", {":status": "415"}),
    ],
)
async def test_what_is_no_export_is_told_so(
    server: Running, headers: bytes, body: bytes, expected: dict[str, str]
) -> None:
    async with peer(server) as one:
        one.send(call(1, body, headers) + call(3, spans()))
        answers = [await one.answer(), await one.answer()]
    assert [said for said in answers if expected.items() <= said.items()]
    assert [said for said in answers if said.get("grpc-status") == "0"]


HEAD = frame(Frame.HEADERS, END_HEADERS, 1, block())


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (b"\x10\0\1" + frame(Frame.DATA, 0, 1, b"")[3:], Code.FRAME_SIZE_ERROR),
        (b"\0\x40\1" + frame(Frame.HEADERS, 0, 1, b"")[3:], Code.FRAME_SIZE_ERROR),
        (frame(Frame.DATA, END_STREAM, 1, b"x"), Code.PROTOCOL_ERROR),
        (frame(Frame.HEADERS, END_HEADERS, 2, block()), Code.PROTOCOL_ERROR),
        (frame(Frame.HEADERS, END_HEADERS, 0, block()), Code.PROTOCOL_ERROR),
        (HEAD + HEAD, Code.PROTOCOL_ERROR),
        (HEAD + frame(Frame.DATA, PADDED, 1, b"\5abc"), Code.PROTOCOL_ERROR),
        (frame(Frame.HEADERS, 0, 1, block()) + frame(Frame.PING, 0, 0, bytes(8)), Code.PROTOCOL_ERROR),
        (frame(Frame.CONTINUATION, END_HEADERS, 1, block()), Code.PROTOCOL_ERROR),
        (frame(Frame.HEADERS, 0, 1, b"") + frame(Frame.CONTINUATION, 0, 1, bytes(16_000)) * 2, Code.ENHANCE_YOUR_CALM),
        (frame(Frame.HEADERS, 0, 1, b"") + frame(Frame.CONTINUATION, 0, 1, b""), Code.ENHANCE_YOUR_CALM),
        (frame(Frame.HEADERS, END_HEADERS, 1, b"\xff\xff\xff"), Code.COMPRESSION_ERROR),
        (
            frame(Frame.HEADERS, END_HEADERS, 1, b"\x40\1a\x7f\xa1\x1e" + b"x" * 4_000 + b"\xbe" * 30),
            Code.ENHANCE_YOUR_CALM,
        ),
        (frame(Frame.PUSH_PROMISE, END_HEADERS, 1, bytes(4)), Code.PROTOCOL_ERROR),
        (frame(Frame.PING, 0, 0, b"short"), Code.FRAME_SIZE_ERROR),
        (frame(Frame.SETTINGS, 0, 0, b"short"), Code.FRAME_SIZE_ERROR),
        (windows(1 << 31), Code.FLOW_CONTROL_ERROR),
        (frame(Frame.RST_STREAM, 0, 1, bytes(4)), Code.PROTOCOL_ERROR),
        (frame(Frame.WINDOW_UPDATE, 0, 0, bytes(4)), Code.PROTOCOL_ERROR),
        (frame(Frame.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), Code.FLOW_CONTROL_ERROR),
    ],
)
async def test_what_no_peer_may_do_ends_its_connection_only(server: Running, wrong: bytes, code: Code) -> None:
    async with peer(server) as good, peer(server) as bad:
        bad.send(wrong)
        content = (await bad.until(Frame.GOAWAY))[3]
        assert int.from_bytes(content[4:8], "big") == code
        assert await bad.is_closed()
        good.send(call(1, spans()))
        assert (await good.answer())["grpc-status"] == "0"


async def test_what_speaks_something_else_is_sent_away(server: Running) -> None:
    async with peer(server, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") as one:
        assert int.from_bytes((await one.until(Frame.GOAWAY))[3][4:8], "big") == Code.PROTOCOL_ERROR
        assert await one.is_closed()


async def test_calls_beyond_the_limit_are_refused_and_come_again(server: Running) -> None:
    async with peer(server) as one:
        one.send(b"".join(frame(Frame.HEADERS, END_HEADERS, number, block()) for number in range(1, 2_003, 2)))
        _, _, number, content = await one.until(Frame.RST_STREAM)
        assert (number, int.from_bytes(content, "big")) == (2_001, Code.REFUSED_STREAM)
        one.send(frame(Frame.RST_STREAM, 0, 1, bytes(4)) + call(2_003, spans()))
        assert (await one.answer())["grpc-status"] == "0"


async def test_random_bytes_harm_nobody(server: Running) -> None:
    chance = random.Random(7)
    good = call(1, spans()) + windows(9) + frame(Frame.PING, 0, 0, bytes(8)) + call(3, spans()) + HEAD
    async with peer(server) as other:
        await other.until(Frame.SETTINGS)
        for _ in range(400):
            mutated = bytearray(good)
            for _ in range(chance.randrange(1, 12)):
                mutated[chance.randrange(len(mutated))] = chance.randrange(256)
            async with peer(server) as one:
                one.send(bytes(mutated[: chance.randrange(len(mutated))]))
                await one.until(Frame.SETTINGS)
        other.send(call(1, spans()))
        assert (await other.answer())["grpc-status"] == "0"
