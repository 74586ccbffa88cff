"""Cells that a spreadsheet would run, and files that are left alone when something goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ordertrace.cli.event_log import event_log_file
from ordertrace.cli.exports import harmless
from ordertrace.cli.main import cli


@pytest.mark.parametrize("cell", ["=1+1", "+7", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_become_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["A-1", "", 7, -3.5, None, "a=b", "'x"])
def test_other_cells_stay(cell: object) -> None:
    assert harmless(cell) == cell


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text("before")
    with pytest.raises(RuntimeError), event_log_file(path):
        raise RuntimeError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_shared_objects_are_written_once(tmp_path: Path) -> None:
    types = [{"name": "order", "attributes": []}, {"name": "system", "attributes": []}]
    for suffix in ("json", "sqlite"):
        with event_log_file(tmp_path / f"log.{suffix}") as log:
            for number in (1, 2):
                objects = [{"id": name, "type": kind, "attributes": [], "relationships": []}
                           for name, kind in ((f"order:{number}", "order"), ("system:shop", "system"))]  # fmt: skip
                page = {"objectTypes": types, "eventTypes": [], "objects": objects, "events": []}
                assert log.add(page) == 1
        assert log.objects == 3
    assert [one["id"] for one in json.loads((tmp_path / "log.json").read_text())["objects"]] == [
        "order:1", "system:shop", "order:2",
    ]  # fmt: skip


def test_without_a_server_it_says_so_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["export", "ocel", str(tmp_path / "x.json"), "--api", "http://127.0.0.1:9"])
    assert done.exit_code != 0
    assert "no answer from http://127.0.0.1:9" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
