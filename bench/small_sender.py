"""Sends many small requests as cheaply as can be, from a process of its own: frames of HTTP/2 over plain sockets.

A sender takes CPU from the server under test; over grpcio's client it would take more than the server. Only for requests
that fit into the windows that a server gives at first, and a server that answers as ordertrace does.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

from bench.sender import EXPORT
from ordertrace.receivers.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_MAX,
    HEAD_BYTES,
    PREFACE,
    Code,
    Frame,
    frame,
    literal,
)

_HEADERS = b"".join(
    literal(name, value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", EXPORT.encode()),
        (b":authority", b"bench"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)
_OK = literal(b"grpc-status", b"0")
_WINDOW_BYTES = 1 << 30


class Sender(asyncio.Protocol):
    """One connection with one request in flight; `done` is resolved when there are no more, or fails."""

    def __init__(self, requests: Iterator[bytes], seconds: list[float], done: asyncio.Future[None]) -> None:
        self._requests, self._seconds, self._done = requests, seconds, done
        self._number, self._buffer, self._began = 1, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(PREFACE + frame(Frame.SETTINGS, 0, 0, b""))
        self._transport.write(frame(Frame.WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW_BYTES)))
        self._send()

    def data_received(self, data: bytes) -> None:
        data, at = self._buffer + data, 0
        while len(data) - at >= HEAD_BYTES:
            end = at + HEAD_BYTES + int.from_bytes(data[at : at + 3], "big")
            if end > len(data):
                break
            self._take(data[at + 3], data[at + 4], data[at + HEAD_BYTES : end])
            at = end
        self._buffer = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server has closed the connection"))

    def _take(self, kind: int, flags: int, content: bytes) -> None:
        if kind == Frame.SETTINGS and not flags & ACK:
            self._transport.write(frame(Frame.SETTINGS, ACK, 0, b""))
        elif kind == Frame.HEADERS and flags & END_STREAM:
            if content != _OK:
                self._done.set_exception(RuntimeError(f"a request was refused: {content!r}"))
            self._seconds.append(time.perf_counter() - self._began)
            self._send()
        elif kind in (Frame.RST_STREAM, Frame.GOAWAY):
            self._done.set_exception(RuntimeError(f"{Frame(kind).name} {Code(content[-1]).name}"))

    def _send(self) -> None:
        if self._done.done() or (request := next(self._requests, None)) is None:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        message = b"\0" + struct.pack(">I", len(request)) + request
        if len(message) > FRAME_BYTES_MAX:
            raise ValueError(f"{len(request)} bytes are not a small request")
        self._began = time.perf_counter()
        self._transport.write(
            frame(Frame.HEADERS, END_HEADERS, self._number, _HEADERS)
            + frame(Frame.DATA, END_STREAM, self._number, message)
        )
        self._number += 2


async def send_all(address: str, requests: list[bytes], senders: int) -> list[float]:
    """Seconds from request to answer, one for each. Raises RuntimeError where one is refused."""
    waiting, seconds, loop = iter(requests), list[float](), asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    all_done = [loop.create_future() for _ in range(senders)]
    for done in all_done:
        await loop.create_connection(lambda done=done: Sender(waiting, seconds, done), host, int(port))  # type: ignore[misc]
    await asyncio.gather(*all_done)
    return seconds


def main() -> None:
    address, path, senders = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    requests: list[bytes] = pickle.loads(path.read_bytes())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started = time.perf_counter()
    seconds = uvloop.run(send_all(address, requests, senders))
    answers = [round(one, 5) for one in seconds]
    sys.stdout.write(json.dumps({"wall": time.perf_counter() - started, "answers": answers}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
