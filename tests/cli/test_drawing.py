"""Lines for a terminal: aligned in any script, harmless whatever telemetry brings in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ordertrace.cli.drawing import columns, fit, printable, width_of


def test_aligns_cyrillic_and_wide_texts() -> None:
    lines = columns([["заказ", "а"], ["id", "б"], ["漢字", "в"]], None)
    assert [width_of(line[: line.rindex(last)]) for line, last in zip(lines, "абв", strict=True)] == [7, 7, 7]


def test_cuts_the_last_column_to_the_terminal() -> None:
    (line,) = columns([["A-1", "a very long reason that does not fit"]], 20)
    assert line == "A-1  a very long re…"


@given(st.text(), st.integers(1, 60))
def test_fits_any_text_exactly(text: str, width: int) -> None:
    assert width_of(fit(printable(text), width)) == width


@given(st.text())
def test_prints_nothing_that_steers_a_terminal(text: str) -> None:
    assert not any(ord(character) < 32 or ord(character) in range(0x7F, 0xA0) for character in printable(text))
