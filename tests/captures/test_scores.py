"""What ordertrace makes of telemetry recorded from real agents, against the truth beside it, counted as the scorer counts."""

from __future__ import annotations

import asyncio
import os
import runpy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from click.testing import CliRunner

from ordertrace.app import Server, serving
from ordertrace.cli.main import cli
from ordertrace.settings import Settings, load_settings
from tests.captures.harm import OFF_SECONDS, harm, silenced

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("ORDERTRACE_CAPTURES") or ROOT.parent / "shared" / "captures")
NAMES = (
    "java-grpc-plain", "java-http-orderid", "java-tuned", "clients-node-go", "python-shop", "brave-zipkin",
    "java-agent-zipkin",
)  # fmt: skip
# Five orders of this capture were created and abandoned, and nothing in it says their numbers.
UNSAID = {"java-agent-zipkin": 5}


def scorer() -> SimpleNamespace:
    """The scorer that lies beside the captures."""
    path = CAPTURES / "score"
    if not path.is_file():
        pytest.fail(f"{CAPTURES} has no recordings: put them there, or name their folder in ORDERTRACE_CAPTURES")
    return SimpleNamespace(**runpy.run_path(str(path)))


def capture_settings(directory: Path) -> Settings:
    """The settings for the recorded system, with a store and ports of our own."""
    listen = dict.fromkeys(("otlp_grpc", "otlp_http", "web", "zipkin", "jaeger_storage"), "127.0.0.1:0")
    given = load_settings(ROOT / "examples/captures/ordertrace.toml").model_dump()
    return Settings.model_validate(given | {"store": {"url": f"chdb://{directory}"}, "listen": listen})


async def import_into(server: Server, recording: Path) -> None:
    """Imports a recording as an operator would, until all of it is stored and judged."""
    arguments = ["import", "--api", server.web_url, str(recording)]
    done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert done.exit_code == 0, done.output


def count_deviations(api: str, truth: dict[str, Any]) -> Counter[str]:
    """Orders of which a status really came twice, and of which it is said; `wrong`: said of others, or anything but that."""
    counted: Counter[str] = Counter()
    for order_id, order in truth["orders"].items():
        answer = httpx2.get(f"{api}/api/v1/orders/{quote(order_id, safe='')}")
        said = {one["status"] for one in answer.json().get("deviations", ()) if one["kind"] in ("repeated", "back")}
        other = [one for one in answer.json().get("deviations", ()) if one["kind"] not in ("repeated", "back")]
        times = Counter(status["status"] for status in order["statuses"])
        twice = {status for status, count in times.items() if count > 1}
        counted["repeated"] += bool(twice)
        counted["named"] += bool(said & twice)
        counted["deviation_wrong"] += bool(said - twice or other)
    return counted


async def score_of(directory: Path, recording: Path, count: Callable[[str], Counter[str]]) -> Counter[str]:
    """Imports a recording into a server of its own and counts; `count` is given the address of the API."""
    async with serving(capture_settings(directory)) as server:
        await import_into(server, recording)
        return await asyncio.to_thread(count, server.web_url)


@pytest.mark.parametrize("name", NAMES)
async def test_orders_are_as_they_really_were(tmp_path: Path, name: str) -> None:
    score, recording = scorer(), CAPTURES / f"{name}.tar.gz"
    truth = score.truth_of(str(recording))

    def count(api: str) -> Counter[str]:
        counted: Counter[str] = score.score(api, None, truth, True)
        return counted + count_deviations(api, truth)

    counted = await score_of(tmp_path / "data", recording, count)
    orders = counted["orders"] - UNSAID.get(name, 0)
    assert (counted["found"], counted["status"], counted["state"]) == (orders, orders, orders)
    assert counted["fault"] >= 0.97 * (counted["faulty"] - UNSAID.get(name, 0))
    assert counted["false"] == 0
    assert counted["joined"] >= (0.93 if name == "java-agent-zipkin" else 0.99) * counted["traces"]
    assert counted["wrong"] <= 0.001 * counted["listed"]
    assert counted["deviation_wrong"] == 0
    assert counted["named"] >= min(1, counted["repeated"])


@pytest.mark.parametrize(
    ("name", "service", "seed"),
    [
        ("java-tuned", "shop", 1),
        ("brave-zipkin", "crm", 1),
        ("java-grpc-plain", "crm", 1),
        ("java-grpc-plain", "crm", 2),
        ("python-shop", "crm", 4),
    ],
)
async def test_a_bad_day_leads_to_no_false_diagnosis(tmp_path: Path, name: str, service: str, seed: int) -> None:
    """What the dropped requests alone had told is missing; nothing is said that is not so."""
    score, recording = scorer(), CAPTURES / f"{name}.tar.gz"
    truth = score.truth_of(str(recording))
    dropped = harm(recording, tmp_path / name, service, seed)
    lost = silenced(recording, dropped, truth["orders"])

    def count(api: str) -> Counter[str]:
        counted: Counter[str] = score.score(api, None, truth, True)
        skews = {
            system["name"]: system["skew_seconds"] for system in httpx2.get(f"{api}/api/v1/systems").json()["systems"]
        }
        counted += count_deviations(api, truth)
        counted["skew_right"] = abs((skews[service] or 0) - OFF_SECONDS) < 0.1
        return counted

    counted = await score_of(tmp_path / "data", tmp_path / name, count)
    assert counted["false"] == 0
    assert counted["wrong"] <= 0.001 * counted["listed"]
    assert counted["status"] >= 0.98 * counted["orders"]
    assert counted["faulty"] - counted["fault"] - len(lost) <= 0.02 * counted["orders"]
    assert counted["deviation_wrong"] == 0
    assert counted["skew_right"]
