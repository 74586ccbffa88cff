"""What was appended to a file of blocks is there, whatever happens to what comes next."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ordertrace.ingest.block_file import BLOCK_BYTES, BlockFile, build_pages
from ordertrace.ingest.records import Seal, build_head, read_records, record_bytes
from ordertrace.privacy.keys import open_key_ring
from tests.ingest.test_full import files_of_at_most

PAGES = build_pages(4 * BLOCK_BYTES)
SECTOR_BYTES = 512  # what a disk writes whole or not at all
NOT_FOR_DISKS = 100  # bytes, in which no disk takes anything: writes go through the cache
sizes = some.integers(0, 3 * BLOCK_BYTES) | some.sampled_from((BLOCK_BYTES - 4, BLOCK_BYTES, 40_000, 70_000))
batches = some.lists(some.lists(sizes, min_size=1, max_size=5), max_size=6)


def append(file: BlockFile, pieces: Sequence[bytes]) -> None:
    def fill(number: int, place: memoryview) -> None:
        place[:] = pieces[number]

    file.append([len(piece) for piece in pieces], fill)


@settings(max_examples=50, deadline=None)
@given(batches, some.sampled_from((BLOCK_BYTES, NOT_FOR_DISKS)))
def test_all_that_was_appended_is_there_with_zeros_behind(batches: list[list[int]], block_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path, wanted, numbers = Path(directory, "file"), b"head", itertools.count(1)
        file = BlockFile(path, wanted, PAGES, block_bytes)
        for batch in batches:
            pieces = [bytes([next(numbers)]) * size for size in batch]
            append(file, pieces)
            wanted += b"".join(pieces)
            content = path.read_bytes()
            assert content[: len(wanted)] == wanted
            assert not any(content[len(wanted) :])
        assert batches or path.read_bytes() == b""
        file.close()


@pytest.mark.parametrize("block_bytes", [BLOCK_BYTES, NOT_FOR_DISKS])
@pytest.mark.parametrize("first", [0, 100, 9_000])
def test_what_a_full_disk_cut_short_is_taken_back(tmp_path: Path, block_bytes: int, first: int) -> None:
    path = tmp_path / "file"
    file = BlockFile(path, b"head", PAGES, block_bytes)
    if first:
        append(file, [b"1" * first])
    before = path.read_bytes().rstrip(b"\0")
    with files_of_at_most(70_000), pytest.raises(OSError, match="too large"):
        append(file, [b"2" * 50_000, b"3" * 50_000])
    assert b"2" in path.read_bytes()
    file.take_back()
    assert path.read_bytes() == before
    append(file, [b"4" * 5_000])
    assert path.read_bytes().rstrip(b"\0") == (before or b"head") + b"4" * 5_000
    file.close()


def test_records_survive_whatever_a_crash_leaves_of_the_next_ones(tmp_path: Path) -> None:
    ring, path = open_key_ring(tmp_path), tmp_path / "file"
    seal = Seal(ring, build_head(ring))
    file = BlockFile(path, seal.head, PAGES)
    requests = [os.urandom(size) for size in (300, 5_000, 40, 9_000, 3_000)]

    def add(first: int, last: int) -> bytes:
        def fill(number: int, place: memoryview) -> None:
            seal.seal(first + number, requests[first + number], place)

        file.append([record_bytes(request) for request in requests[first:last]], fill)
        return path.read_bytes()

    before, after = add(0, 2), add(2, 5)
    file.close()
    assert [record.request for record in read_records(after, ring)] == requests
    for at in range(0, len(after), SECTOR_BYTES):
        for torn in (after[:at] + before[at:], before[:at] + after[at:], max(before, after[:at], key=len)):
            found = [record.request for record in read_records(torn, ring)]
            assert found[:2] == requests[:2]
            assert all(one in (None, requests[place]) for place, one in enumerate(found))
