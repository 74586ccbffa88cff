"""Cursors of lists: how many rows were given before."""

from __future__ import annotations

from ..errors import Invalid

_DIGITS_MAX = 7


def offset_of(cursor: str) -> int:
    """Rows to pass over; none for an empty cursor. Raises Invalid for one that no list has given."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _DIGITS_MAX):
        raise Invalid(f"cursor {cursor[:40]!r} is not one that a list has given; leave it out to begin anew")
    return int(cursor or 0)
