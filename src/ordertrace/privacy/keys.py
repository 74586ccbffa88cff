"""The key ring: a file of keys with ids, one of them primary. Keys are never logged and never leave this object as text.

What is sealed carries the id of its key, so that a ring can grow without anything becoming unreadable.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import Unavailable

KEY_ID_BYTES = 8
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id (16 hex digits); `primary` is the one that seals."""

    primary: str
    _keys: Mapping[str, bytes] = field(repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """All key ids, oldest first."""
        return tuple(self._keys)

    def cipher(self, key_id: str, salt: bytes) -> AESGCM:
        """A cipher of its own for each salt, so that counted nonces cannot meet. Raises Unavailable for an unknown key."""
        key = self._keys.get(key_id)
        if key is None:
            raise Unavailable(f"key {key_id} is not on the ring; bring it back with the key file it was on")
        return AESGCM(HKDF(SHA256(), 32, salt, b"ordertrace journal").derive(key))

    def derive(self, purpose: bytes) -> bytes:
        """A secret of 32 bytes for a purpose of its own, of the oldest key, so that it stays when another seals."""
        return HKDF(SHA256(), 32, None, b"ordertrace " + purpose).derive(self._keys[self.ids[0]])


def open_key_ring(directory: Path) -> KeyRing:
    """The ring in `directory`/keys.json, made at the first start (mode 0600). Raises Unavailable if it cannot be read."""
    path = directory / "keys.json"
    try:
        if not path.exists():
            _create(path)
        content = json.loads(path.read_text("ascii"))
        keys = {entry["id"]: base64.b64decode(entry["key"], validate=True) for entry in content["keys"]}
        return KeyRing(primary=content["primary"], _keys={**keys, content["primary"]: keys[content["primary"]]})
    except OSError as error:
        raise Unavailable(f"cannot open the key ring {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Unavailable(f"the key ring {path} is damaged; restore it from a backup") from None


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_id = secrets.token_hex(KEY_ID_BYTES)
    entry = {"id": key_id, "key": base64.b64encode(secrets.token_bytes(32)).decode()}
    fresh = path.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        json.dump({"primary": key_id, "keys": [entry]}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Makes a file's creation, renaming or removal durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
