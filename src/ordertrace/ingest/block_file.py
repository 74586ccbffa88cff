"""A file that only grows, written past the page cache: copying into fresh pages of it costs more than all else in a journal.

Where the file system does not take such writes they go through the cache. What lies in the file is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Sequence
from pathlib import Path

BLOCK_BYTES = 4096  # what disks and file systems write at least at once
_AHEAD_BYTES = 64 * 1024  # a file that need not grow is synced at half the cost
_PAGES_BYTES = 1024 * 1024


def build_pages(size: int = _PAGES_BYTES) -> memoryview:
    """Memory at the beginning of a page, as writes past the cache want it, for at least so many bytes."""
    return memoryview(mmap.mmap(-1, _up(size, BLOCK_BYTES), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class BlockFile:
    """Holds what was appended, and zeros behind it. The last block is written again with what comes next.

    `pages` may serve several files of one thread. What the file begins with is written with what is appended first.
    """

    def __init__(self, path: Path, begins: bytes, pages: memoryview, block_bytes: int = BLOCK_BYTES) -> None:
        """Makes the file. Raises OSError, also where it is there."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._passes_cache = False
        with contextlib.suppress(OSError):
            self._pass_cache(True)
        self._pages = pages
        self._block_bytes = block_bytes
        self._last_block, self._last = 0, begins  # where the last block lies, and what of it is filled
        self._size = 0

    def append(self, sizes: Sequence[int], fill: Callable[[int, memoryview], None]) -> None:
        """Writes as many pieces, of these sizes, and syncs them; `fill` puts the piece of a number in its place.

        Raises OSError; then some of them may be in the file until they are taken back.
        """
        pages, start, filled = self._pages, self._last_block, len(self._last)
        pages[:filled] = self._last
        for number, size in enumerate(sizes):
            if filled + size > len(pages):
                whole = filled - filled % self._block_bytes
                self._write(pages[:whole], start)
                rest = bytes(pages[whole:filled])
                start, filled = start + whole, len(rest)
                if filled + size > len(pages):
                    pages = build_pages(filled + size)
                pages[:filled] = rest
            fill(number, pages[filled : filled + size])
            filled += size
        end = self._end(start, filled, len(pages))
        pages[filled:end] = bytes(end - filled)
        self._write(pages[:end], start)
        os.fdatasync(self._file)
        self._size = max(self._size, start + end)
        whole = filled - filled % self._block_bytes
        self._last_block, self._last = start + whole, bytes(pages[whole:filled])

    def take_back(self) -> None:
        """Cuts off what a failed `append` may have left."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._last_block + len(self._last) if self._size else 0)
        self._size = min(self._size, self._last_block)

    def close(self) -> None:
        os.close(self._file)

    def _end(self, start: int, filled: int, most: int) -> int:
        """How much of the pages to write: whole blocks, and further ones where the file has to grow anyway."""
        end = _up(filled, self._block_bytes)
        return end if start + end <= self._size else min(_up(start + end, _AHEAD_BYTES) - start, most)

    def _write(self, pages: memoryview, start: int) -> None:
        while pages:
            try:
                written = os.pwrite(self._file, pages, start)
            except OSError as error:
                if error.errno != errno.EINVAL or not self._passes_cache:
                    raise
                self._pass_cache(False)
            else:
                pages, start = pages[written:], start + written

    def _pass_cache(self, yes: bool) -> None:
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        fcntl.fcntl(self._file, fcntl.F_SETFL, flags | os.O_DIRECT if yes else flags & ~os.O_DIRECT)
        self._passes_cache = yes


def _up(size: int, step: int) -> int:
    return -(-size // step) * step
