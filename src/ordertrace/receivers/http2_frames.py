"""HTTP/2's frames as bytes (RFC 9113), and headers that no table holds. What frames mean for a connection is said in `http2`."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TypeVar

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
FRAME_BYTES_MAX = 16_384  # what every peer has to take
WINDOW_MAX = (1 << 31) - 1


Content = TypeVar("Content", bytes, memoryview)


class Frame(IntEnum):
    """Types of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITY = 4, 8, 32


class Broken(Exception):
    """The peer does what no peer may: the connection ends."""

    def __init__(self, code: Code) -> None:
        self.code = code


def frame(kind: Frame, flags: int, number: int, content: bytes) -> bytes:
    """One frame as it goes over the wire."""
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, number) + content


def literal(name: bytes, value: bytes) -> bytes:
    """A header that no table holds, for a block (RFC 7541, 6.2.2)."""
    return b"\0" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    """Its length as a prefixed number of seven bits, and the text itself."""
    length = len(text)
    if length < 127:
        return bytes((length,)) + text
    rest, out = length - 127, bytearray(b"\x7f")
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out) + text


def unpadded(flags: int, content: Content) -> Content:
    if not flags & PADDED:
        return content
    if not content or content[0] >= len(content):
        raise Broken(Code.PROTOCOL_ERROR)
    return content[1 : len(content) - content[0]]
