"""Whether open groups speak of something, without taking a request apart: words are looked for in the bytes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from .journal import Segment
from .kinds import Kind

_SEARCHED_BYTES_MAX = 256 * 1024 * 1024  # a tenth of a second; looking at more costs as much as storing the group


async def may_mention(segments: Sequence[Segment], words: Sequence[bytes]) -> bool:
    """Whether a request in these groups holds one of the words. OTLP has them as they are; of JSON it says yes at once."""
    size = sum(segment.size for segment in segments)
    if any(segment.kind is Kind.ZIPKIN for segment in segments) or size * len(words) > _SEARCHED_BYTES_MAX:
        return True
    files = [os.dup(segment.file) for segment in segments]  # a group may be stored and gone meanwhile
    return await asyncio.to_thread(_holds_any, files, words)


def _holds_any(files: Sequence[int], words: Sequence[bytes]) -> bool:
    try:
        contents = (os.pread(file, os.fstat(file).st_size, 0) for file in files)
        return any(word in content for content in contents for word in words)
    finally:
        for file in files:
            os.close(file)
