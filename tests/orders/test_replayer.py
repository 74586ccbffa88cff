"""After a change of rules or of the flow all rows are as if everything had come in under the new ones."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ordertrace.model.replay import Replay, ReplayPhase
from ordertrace.orders.fingerprint import build_prints, differing
from ordertrace.store.store import Row
from tests.orders.replaying import (
    BEGAN,
    COLUMNS,
    FACTS,
    STEPS,
    Evidence,
    build_evidence,
    dump,
    joining,
    nothing,
    replaying,
    settings_at,
)
from tests.store.test_joiner import insert

NO_EVIDENCE = Evidence((), (), ())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A store joined by the old rules, its facts, and what the new rules make of the same evidence when it comes in."""

    store: Path
    before: list[Row]
    expected: list[list[Row]]
    columns: list[Row]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Made once: each test takes a copy of the store."""
    directory = tmp_path_factory.mktemp("replays")

    async def prepare() -> Prepared:
        evidence = build_evidence(5)
        expected = await rows_of_a_fresh_import(directory / "fresh", evidence)
        async with joining(directory / "fresh", new=True) as place:
            (columns,) = await dump(place.store, COLUMNS)
        (before,) = await store_by_old_rules(directory / "old", evidence)
        return Prepared(directory / "old", before, expected, columns)

    return asyncio.run(prepare())


@pytest.fixture
def old_store(prepared: Prepared, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared.store, tmp_path / "again", symlinks=True))


async def rows_of_a_fresh_import(directory: Path, *evidence: Evidence) -> list[list[Row]]:
    """What the new rules make of evidence that comes in."""
    async with joining(directory, new=True) as place:
        for number, part in enumerate(evidence):
            await place.take(part, BEGAN + timedelta(hours=number))
        return await dump(place.store)


async def store_by_old_rules(directory: Path, evidence: Evidence) -> list[list[Row]]:
    async with joining(directory, new=False) as place:
        async with replaying(place) as replayer:
            await replayer.run(nothing, nothing)  # notes what the rows are made by
        await place.take(evidence, BEGAN)
        return await dump(place.store, FACTS)


async def test_rows_are_those_of_a_fresh_import(prepared: Prepared, old_store: Path) -> None:
    async with joining(old_store, new=True) as place, replaying(place) as replayer:
        await replayer.run(nothing, nothing)
        assert await dump(place.store) == prepared.expected
        assert await dump(place.store, COLUMNS) == [prepared.columns]
    assert prepared.before != prepared.expected[0]
    assert replayer.in_force.is_set()


async def test_what_comes_in_meanwhile_is_there_too(prepared: Prepared, old_store: Path, tmp_path: Path) -> None:
    later = build_evidence(2, traces=10, first=100)
    expected = await rows_of_a_fresh_import(tmp_path / "fresh", build_evidence(5), later)
    async with joining(old_store, new=True) as place, replaying(place) as replayer:

        async def comes_in() -> None:
            await place.take(later, datetime.now(UTC).replace(microsecond=0))

        await replayer.run(comes_in, nothing)
        assert await dump(place.store) == expected


async def test_readers_see_the_old_rows_until_all_new_ones_are_there(prepared: Prepared, old_store: Path) -> None:
    seen: list[list[Row]] = []
    async with joining(old_store, new=True) as place, replaying(place) as replayer:

        async def look(replay: Replay, now: datetime) -> None:
            seen.extend(await dump(place.store, FACTS))
            await save(replay, now)

        save, replayer._replays.save = replayer._replays.save, look  # type: ignore[method-assign]
        await replayer.run(nothing, nothing)
    assert len(seen) > 8
    assert all(facts in (prepared.before, prepared.expected[0]) for facts in seen)


@pytest.mark.parametrize("step", STEPS)
async def test_goes_on_after_a_kill(prepared: Prepared, old_store: Path, step: str) -> None:
    command = [sys.executable, "-m", "tests.orders.replaying", step, str(old_store)]
    killed = await asyncio.to_thread(
        subprocess.run, command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300
    )
    assert killed.returncode == -9, killed.stderr
    async with joining(old_store, new=True) as place, replaying(place) as replayer:
        await replayer.recover()
        await replayer.run(nothing, nothing)
        assert await dump(place.store) == prepared.expected
        beside = "SELECT count() FROM system.databases WHERE name LIKE '%replay'"
        assert await dump(place.store, beside) == [[(0,)]]


async def test_nothing_is_done_while_the_rules_are_the_same(tmp_path: Path) -> None:
    async with joining(tmp_path, new=True) as place:
        async with replaying(place) as first:
            await first.run(nothing, nothing)
        await place.take(build_evidence(1), BEGAN)
        before = await dump(place.store)
        async with replaying(place) as second:
            await second.run(nothing, nothing)
            replay, _ = second.progress()
        assert replay
        assert (replay.phase, sum(replay.done.values())) == (ReplayPhase.DONE, 0)
        assert await dump(place.store) == before


async def test_facts_whose_evidence_is_gone_are_kept_with_the_new_ranks(tmp_path: Path) -> None:
    """Retention of spans is shorter than that of facts."""
    await store_by_old_rules(tmp_path, NO_EVIDENCE)
    async with joining(tmp_path, new=False) as place:
        facts = [
            ("A-1", BEGAN, event, "shop", "status", "SUBMITTED", 0, "gone", "s1", "attribute", BEGAN, told_at)
            for event, told_at in (("kept", BEGAN), ("made anew", datetime.now(UTC)))
        ]
        columns = ("order_id", "at", "event_id", "system", "kind", "status", "rank", "trace_id", "span_id", "joined_by",
                   "inserted_at", "told_at")  # fmt: skip
        await place.store.insert("order_events", columns, facts)
        await insert(
            place.store, -3_600_000, {"TraceId": "t", "SpanAttributes": {"new.id": "A-1", "new.status": "CLOSED"}}
        )
        await place._insert_logs(
            [{"Timestamp": BEGAN, "Body": "", "LogAttributes": {}}], datetime.now(UTC) - timedelta(hours=1)
        )
    async with joining(tmp_path, new=True) as place, replaying(place) as replayer:
        await replayer.run(nothing, nothing)
        (found,) = await dump(place.store, FACTS)
    assert [(row[6], row[7], row[8]) for row in found if row[8] == "gone"] == [("SUBMITTED", 1, "gone")]
    assert [(row[6], row[8]) for row in found if row[8] == "t"] == [("CLOSED", "t")]


def test_what_determines_rows_is_what_is_compared(tmp_path: Path) -> None:
    old, new = settings_at(tmp_path, new=False), settings_at(tmp_path, new=True)
    assert differing(build_prints(new), build_prints(old)) == (
        "order.id",
        "order.key",
        "order.status",
        "step",
        "system",
    )
    same = new.model_copy(update={"company": new.company.model_copy(update={"name": "Other"})})
    assert build_prints(same) == build_prints(new)
