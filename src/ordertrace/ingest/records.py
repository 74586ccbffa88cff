"""The journal's record format: a segment is a head and sealed records, one a request. Pure; no file is touched here.

    head    "OTJ1" · key id (8 bytes) · salt (16 bytes)
    record  length of what follows (4 bytes, big endian) · request sealed with AES-GCM, its tag included
    zeros   room for further records; a length of 0 ends the segment

The nonce is the record's number and the head is authenticated along, so records cannot be swapped, repeated or moved
to another segment. A segment's key is derived from its salt, so numbers may start at 0 in each.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag

from ..errors import Invalid
from ..privacy.keys import KEY_ID_BYTES, SALT_BYTES, KeyRing
from .kinds import Kind

MAGIC = b"OTJ1"
HEAD_BYTES = len(MAGIC) + KEY_ID_BYTES + SALT_BYTES
_LENGTH = struct.Struct(">I")
TAG_BYTES = 16
SEALED_BYTES_MAX = 1 << 30


class Seal:
    """Seals and opens the records of one segment, which its head names."""

    def __init__(self, ring: KeyRing, head: bytes) -> None:
        """Raises Invalid for something that is no head, Unavailable for a key that is not on the ring."""
        if len(head) != HEAD_BYTES or not head.startswith(MAGIC):
            raise Invalid("this is no journal segment")
        self.head = head
        key_id = head[len(MAGIC) : len(MAGIC) + KEY_ID_BYTES].hex()
        self._cipher = ring.cipher(key_id, head[-SALT_BYTES:])

    def seal(self, number: int, request: bytes, place: memoryview | bytearray) -> None:
        """Puts the record of the segment's request `number`, from 0, in its place, which is as long as `record_bytes` says."""
        _LENGTH.pack_into(place, 0, len(request) + TAG_BYTES)
        sealed = memoryview(place)[_LENGTH.size :]
        self._cipher.encrypt_into(number.to_bytes(12, "big"), request, self.head, sealed)

    def open(self, number: int, sealed: bytes) -> bytes | None:
        """The request, or None where the record is not what was written."""
        try:
            return self._cipher.decrypt(number.to_bytes(12, "big"), sealed, self.head)
        except InvalidTag:
            return None


def record_bytes(request: bytes) -> int:
    """How long the record of a request is."""
    return _LENGTH.size + len(request) + TAG_BYTES


def build_head(ring: KeyRing) -> bytes:
    """A head for a new segment, under the ring's primary key."""
    return MAGIC + bytes.fromhex(ring.primary) + secrets.token_bytes(SALT_BYTES)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was found; `request` is None where it was damaged, `sealed` are its bytes as they lie there."""

    number: int
    sealed: bytes
    request: bytes | None


def read_records(segment: bytes, ring: KeyRing) -> Iterator[Record]:
    """The records of a segment, in order. A last one that is not whole was never acknowledged and is left out.

    Raises Invalid or Unavailable for a head as `Seal` does.
    """
    seal = Seal(ring, segment[:HEAD_BYTES])
    at, number = HEAD_BYTES, 0
    while at + _LENGTH.size <= len(segment):
        (length,) = _LENGTH.unpack_from(segment, at)
        at += _LENGTH.size
        if length < TAG_BYTES or length > SEALED_BYTES_MAX or at + length > len(segment):
            return
        sealed = segment[at : at + length]
        yield Record(number, sealed, seal.open(number, sealed))
        at, number = at + length, number + 1


def to_file(kind: Kind, request: bytes) -> tuple[bytes, bytes]:
    """How a request stands in a group's file: behind its length, or one list after another."""
    return (request, b"\n") if kind is Kind.ZIPKIN else (to_delimited(request), request)


def to_delimited(request: bytes) -> bytes:
    """The varint of a request's length, which stands before it in a group."""
    length, out = len(request), bytearray()
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    out.append(length)
    return bytes(out)
