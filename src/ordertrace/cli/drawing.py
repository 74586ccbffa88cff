"""Text for a terminal: columns that are aligned whatever the script, colours that vanish in a pipe. Knows no orders."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence

import click

COLOUR_OF_STATE = {"open": "blue", "stuck": "yellow", "failed": "red", "closed": "green", "cancelled": "bright_black"}
_GAP = "  "


def width_of(text: str) -> int:
    """Columns that a text takes on a terminal: none for combining marks, two for wide characters."""
    return sum(_width(character) for character in click.unstyle(text))


def fit(text: str, width: int) -> str:
    """The text in exactly `width` columns, cut with an ellipsis or filled with spaces; styled texts are only filled."""
    text = printable(text) if "\x1b" not in text else text
    if width_of(text) <= width:
        return text + " " * (width - width_of(text))
    kept, used = "", 0
    for character in text:
        if used + _width(character) > width - 1:
            break
        kept, used = kept + character, used + _width(character)
    return f"{kept}…" + " " * (width - 1 - used)


def printable(text: str) -> str:
    """One line without control characters: what telemetry brings in must not steer the terminal."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)


def columns(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Rows as aligned lines. The last column gets what is left of `width`; None leaves every cell whole."""
    if not rows:
        return []
    widths = [max(width_of(printable(row[i])) for row in rows) for i in range(len(rows[0]))]
    if width is not None:
        taken = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        widths[-1] = max(10, min(widths[-1], width - taken))
    return [_GAP.join(fit(cell, widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows]


def terminal_width() -> int | None:
    """Columns of the terminal that we print to; None where nobody sees lines wrap."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else None


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
