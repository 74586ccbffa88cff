"""Segments on disk: where a request is durable before it is a row. One segment is one group for the store, of one kind.

Blocking, for a thread of its own. A segment's requests also lie in a file in memory, from which the store reads them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..errors import Invalid, OrdertraceError, Unavailable
from ..privacy.keys import KeyRing, sync_directory
from ..store.group_writer import Group
from .block_file import BlockFile, build_pages
from .kinds import Kind
from .records import HEAD_BYTES, Record, Seal, build_head, read_records, record_bytes, to_file

_SUFFIX = ".segment"
_SET_ASIDE_MAX, _SET_ASIDE_BYTES_MAX = 1000, 512 * 1024 * 1024
_PROBE_BYTES = 64 * 1024
_WRITE_PIECES_MAX = 512  # below IOV_MAX


@dataclass(slots=True)
class Segment:
    """A group of requests on its way. `file` is the descriptor of the file in memory; `count` (of spans or log records) and
    `size` are of its requests, `digests` tell these from others."""

    name: str
    kind: Kind
    path: Path
    file: int
    count: int = 0
    size: int = 0
    requests: int = 0
    digests: list[bytes] = field(default_factory=list)
    opened: float = field(default_factory=time.monotonic)

    @property
    def inserted_at(self) -> datetime:
        """The group's own time, by which its rows are found; it is part of the name."""
        return datetime.fromtimestamp(int(self.name[:15]) / 1000, UTC)

    @property
    def group(self) -> Group:
        return Group(self.name, self.inserted_at, self.file, self.requests, self.count)


@dataclass(slots=True)
class _Open:
    """A segment that is being written: its seal, its file on disk, and the length in memory of what was acknowledged."""

    segment: Segment
    seal: Seal
    disk: BlockFile
    file_length: int = 0


class Journal:
    """Appends requests to the open segment of their kind and hands out closed ones."""

    def __init__(self, directory: Path, ring: KeyRing) -> None:
        self._directory = directory
        self._ring = ring
        self._last_ms = 0
        self._open: dict[Kind, _Open] = {}
        self._pages = build_pages()

    def prepare(self) -> list[Path]:
        """Makes the directory; returns the segments that an earlier run left behind, oldest first. Raises Unavailable."""
        try:
            (self._directory / "set-aside").mkdir(parents=True, exist_ok=True, mode=0o700)
            left = sorted(path for path in self._directory.iterdir() if path.suffix == _SUFFIX)
        except OSError as error:
            raise Unavailable(f"cannot open the journal {self._directory}: {error.strerror}") from None
        self._last_ms = max((int(path.name[:15]) for path in left if path.name[:15].isdigit()), default=0)
        return left

    def segment(self, kind: Kind) -> Segment | None:
        """The open segment of this kind, if there is one."""
        return self._open[kind].segment if kind in self._open else None

    def append(self, kind: Kind, requests: Sequence[bytes], count: int) -> Segment:
        """Writes and syncs the requests; when it returns they survive a crash. Returns the segment that holds them.

        Raises Unavailable when the disk does not take them; then none of them is in the journal.
        """
        try:
            opened = self._open.get(kind) or self._create(kind)
            _write_file(opened.segment, requests)
            _write_records(opened, requests)
        except OSError as error:
            self._undo(kind)
            raise Unavailable(f"the journal cannot be written: {error.strerror}") from None
        segment = opened.segment
        segment.requests += len(requests)
        segment.count += count
        segment.size += sum(map(len, requests))
        return segment

    def close_segment(self, kind: Kind) -> Segment | None:
        """Ends the open segment of this kind and returns it, if it holds anything."""
        opened = self._open.pop(kind, None)
        if opened is None:
            return None
        opened.disk.close()
        if opened.segment.requests:
            return opened.segment
        self.remove(opened.segment)
        os.close(opened.segment.file)
        return None

    def read(self, path: Path) -> tuple[Segment, int]:
        """A segment left behind, and how many of its records were damaged and are set aside now.

        Raises Invalid where it is no segment at all, Unavailable where its key is missing or the disk fails.
        """
        try:
            content = path.read_bytes()
            segment = _segment(path)
            damaged: list[Record] = []
            if len(content) >= HEAD_BYTES:
                for record in read_records(content, self._ring):
                    if record.request is None:
                        damaged.append(record)
                    else:
                        _write_all(segment.file, to_file(segment.kind, record.request))
                        segment.requests += 1
            for record in damaged:
                self._set_aside(
                    f"{segment.name}-{record.number}",
                    content[:HEAD_BYTES] + len(record.sealed).to_bytes(4, "big") + record.sealed,
                )
        except OSError as error:
            raise Unavailable(f"the journal cannot be read: {error.strerror}") from None
        return segment, len(damaged)

    def probe(self) -> None:
        """Tries whether the disk takes anything. Raises Unavailable."""
        path = self._directory / "probe"
        try:
            with path.open("wb") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fdatasync(file.fileno())
        except OSError as error:
            raise Unavailable(f"the journal cannot be written: {error.strerror}") from None
        finally:
            with contextlib.suppress(OSError):
                path.unlink()

    def requests_of(self, segment: Path) -> list[bytes]:
        """The requests that lie undamaged in a segment's file. Raises as `read` does."""
        try:
            content = segment.read_bytes()
        except OSError as error:
            raise Unavailable(f"the journal cannot be read: {error.strerror}") from None
        if len(content) < HEAD_BYTES:
            return []
        return [record.request for record in read_records(content, self._ring) if record.request is not None]

    def mark_split(self, segment: Segment) -> None:
        """Remembers, over a crash too, that this group is written in parts from now on."""
        path = segment.path.with_suffix(".split")
        path.touch(0o600)
        sync_directory(self._directory)

    def is_split(self, segment: Segment) -> bool:
        """Whether an earlier attempt began to write this group in parts."""
        return segment.path.with_suffix(".split").exists()

    def set_aside(self, name: str, request: bytes) -> None:
        """Keeps a request that the store refuses, sealed; the oldest ones make room."""
        seal = Seal(self._ring, build_head(self._ring))
        record = bytearray(record_bytes(request))
        seal.seal(0, request, record)
        self._set_aside(name, seal.head + record)

    def set_file_aside(self, path: Path) -> None:
        """Keeps a file that is no segment where nobody reads it again."""
        path.rename(self._directory / "set-aside" / path.name)

    def remove(self, segment: Segment) -> None:
        """Forgets a segment that is stored and joined."""
        segment.path.unlink(missing_ok=True)
        segment.path.with_suffix(".split").unlink(missing_ok=True)

    def _create(self, kind: Kind) -> _Open:
        self._last_ms = max(self._last_ms + 1, time.time_ns() // 1_000_000)
        path = self._directory / f"{self._last_ms:015d}-{kind}-{secrets.token_hex(4)}{_SUFFIX}"
        seal = Seal(self._ring, build_head(self._ring))
        disk = BlockFile(path, seal.head, self._pages)
        self._open[kind] = opened = _Open(_segment(path), seal, disk)
        sync_directory(self._directory)
        return opened

    def _undo(self, kind: Kind) -> None:
        """Takes a half-written batch back; what was acknowledged before stays."""
        if opened := self._open.get(kind):
            opened.disk.take_back()
            os.ftruncate(opened.segment.file, opened.file_length)
            os.lseek(opened.segment.file, opened.file_length, os.SEEK_SET)

    def _set_aside(self, name: str, content: bytes) -> None:
        folder = self._directory / "set-aside"
        kept = sorted((path.name, path.stat().st_size) for path in folder.iterdir())
        size = len(content) + sum(size for _, size in kept)
        while kept and (len(kept) >= _SET_ASIDE_MAX or size > _SET_ASIDE_BYTES_MAX):
            oldest, length = kept.pop(0)
            (folder / oldest).unlink(missing_ok=True)
            size -= length
        (folder / name).write_bytes(content)


def _segment(path: Path) -> Segment:
    """Raises Invalid where the name is not one of ours."""
    name = path.name.removesuffix(_SUFFIX)
    try:
        return Segment(name, Kind(name.split("-")[1]), path, os.memfd_create("group"))
    except (ValueError, IndexError):
        raise Invalid(f"{path.name} is no journal segment") from None


def _write_records(opened: _Open, requests: Sequence[bytes]) -> None:
    first = opened.segment.requests

    def seal(number: int, place: memoryview) -> None:
        opened.seal.seal(first + number, requests[number], place)

    opened.disk.append([record_bytes(request) for request in requests], seal)
    opened.file_length = os.lseek(opened.segment.file, 0, os.SEEK_CUR)


def _write_file(segment: Segment, requests: Sequence[bytes]) -> None:
    for start in range(0, len(requests), _WRITE_PIECES_MAX // 2):
        some = requests[start : start + _WRITE_PIECES_MAX // 2]
        _write_all(segment.file, [piece for request in some for piece in to_file(segment.kind, request)])


def _write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    wanted = sum(map(len, pieces))
    written = os.writev(descriptor, pieces)
    if written < wanted:
        rest = memoryview(b"".join(pieces))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A request that the store refused, or a part of the journal that was damaged."""

    name: str
    kind: str
    at: datetime
    size: int
    readable: bool


def find_set_aside(directory: Path, ring: KeyRing) -> list[SetAside]:
    """All that is set aside in a journal's directory, oldest first. Raises Unavailable."""
    folder = directory / "set-aside"
    try:
        return [_look_at(path, ring) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    except OSError as error:
        raise Unavailable(f"cannot read {folder}: {error.strerror}") from None


def _look_at(path: Path, ring: KeyRing) -> SetAside:
    content = path.read_bytes()
    try:
        readable = any(record.request is not None for record in read_records(content, ring))
    except OrdertraceError:
        readable = False
    parts = path.name.split("-")
    known = len(parts) > 1 and parts[1] in set(Kind) and parts[0].isdigit()
    seconds = int(parts[0]) / 1000 if known else path.stat().st_mtime
    return SetAside(path.name, parts[1] if known else "", datetime.fromtimestamp(seconds, UTC), len(content), readable)
