"""Bodies of HTTP requests: read and unpacked within bounds. What is in them is not looked at."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping
from typing import Protocol

from starlette.types import Receive

from ..errors import Invalid, OrdertraceError, Overloaded, TooLarge, Unavailable
from ..metrics import Metrics
from .answers import to_http_status

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_DISCARDED_BYTES_MAX = 256 * 1024 * 1024
_ZSTD_WINDOW_LOG_MAX = 23  # 8 MiB, what every decoder has to offer; a sender could ask for gigabytes


class WrongMethod(Invalid):
    """Anything but POST."""


class WrongType(Invalid):
    """A content type or encoding that the protocol does not know."""


class _Unpacking(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class BodyReader:
    """Reads bodies of at most `bytes_max`, packed or not, and holds no more than `held_bytes_max` of unfinished ones."""

    def __init__(self, bytes_max: int, held_bytes_max: int, metrics: Metrics) -> None:
        self._bytes_max = bytes_max
        self._held_bytes_max = held_bytes_max
        self._held_bytes = 0
        self._metrics = metrics

    async def read(self, headers: Mapping[bytes, str], receive: Receive) -> bytes:
        """The body, unpacked. Raises WrongType for an encoding that is not known, Invalid, TooLarge."""
        encoding = headers.get(b"content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "zstd"):
            raise WrongType(f"content encoding {encoding[:80]!r}: send gzip, zstd or none")
        body = await self._read_held(headers, receive)
        if encoding in ("gzip", "zstd"):
            return self.unpacked(body, encoding)
        return body

    async def _read_held(self, headers: Mapping[bytes, str], receive: Receive) -> bytes:
        pieces: list[bytes] = []
        try:
            return await self._read(headers, receive, pieces)
        finally:
            self._held_bytes -= sum(map(len, pieces))

    async def _read(self, headers: Mapping[bytes, str], receive: Receive, pieces: list[bytes]) -> bytes:
        """As long as it is within bounds; a larger one is not kept."""
        announced = headers.get(b"content-length", "0")
        if announced.isdigit() and int(announced) > self._bytes_max:
            await _discard(receive, True)
            raise self._too_large(f"the body has {announced} bytes")
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Invalid("the sender left before the end of the body")
            piece, more = message.get("body", b""), message.get("more_body", False)
            size += len(piece)
            failure = self._beyond(size, len(piece))
            if failure:
                await _discard(receive, more)
                raise failure
            self._held_bytes += len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _beyond(self, size: int, more: int) -> OrdertraceError | None:
        """What is wrong with a body of this size so far, whose last piece is not held yet."""
        if size > self._bytes_max:
            return self._too_large(f"the body has more than {self._bytes_max} bytes")
        if self._held_bytes + more > self._held_bytes_max:
            self._metrics.limits_hit.labels("held_bytes").inc()
            return Overloaded(f"{self._held_bytes} bytes of other requests are being read; send again later")
        return None

    def unpacked(self, body: bytes, encoding: str) -> bytes:
        """The content of a body packed by gzip, deflate or zstd; stops at the bound. Raises Invalid, TooLarge."""
        pieces, size = [], 0
        try:
            while body:
                unpacking = _unpacking(encoding)
                pieces.append(unpacking.decompress(body, self._bytes_max + 1 - size))
                size += len(pieces[-1])
                if size > self._bytes_max:
                    raise self._too_large(f"the unpacked body has more than {self._bytes_max} bytes")
                if not unpacking.eof:
                    raise Invalid(f"the {encoding} body ends too early")
                body = unpacking.unused_data
        except (zlib.error, zstd.ZstdError):
            raise Invalid(f"the body is not {encoding}, as its content encoding says") from None
        return b"".join(pieces)

    def _too_large(self, what: str) -> TooLarge:
        self._metrics.limits_hit.labels("request_bytes").inc()
        return TooLarge(f"{what}, {self._bytes_max} are allowed; send less at a time")


def to_status_and_headers(failure: OrdertraceError) -> tuple[int, list[tuple[bytes, bytes]]]:
    """How any HTTP receiver answers a failure, apart from the words."""
    own = next((number for kind, number in _OWN_STATUSES if isinstance(failure, kind)), 0)
    headers = []
    if isinstance(failure, WrongMethod):
        headers.append((b"allow", b"POST"))
    if isinstance(failure, (Overloaded, Unavailable)):
        headers.append((b"retry-after", str(max(1, round(getattr(failure, "retry_after_seconds", 1)))).encode()))
    if isinstance(failure, TooLarge):
        headers.append((b"connection", b"close"))
    return own or to_http_status(failure), headers


_OWN_STATUSES: tuple[tuple[type[OrdertraceError], int], ...] = ((WrongMethod, 405), (WrongType, 415))


def _unpacking(encoding: str) -> _Unpacking:
    if encoding == "gzip":
        return zlib.decompressobj(wbits=31)
    if encoding == "deflate":
        return zlib.decompressobj()
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX})


async def _discard(receive: Receive, more: bool) -> None:
    """Lets the rest of a body pass, within bounds: a sender that is cut off never reads the answer."""
    passed = 0
    while more and passed < _DISCARDED_BYTES_MAX:
        message = await receive()
        passed += len(message.get("body", b""))
        more = message["type"] != "http.disconnect" and message.get("more_body", False)
