"""Writes closed groups to the store, in the store's thread; what the store refuses is split until the bad request is alone.

Does not decide what a group is, nor when a group that could not be written is tried again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog
from google.protobuf.message import DecodeError

from ..errors import Invalid, Unavailable
from ..metrics import Metrics
from ..store.group_writer import Group, GroupWriter
from .check import Checked
from .journal import Journal, Segment
from .kinds import Kind
from .records import to_file

_log = structlog.get_logger(__name__)


class Check(Protocol):
    """What a kind of request is checked with; `plain` writes one anew without what only broken senders send."""

    def check(self, payload: bytes) -> Checked: ...
    def plain(self, payload: bytes) -> bytes: ...


class GroupStorer:
    """Writes each group whole, or in parts once the store has refused it."""

    def __init__(
        self,
        journal: Journal,
        writers: Mapping[Kind, GroupWriter],
        checks: Mapping[Kind, Check],
        metrics: Metrics,
        places: Sequence[Path],
        free_bytes_min: int,
    ) -> None:
        self._journal = journal
        self._writers = writers
        self._checks = checks
        self._metrics = metrics
        self._places = places
        self._free_bytes_min = free_bytes_min

    def write(self, segment: Segment) -> None:
        """Returns once the group's rows are synced or what cannot be read of it is set aside. Raises Unavailable, OSError."""
        # the engine does not notice every write that a full disk cuts short, so it is not let come near one
        if too_little := too_little_left(self._places, self._free_bytes_min):
            raise Unavailable(too_little)
        if segment.requests:
            self._write(segment)
        os.close(segment.file)

    def _write(self, segment: Segment) -> None:
        if not self._journal.is_split(segment):
            try:
                self._writers[segment.kind].write(segment.group)
            except Invalid:
                self._journal.mark_split(segment)
        if self._journal.is_split(segment):
            requests = [self._plain(segment.kind, one) for one in self._journal.requests_of(segment.path)]
            self._write_parts(segment, requests, 0)

    def _plain(self, kind: Kind, request: bytes) -> bytes:
        """In this form the store can read most of what it has refused."""
        try:
            return self._checks[kind].plain(request)
        except (ValueError, DecodeError):
            return request

    def _write_parts(self, segment: Segment, requests: list[bytes], first: int) -> None:
        """Halves until a refused request stands alone. Names depend on the place only, so that a repetition changes nothing."""
        name = f"{segment.name}-{first}-{len(requests)}"
        count = len(requests) * segment.count // segment.requests
        file = os.memfd_create("part")
        try:
            os.write(file, b"".join(piece for request in requests for piece in to_file(segment.kind, request)))
            self._writers[segment.kind].write(Group(name, segment.inserted_at, file, len(requests), count))
        except Invalid as error:
            if len(requests) == 1:
                self._journal.set_aside(name, requests[0])
                self._metrics.groups_set_aside.inc()
                _log.error("a request is set aside", name=name, error=str(error))
                return
            half = len(requests) // 2
            self._write_parts(segment, requests[:half], first)
            self._write_parts(segment, requests[half:], first + half)
        finally:
            os.close(file)


def too_little_left(places: Sequence[Path], wanted: int) -> str:
    """What is wrong with the disks of these places; empty where they have so many bytes left. Raises OSError."""
    for place in places:
        found = os.statvfs(place)
        if (free := found.f_bavail * found.f_frsize) < wanted:
            return f"the disk of {place} has {free} bytes left, journal.free_bytes_min asks for {wanted}"
    return ""
