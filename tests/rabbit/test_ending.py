"""A watch ends when it is told to, whatever its libraries make of that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from alexandrite.broker import RabbitNode
from ordertrace.rabbit import session
from ordertrace.rabbit.queues import QueueCounter
from ordertrace.rabbit.tap import Tap

from .company import addresses, company_at, until, watching

VHOST = "alexandrite.ending"
FAR_TOO_LONG_SECONDS = 30


@pytest.mark.parametrize(("place", "name"), [(QueueCounter, "count"), (Tap, "acknowledge"), (session, "exists")])
async def test_a_swallowed_cancellation_does_not_keep_it(
    watched_node: RabbitNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    """As `asyncio.wait_for` does before Python 3.12 when what it waits for arrives at the same time."""
    reached = asyncio.Event()

    async def swallow(*_: Any) -> bool:
        reached.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return True
        raise AssertionError("nobody has cancelled it")

    watched = addresses(watched_node, VHOST)
    monkeypatch.setattr(place, name, swallow)
    async with asyncio.timeout(FAR_TOO_LONG_SECONDS), company_at(watched_node, VHOST), watching(*watched, tmp_path):
        await until(reached.is_set)
