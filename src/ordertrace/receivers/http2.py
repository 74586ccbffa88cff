"""HTTP/2 (RFC 9113) as far as unary gRPC calls need it, on the server's side: frames, flow control, bounds. HPACK is hpack's.

A call is handed over whole, once its last byte is there. What calls mean, and what they are answered, others say.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import cast

from hpack import Decoder
from hpack.exceptions import HPACKError, OversizedHeaderListError

from .http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_MAX,
    HEAD_BYTES,
    PADDED,
    PREFACE,
    PRIORITY,
    WINDOW_MAX,
    Broken,
    Code,
    Frame,
    frame,
    unpadded,
)

_TAKEN_BYTES_MAX = 1 << 20  # what we take: large requests in a few frames
_HEADER_BYTES_MAX = 16_384
_READ_BYTES = 256 * 1024  # at once: large requests in a few reads
_STREAMS_MAX = 1_000
_CREDIT_BYTES = 1 << 20  # given back at once
_WINDOW_BYTES = 16 << 20  # of a connection: what is on its way; what is held is bounded by `Calls`
_WINDOW_AT_FIRST = 65_535
_HEAD = struct.Struct(">BHBBI")
_STREAMS_SETTING, _WINDOW_SETTING, _FRAME_SETTING, _HEADERS_SETTING = 3, 4, 5, 6

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """Header blocks ready for the wire, and the data between them; without `trailers` the headers end the stream."""

    headers: bytes
    data: bytes = b""
    trailers: bytes = b""


class Calls:
    """What the connections of one listener share: who serves, and the bounds on what is not whole yet.

    `serve` is given the named `headers` of a call only, and the first `envelope_bytes` of its body apart from the rest, which
    thus need not be copied once more; it must not raise. A call that is longer than `body_bytes_max`, or
    comes while more than `held_bytes_max` of unfinished ones are held, ends at once with what `refuse` replies to the bytes
    that it has so far. `turned_away` is told of each connection beyond `connections_max`.
    """

    def __init__(
        self,
        headers: frozenset[bytes],
        envelope_bytes: int,
        serve: Callable[[Headers, bytes, bytes], Awaitable[Reply]],
        refuse: Callable[[int], Reply],
        turned_away: Callable[[], None],
        body_bytes_max: int,
        held_bytes_max: int,
        connections_max: int,
    ) -> None:
        self.headers = headers
        self.envelope_bytes = envelope_bytes
        self.serve = serve
        self.refuse = refuse
        self.turned_away = turned_away
        self.body_bytes_max = body_bytes_max
        self.held_bytes_max = held_bytes_max
        self.connections_max = connections_max
        self.held_bytes = 0
        # one for all, since what was read is taken out before anything else is read
        self.read_buffer = memoryview(bytearray(HEAD_BYTES + _TAKEN_BYTES_MAX + _READ_BYTES))
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def stop(self, seconds: float) -> None:
        """Takes no call more, and ends the connections once those that are served are answered, or the time is over."""
        for connection in list(self.connections):
            connection.say_goodbye()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=seconds)
        for connection in list(self.connections):
            connection.close()


@dataclass(slots=True, eq=False)
class _Stream:
    """A call on its way in, being served (`whole`), or waiting until the peer takes all of the answer (`unsent`)."""

    headers: Headers
    window: int
    size: int = 0  # of the body, as far as it is here
    envelope: bytes = b""
    message: BytesIO = field(default_factory=BytesIO)
    whole: bool = False
    left: bool = False  # the peer does not want the answer any more
    unsent: bytes = b""
    trailers: bytes = b""


class Connection(asyncio.BufferedProtocol):
    """One connection of a peer."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._decoder = Decoder(_HEADER_BYTES_MAX)
        self._decoded: dict[bytes, Headers] = {}
        self._rest = b""  # the beginning of a frame whose end is not here
        self._begun = self._ending = False
        self._arriving: tuple[int, int, int] | None = None  # data of which a part is here: stream, flags, bytes to come
        self._streams: dict[int, _Stream] = {}
        self._latest = 0  # stream that the peer has opened
        self._block: tuple[int, int, bytearray] | None = None  # of headers that go on: stream, flags
        self._uncredited = 0
        self._window = self._window_of_streams = _WINDOW_AT_FIRST  # what the peer takes
        self._on: dict[int, Callable[[int, int, bytes], None]] = {
            Frame.HEADERS: self._on_headers,
            Frame.PRIORITY: self._on_nothing,
            Frame.RST_STREAM: self._on_reset,
            Frame.SETTINGS: self._on_settings,
            Frame.PUSH_PROMISE: self._on_wrong,
            Frame.PING: self._on_ping,
            Frame.WINDOW_UPDATE: self._on_window,
            Frame.CONTINUATION: self._on_continuation,
        }

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclass
        self._calls.connections.add(self)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if len(self._calls.connections) > self._calls.connections_max:
            self._calls.turned_away()
            self.close()
            return
        # one byte more than a call may have, so that it is known to be too long; no stream is given more later
        window = min(self._calls.body_bytes_max + 1, WINDOW_MAX)
        settings = {
            _STREAMS_SETTING: _STREAMS_MAX,
            _WINDOW_SETTING: window,
            _FRAME_SETTING: _TAKEN_BYTES_MAX,
            _HEADERS_SETTING: _HEADER_BYTES_MAX,
        }
        self._send(Frame.SETTINGS, 0, 0, b"".join(struct.pack(">HI", *setting) for setting in settings.items()))
        self._send(Frame.WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW_BYTES - _WINDOW_AT_FIRST))

    def connection_lost(self, exc: Exception | None) -> None:
        self._calls.connections.discard(self)
        for number in list(self._streams):
            self._forget(number)

    def pause_writing(self) -> None:
        self._transport.pause_reading()  # who does not read answers is not heard

    def resume_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        size = len(self._rest)
        self._calls.read_buffer[:size] = self._rest
        return self._calls.read_buffer[size : size + _READ_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._take(self._calls.read_buffer[: len(self._rest) + nbytes])
        except Broken as broken:
            self._send(Frame.GOAWAY, 0, 0, struct.pack(">II", self._latest, broken.code))
            self.close()

    def say_goodbye(self) -> None:
        """Lets the peer go elsewhere with its next call."""
        self._ending = True
        self._send(Frame.GOAWAY, 0, 0, struct.pack(">II", self._latest, Code.NO_ERROR))

    def close(self) -> None:
        self._transport.close()

    # What comes in

    def _take(self, data: memoryview) -> None:
        at = 0
        if self._arriving:
            at = self._take_more(data)
        elif not self._begun:
            if not PREFACE.startswith(data[: len(PREFACE)]):
                raise Broken(Code.PROTOCOL_ERROR)
            if len(data) < len(PREFACE):
                self._rest = bytes(data)
                return
            self._begun, at = True, len(PREFACE)
        end = len(data)
        while end - at >= HEAD_BYTES:
            length_high, length_low, kind, flags, number = _HEAD.unpack_from(data, at)
            length = length_high << 16 | length_low
            if length > (_TAKEN_BYTES_MAX if kind == Frame.DATA else FRAME_BYTES_MAX):
                raise Broken(Code.FRAME_SIZE_ERROR)
            if self._block and kind != Frame.CONTINUATION:
                raise Broken(Code.PROTOCOL_ERROR)
            start = at + HEAD_BYTES
            number &= WINDOW_MAX  # without the reserved bit
            if end - start < length:
                if kind != Frame.DATA or flags & PADDED:
                    break
                self._arriving, at = (number, flags, length), end
                self._take_more(data[start:])
                break
            at = start + length
            self._on_frame(number, kind, flags, data[start:at])
        self._rest = bytes(data[at:])

    def _on_frame(self, number: int, kind: int, flags: int, content: memoryview) -> None:
        if kind == Frame.DATA:
            self._on_data(number, flags, content)
        else:
            self._on.get(kind, self._on_nothing)(number, flags, bytes(content))

    def _take_more(self, data: memoryview) -> int:
        """Takes of a long frame of data what is there, so that it need not be kept whole; how many bytes that is."""
        assert self._arriving
        number, flags, left = self._arriving
        piece = data[:left]
        self._arriving = (number, flags, left - len(piece)) if len(piece) < left else None
        self._on_data(number, flags & ~END_STREAM if self._arriving else flags, piece)
        return len(piece)

    def _on_data(self, number: int, flags: int, content: memoryview) -> None:
        self._credit(len(content))
        stream = self._streams.get(number)
        if stream is None or stream.whole:
            if number > self._latest or number == 0:
                raise Broken(Code.PROTOCOL_ERROR)
            return  # of a call that was answered or given up before its end
        piece = unpadded(flags, content)
        stream.size += len(piece)
        calls = self._calls
        calls.held_bytes += len(piece)
        if stream.size > calls.body_bytes_max or calls.held_bytes > calls.held_bytes_max:
            self._answer(number, stream, calls.refuse(stream.size))
            if not flags & END_STREAM:
                self._send(Frame.RST_STREAM, 0, number, struct.pack(">I", Code.NO_ERROR))
            return
        if lacking := calls.envelope_bytes - len(stream.envelope):
            stream.envelope += piece[:lacking]
            piece = piece[lacking:]
        if flags & END_STREAM:
            self._serve(number, stream, piece)
        else:
            stream.message.write(piece)

    def _on_headers(self, number: int, flags: int, content: bytes) -> None:
        if number % 2 == 0 or (number <= self._latest and number not in self._streams):
            raise Broken(Code.PROTOCOL_ERROR)
        block = unpadded(flags, content)
        if flags & PRIORITY:
            block = block[5:]
        if flags & END_HEADERS:
            self._begin(number, flags, block)
        else:
            self._block = number, flags, bytearray(block)

    def _on_continuation(self, number: int, flags: int, content: bytes) -> None:
        if self._block is None or self._block[0] != number:
            raise Broken(Code.PROTOCOL_ERROR)
        _, first_flags, block = self._block
        block += content
        if len(block) > _HEADER_BYTES_MAX or not content:
            raise Broken(Code.ENHANCE_YOUR_CALM)
        if flags & END_HEADERS:
            self._block = None
            self._begin(number, first_flags, bytes(block))

    def _on_reset(self, number: int, flags: int, content: bytes) -> None:
        if len(content) != 4:
            raise Broken(Code.FRAME_SIZE_ERROR)
        if number > self._latest or number == 0:
            raise Broken(Code.PROTOCOL_ERROR)
        if (stream := self._streams.get(number)) is None:
            return
        stream.left = True  # one that is served stays until it has been, and counts as long
        if not stream.whole or stream.unsent:
            self._forget(number)

    def _on_settings(self, number: int, flags: int, content: bytes) -> None:
        if number or (flags & ACK and content):
            raise Broken(Code.PROTOCOL_ERROR)
        if len(content) % 6:
            raise Broken(Code.FRAME_SIZE_ERROR)
        if flags & ACK:
            return
        for key, value in struct.iter_unpack(">HI", content):
            if key == _WINDOW_SETTING:
                if value > WINDOW_MAX:
                    raise Broken(Code.FLOW_CONTROL_ERROR)
                for stream in self._streams.values():
                    stream.window += value - self._window_of_streams
                self._window_of_streams = value
        self._send(Frame.SETTINGS, ACK, 0, b"")
        self._send_waiting()

    def _on_ping(self, number: int, flags: int, content: bytes) -> None:
        if len(content) != 8:
            raise Broken(Code.FRAME_SIZE_ERROR)
        if not flags & ACK:
            self._send(Frame.PING, ACK, 0, content)

    def _on_window(self, number: int, flags: int, content: bytes) -> None:
        if len(content) != 4:
            raise Broken(Code.FRAME_SIZE_ERROR)
        more = int.from_bytes(content, "big") & WINDOW_MAX
        stream = self._streams.get(number)
        if number == 0:
            self._window += more
        elif stream:
            stream.window += more
        if not more or self._window > WINDOW_MAX or (stream and stream.window > WINDOW_MAX):
            raise Broken(Code.FLOW_CONTROL_ERROR if more else Code.PROTOCOL_ERROR)
        self._send_waiting()

    def _on_nothing(self, number: int, flags: int, content: bytes) -> None:
        """What need not be known is passed over."""

    def _on_wrong(self, number: int, flags: int, content: bytes) -> None:
        raise Broken(Code.PROTOCOL_ERROR)

    # Calls

    def _begin(self, number: int, flags: int, block: bytes) -> None:
        headers = self._headers(block)
        if stream := self._streams.get(number):  # trailers, of which gRPC knows none from clients
            if stream.whole or not flags & END_STREAM:
                raise Broken(Code.PROTOCOL_ERROR)
        else:
            self._latest = number
            if self._ending or len(self._streams) >= _STREAMS_MAX:
                self._send(Frame.RST_STREAM, 0, number, struct.pack(">I", Code.REFUSED_STREAM))
                return
            stream = self._streams[number] = _Stream(headers, self._window_of_streams)
        if flags & END_STREAM:
            self._serve(number, stream, b"")

    def _headers(self, block: bytes) -> Headers:
        """Decoded; a block that only points into the table means the same until another one changes the table."""
        if (known := self._decoded.get(block)) is not None:
            return known
        try:
            wanted = self._calls.headers  # the others would only take memory
            headers = {name: value for name, value in self._decoder.decode(block, raw=True) if name in wanted}
        except OversizedHeaderListError:
            raise Broken(Code.ENHANCE_YOUR_CALM) from None
        except (HPACKError, ValueError, IndexError):
            raise Broken(Code.COMPRESSION_ERROR) from None
        if not block or min(block) < 0x80:
            self._decoded.clear()
        elif len(self._decoded) < _STREAMS_MAX:
            self._decoded[block] = headers
        return headers

    def _serve(self, number: int, stream: _Stream, last: bytes | memoryview) -> None:
        stream.whole = True
        if stream.message.tell():
            stream.message.write(last)
            message = stream.message.getvalue()  # not copied
        else:
            message = bytes(last)
        self._let_go(stream)
        task = asyncio.get_running_loop().create_task(self._served(number, stream, message))
        self._calls.tasks.add(task)
        task.add_done_callback(self._calls.tasks.discard)

    async def _served(self, number: int, stream: _Stream, message: bytes) -> None:
        reply = await self._calls.serve(stream.headers, stream.envelope, message)
        if stream.left or self._transport.is_closing():
            self._streams.pop(number, None)
        else:
            self._answer(number, stream, reply)

    def _let_go(self, stream: _Stream) -> None:
        self._calls.held_bytes -= stream.size
        stream.size, stream.message = 0, BytesIO()

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number)
        stream.left = True
        self._let_go(stream)

    # What goes out

    def _answer(self, number: int, stream: _Stream, reply: Reply) -> None:
        self._let_go(stream)
        stream.whole = True
        size, of_stream = len(reply.data), number.to_bytes(4, "big")
        if not reply.trailers:
            self._send(Frame.HEADERS, END_HEADERS | END_STREAM, number, reply.headers)
            del self._streams[number]
        elif not size or size <= min(self._window, stream.window, FRAME_BYTES_MAX):
            self._window -= size
            self._transport.write(
                b"%b\1\4%b%b%b\0\0%b%b%b\1\5%b%b"
                % (
                    *(len(reply.headers).to_bytes(3, "big"), of_stream, reply.headers),
                    *(size.to_bytes(3, "big"), of_stream, reply.data),
                    *(len(reply.trailers).to_bytes(3, "big"), of_stream, reply.trailers),
                )
            )
            del self._streams[number]
        else:
            self._send(Frame.HEADERS, END_HEADERS, number, reply.headers)
            stream.unsent, stream.trailers = reply.data, reply.trailers
            self._send_waiting()

    def _send_waiting(self) -> None:
        """Sends on of answers what the peer takes now."""
        for number, stream in [item for item in self._streams.items() if item[1].unsent]:
            while stream.unsent and (size := min(self._window, stream.window, FRAME_BYTES_MAX)) > 0:
                piece, stream.unsent = stream.unsent[:size], stream.unsent[size:]
                self._window -= len(piece)
                stream.window -= len(piece)
                self._send(Frame.DATA, 0, number, piece)
            if not stream.unsent:
                self._send(Frame.HEADERS, END_HEADERS | END_STREAM, number, stream.trailers)
                del self._streams[number]

    def _credit(self, size: int) -> None:
        self._uncredited += size
        if self._uncredited >= _CREDIT_BYTES:
            self._send(Frame.WINDOW_UPDATE, 0, 0, struct.pack(">I", self._uncredited))
            self._uncredited = 0

    def _send(self, kind: Frame, flags: int, number: int, content: bytes) -> None:
        self._transport.write(frame(kind, flags, number, content))
