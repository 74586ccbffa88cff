"""Which language an `Accept-Language` header asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordertrace.api.language import LANGUAGES, choose_language


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", "ru"),
        ("en", "en"),
        ("EN-us", "en"),
        ("de, fr", "ru"),
        ("ru;q=0.3, en;q=0.8", "en"),
        ("*", "ru"),
        ("en;q=0", "ru"),
        ("en;q=much", "ru"),
    ],
)
def test_chooses(accepted: str, chosen: str) -> None:
    assert choose_language(accepted, "ru") == chosen


@given(st.text())
def test_always_chooses_one_of_ours(accepted: str) -> None:
    assert choose_language(accepted, "en") in LANGUAGES
