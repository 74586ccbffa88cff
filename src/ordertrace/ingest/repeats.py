"""Which requests were acknowledged lately, so that one that is sent again, because its answer was lost, is written once.

A request is known by a digest of its bytes. Digests lie in two files, the newer of which makes the older one superfluous
when it is old or long enough; those of requests that are still in the journal are made from there after a crash.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import Unavailable
from .kinds import Kind

DIGEST_BYTES = 16
_SUFFIX = ".repeats"
_NONCES = {kind: kind.encode().ljust(12, b"\0") for kind in Kind}


class Repeats:
    """Remembers at least what was acknowledged within `age`, but no more than `requests_max`.

    `key` is secret (32 bytes). `add` is for the event loop's thread, `keep` for one other.
    """

    def __init__(self, directory: Path, key: bytes, age: timedelta, requests_max: int) -> None:
        self._directory = directory
        self._cipher = AESGCM(key)
        self._age_ms = int(age.total_seconds() * 1000)
        self._half_max = requests_max // 2
        self._older: set[bytes] = set()
        self._newer: set[bytes] = set()
        self._since_ms = _now_ms()

    def load(self) -> None:
        """Reads what an earlier run has kept. Raises Unavailable."""
        try:
            files = sorted(self._directory.glob(f"*{_SUFFIX}"))
            for path in files[:-2]:
                path.unlink()
            for path in files[-2:]:  # a digest that a crash has torn would shift those behind it
                os.truncate(path, path.stat().st_size // DIGEST_BYTES * DIGEST_BYTES)
            self._older, self._newer = ({*_digests(path)} for path in [None, None, *files][-2:])
        except OSError as error:
            raise Unavailable(f"cannot read {self._directory}: {error.strerror}") from None
        if files:
            self._since_ms = int(files[-1].stem)

    def digest(self, kind: Kind, request: bytes) -> bytes:
        """Equal for equal requests only: a polynomial of the bytes under a secret key (GMAC), forty times as fast as a hash.

        It would not withstand someone who knows digests, and nobody is told them.
        """
        return self._cipher.encrypt(_NONCES[kind], b"", request)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._newer or digest in self._older

    def add(self, digest: bytes) -> None:
        """From now on the request is known."""
        self._newer.add(digest)

    def keep(self, digests: Iterable[bytes]) -> None:
        """Writes digests down, synced, for requests that leave the journal. Raises Unavailable."""
        try:
            with open(self._path(self._since_ms), "ab", opener=_private) as file:
                file.write(b"".join(digests))
                file.flush()
                os.fdatasync(file.fileno())
            if len(self._newer) >= self._half_max or _now_ms() - self._since_ms >= self._age_ms:
                self._turn()
        except OSError as error:
            raise Unavailable(f"cannot write {self._directory}: {error.strerror}") from None

    def _turn(self) -> None:
        for path in sorted(self._directory.glob(f"*{_SUFFIX}"))[:-1]:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        self._since_ms = max(_now_ms(), self._since_ms + 1)
        self._older, self._newer = self._newer, set()

    def _path(self, since_ms: int) -> Path:
        return self._directory / f"{since_ms:015d}{_SUFFIX}"


def _digests(path: Path | None) -> Iterable[bytes]:
    content = path.read_bytes() if path else b""
    for at in range(0, len(content), DIGEST_BYTES):
        yield content[at : at + DIGEST_BYTES]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
