"""The whole server killed at random moments under load of every kind, with requests sent twice: once acknowledged, there once."""

from __future__ import annotations

from bench.kills import killed


def test_kills_lose_and_double_nothing() -> None:
    assert not killed(times=2, seed=5)
