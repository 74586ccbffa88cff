"""A real recording taken in by poor rules and worked through again is what the right rules make of it when it comes in."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import CliRunner

from ordertrace.app import serving
from ordertrace.cli.main import cli
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.sections import OrderSettings
from ordertrace.store.store import Row, Store
from tests.captures.test_scores import CAPTURES, capture_settings
from tests.orders.replaying import COLUMNS, DERIVED, dump


async def rows_of(settings: Settings, *recordings: Path) -> list[list[Row]]:
    """What is derived in a store once the recordings are taken in and all is by the rules of the settings."""
    async with serving(settings) as server:
        for recording in recordings:
            arguments = ["import", "--api", server.web_url, str(recording)]
            done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
            assert done.exit_code == 0, done.output
        async with asyncio.timeout(300):
            await server.replayer.in_force.wait()
    store = Store(settings, Metrics())
    try:
        return await dump(store, *DERIVED, COLUMNS)
    finally:
        store.close()


async def test_replay_equals_a_fresh_import(tmp_path: Path) -> None:
    recording = CAPTURES / "java-http-orderid.tar.gz"
    right = capture_settings(tmp_path / "again")
    poor = right.model_copy(
        update={"order": OrderSettings(), "step": (*right.step[:4], *right.step[5:]), "system": right.system[:1]}
    )
    before = await rows_of(poor, recording)
    again = await rows_of(right)
    fresh = await rows_of(capture_settings(tmp_path / "fresh"), recording)
    assert before[0] != fresh[0]
    assert again == fresh
