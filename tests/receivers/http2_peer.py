"""A peer that says every byte on the gRPC port itself."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hpack import Decoder

from ordertrace.receivers.http2_frames import END_HEADERS, END_STREAM, PREFACE, Frame, frame, literal
from tests.ingest.conftest import Running
from tests.ingest.requests import request, span

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
HEADERS = {":method": "POST", ":scheme": "http", ":path": EXPORT, ":authority": "x", "content-type": "application/grpc"}
SECONDS = 20
Received = tuple[int, int, int, bytes]  # type, flags, stream, content


def message(payload: bytes = b"") -> bytes:
    return b"\0" + struct.pack(">I", len(payload)) + payload


def spans(name: str = "work") -> bytes:
    return message(request(span(name)).SerializeToString())


def block(**others: str) -> bytes:
    named = {":" + key if key in ("method", "path") else key.replace("_", "-"): value for key, value in others.items()}
    return b"".join(literal(key.encode(), value.encode()) for key, value in (HEADERS | named).items())


def call(number: int, body: bytes, headers: bytes | None = None) -> bytes:
    begin = frame(Frame.HEADERS, END_HEADERS, number, headers or block())
    return begin + frame(Frame.DATA, END_STREAM, number, body)


def windows(size: int) -> bytes:
    return frame(Frame.SETTINGS, 0, 0, struct.pack(">HI", 4, size))


class Peer:
    """A connection on which a test says every byte; `headers` are those received so far, by stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = Decoder()
        self.headers: dict[int, dict[str, str]] = {}

    def send(self, content: bytes) -> None:
        self._writer.write(content)

    async def next(self) -> Received:
        head = await self._reader.readexactly(9)
        content = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        number = int.from_bytes(head[5:], "big")
        if head[3] == Frame.HEADERS:
            self.headers.setdefault(number, {}).update(self._decoder.decode(content))  # type: ignore[arg-type]
        return head[3], head[4], number, content

    async def until(self, kind: Frame, flags: int = 0) -> Received:
        """Reads on as far as the next frame of this kind that has these flags."""
        async with asyncio.timeout(SECONDS):
            while True:
                found = await self.next()
                if found[0] == kind and found[1] & flags == flags:
                    return found

    async def answer(self) -> dict[str, str]:
        """The headers of the next stream that ends."""
        _, _, number, _ = await self.until(Frame.HEADERS, END_STREAM)
        return self.headers[number]

    async def is_closed(self) -> bool:
        async with asyncio.timeout(SECONDS):
            await self._reader.read()
        return self._reader.at_eof()

    def leave(self) -> None:
        self._writer.close()


@asynccontextmanager
async def peer(run: Running, begin: bytes = PREFACE + frame(Frame.SETTINGS, 0, 0, b"")) -> AsyncIterator[Peer]:
    host, port = run.grpc.address.split(":")
    opened = Peer(*await asyncio.open_connection(host, int(port)))
    opened.send(begin)
    try:
        yield opened
    finally:
        opened.leave()
