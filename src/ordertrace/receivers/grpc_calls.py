"""gRPC's unary calls over HTTP/2: messages in their envelopes, statuses as headers. Pure; carries nothing itself.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import base64
import string
from collections.abc import Callable
from urllib.parse import quote

from ..errors import Invalid, NotFound, OrdertraceError
from .answers import to_grpc_code, to_status
from .http2 import Headers, Reply
from .http2_frames import literal

HEADERS = frozenset({b":method", b":path", b"content-type", b"grpc-encoding"})
"""Those of a call that say anything to us."""
ENVELOPE_BYTES = 5  # whether the message is packed, and its length
_ENCODINGS = ("gzip", "deflate", "zstd")
_STATUS_200 = b"\x88"
_HEADERS = (
    _STATUS_200
    + literal(b"content-type", b"application/grpc")
    + literal(b"grpc-accept-encoding", ",".join(("identity", *_ENCODINGS)).encode())
)
_OK = literal(b"grpc-status", b"0")
_PRINTABLE = (string.punctuation + " ").replace("%", "")

NOT_GRPC = Reply(b"\x08\x03415")
"""What everything is answered that is no call: the HTTP status 415."""


def is_call(headers: Headers) -> bool:
    """Whether an HTTP request is a gRPC call at all."""
    return headers.get(b":method") == b"POST" and headers.get(b"content-type", b"").startswith(b"application/grpc")


def to_message(headers: Headers, envelope: bytes, content: bytes, unpack: Callable[[bytes, str], bytes]) -> bytes:
    """The one message of a call. Raises NotFound for an encoding that is not known, Invalid, and as `unpack` does."""
    if len(envelope) < ENVELOPE_BYTES or int.from_bytes(envelope[1:], "big") != len(content):
        raise Invalid(f"{len(envelope) + len(content)} bytes are not one whole message")
    if not envelope[0]:
        return content
    encoding = headers.get(b"grpc-encoding", b"identity").decode("ascii", "replace")
    if encoding not in _ENCODINGS:
        raise NotFound(f"grpc-encoding {encoding[:80]!r}: send {', '.join(_ENCODINGS)} or none")
    return unpack(content, encoding)


def answered(message: bytes) -> Reply:
    """The reply to a call that went well."""
    return Reply(_HEADERS, b"\0" + len(message).to_bytes(4, "big") + message, _OK)


def failed(error: OrdertraceError) -> Reply:
    """The reply to one that did not: a status with its details, and no message."""
    number, _ = to_grpc_code(error).value
    details = base64.b64encode(to_status(error).SerializeToString()).rstrip(b"=")
    return Reply(
        _HEADERS
        + literal(b"grpc-status", str(number).encode())
        + literal(b"grpc-message", quote(str(error), safe=_PRINTABLE).encode())
        + literal(b"grpc-status-details-bin", details)
    )
