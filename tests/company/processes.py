"""Which processes carry a mark in their environment: how the tests see that nothing was left behind."""

from __future__ import annotations

import time
from pathlib import Path


def find_marked(mark: str) -> dict[int, str]:
    """Process id → command line of the living processes with `mark` in their environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (
                        (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    )
            except OSError:
                continue  # it ended meanwhile, or belongs to somebody else
    return found


def wait_until_gone(mark: str, seconds: float = 20.0) -> dict[int, str]:
    """What is still there after at most that time."""
    until = time.monotonic() + seconds
    while (left := find_marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    return left
