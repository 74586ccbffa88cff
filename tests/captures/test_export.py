"""Exports of telemetry recorded from real agents, read as others read them: OCEL 2.0 with pm4py, CSV and JSON."""

from __future__ import annotations

import asyncio
import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pm4py
import pytest
from click.testing import CliRunner

from ordertrace.app import serving
from ordertrace.cli.main import cli
from ordertrace.metrics import Metrics
from ordertrace.store.store import open_store
from tests.captures.test_analysis import ways
from tests.captures.test_scores import CAPTURES, capture_settings, import_into, scorer

NAME = "java-http-orderid"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder with all exports of one recording, and what the API and the store have themselves."""
    directory = tmp_path_factory.mktemp("export")
    return directory, asyncio.run(export_all(directory))


async def export_all(directory: Path) -> dict[str, Any]:
    settings = capture_settings(directory / "data")
    async with serving(settings) as server:
        await import_into(server, CAPTURES / f"{NAME}.tar.gz")
        for what, file in (("ocel", "log.json"), ("ocel", "log.sqlite"), ("orders", "o.csv"), ("orders", "o.json")):
            arguments = ["export", what, str(directory / file), "--api", server.web_url]
            done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
            assert done.exit_code == 0, done.output
        told = await asyncio.to_thread(facts_of, server.web_url)
    async with open_store(settings, Metrics()) as store:
        rows = await store.query("export_message_steps", {"orders": list(told), "limit": 1_000_000})
    return {"facts": told, "steps": rows}


def facts_of(url: str) -> dict[str, list[dict[str, Any]]]:
    """The events of each order as its page shows them, without what nobody saw."""
    ids = [order["id"] for order in httpx2.get(f"{url}/api/v1/orders", params={"limit": 1000}).json()["orders"]]
    return {
        i: [
            event
            for event in httpx2.get(f"{url}/api/v1/orders/{i}").json()["events"]
            if event["joined_by"] != "inferred"
        ]
        for i in ids
    }


@pytest.mark.parametrize("form", ["json", "sqlite"])
def test_pm4py_reads_what_the_store_has(exported: tuple[Path, dict[str, Any]], form: str) -> None:
    directory, told = exported
    read = pm4py.read_ocel2_json if form == "json" else pm4py.read_ocel2_sqlite
    log = read(str(directory / f"log.{form}"))
    facts, steps = told["facts"], told["steps"]
    objects = Counter(log.objects["ocel:type"])
    assert objects["order"] == len(facts) == 120
    assert objects["message"] == len({(row[1], row[2]) for row in steps})
    assert objects["trace"] == len(
        {event["trace_id"] for found in facts.values() for event in found if event["trace_id"]}
    )
    assert objects["queue"] == len({(row[1], row[3]) for row in steps if row[3]})
    assert set(log.objects[log.objects["ocel:type"] == "system"]["ocel:oid"]) >= {
        "system:shop",
        "system:crm",
        "system:mes",
    }
    activities = Counter(log.events["ocel:activity"])
    of_messages = {name: count for name, count in activities.items() if name.startswith("message ")}
    assert of_messages == Counter(f"message {row[5]}" for row in steps)
    assert sum(activities.values()) - sum(of_messages.values()) == sum(len(found) for found in facts.values())
    related = log.relations
    assert set(related[related["ocel:type"] == "order"]["ocel:qualifier"]) == {"reaches", "concerns"}
    assert len(related["ocel:eid"].unique()) == len(log.events)


def test_the_ways_in_the_log_are_those_that_orders_really_went(exported: tuple[Path, dict[str, Any]]) -> None:
    """As a miner sees them: the log flattened to its orders, with the statuses that they reach."""
    log = pm4py.read_ocel2_json(str(exported[0] / "log.json"))
    reached = log.relations[log.relations["ocel:qualifier"] == "reaches"]
    ordered = reached.sort_values(["ocel:oid", "ocel:timestamp"], kind="stable")
    found = Counter(tuple(group["ocel:activity"]) for _, group in ordered.groupby("ocel:oid"))
    assert found == ways(scorer().truth_of(str(CAPTURES / f"{NAME}.tar.gz")), True)
    flat = pm4py.ocel_flattening(log, "order")
    assert flat["case:concept:name"].nunique() == 120


def test_the_log_is_valid_and_says_no_more_than_it_must(exported: tuple[Path, dict[str, Any]]) -> None:
    text = (exported[0] / "log.json").read_text()
    log = json.loads(text)
    types = {kind["name"] for kind in log["eventTypes"]}
    known = {one["id"] for one in log["objects"]}
    assert {event["type"] for event in log["events"]} <= types
    assert {one["objectId"] for event in log["events"] for one in event["relationships"]} <= known
    assert {one["objectId"] for each in log["objects"] for one in each["relationships"]} <= known
    assert len({event["id"] for event in log["events"]}) == len(log["events"])
    assert "@" not in text
    assert "stacktrace" not in text


def test_orders_come_as_table_and_as_json(exported: tuple[Path, dict[str, Any]]) -> None:
    directory, told = exported
    with (directory / "o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = json.loads((directory / "o.json").read_text())
    assert [row["id"] for row in rows] == [order["id"] for order in listed] == sorted(told["facts"])
    assert Counter(row["state"] for row in rows)["closed"] == 85
    assert all(bool(row["diagnosis_text"]) == (row["state"] in ("stuck", "failed")) for row in rows)
