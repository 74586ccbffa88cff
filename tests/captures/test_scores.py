"""What ordertrace makes of telemetry recorded from real agents, against the truth beside it, counted as the scorer counts."""

from __future__ import annotations

import asyncio
import os
import runpy
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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
from tests.captures.harm import OFF_SECONDS, gone, harm

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


class Answers:
    """What the API says of all orders of a recording: each is asked for once, however many count."""

    def __init__(self, score: SimpleNamespace, truth: dict[str, Any]) -> None:
        self._score = score
        self._truth = truth
        self._by_path: dict[str, Any] = {}
        score.score.__globals__["get"] = lambda api, path, token: self._by_path[path]

    def ask(self, api: str) -> None:
        """Asks, four at a time. Fails where the API says anything but an order or that there is none."""
        with httpx2.Client(base_url=api, timeout=60) as http, ThreadPoolExecutor(4) as threads:
            answers = dict(
                zip(paths := list(map(_path, self._truth["orders"])), threads.map(http.get, paths), strict=True)
            )
        assert {answer.status_code for answer in answers.values()} <= {200, 404}
        self._by_path = {path: answer.json() if answer.is_success else None for path, answer in answers.items()}

    def count(self) -> Counter[str]:
        """As the scorer counts, and the deviations said of orders."""
        counted: Counter[str] = self._score.score("", None, self._truth, True)
        return counted + self._count_deviations()

    def poorly_explained(self) -> set[str]:
        """Orders that are not known, whose status or state is not right, or whose fault is not named."""
        return {
            name
            for name, order in self._truth["orders"].items()
            if not (answer := self._by_path[_path(name)]) or self._is_poor(answer, order["fault"], order["end"])
        }

    def _is_poor(self, answer: dict[str, Any], fault: str | None, end: dict[str, Any]) -> bool:
        closed = end["kind"] == "closed"
        kind = (answer["diagnosis"] or {}).get("kind")
        unnamed = not closed and fault in self._score.FITS and kind not in self._score.FITS[fault]
        return answer["status"] != end["status"] or (answer["state"] == "closed") != closed or unnamed

    def _count_deviations(self) -> Counter[str]:
        """Orders of which a status really came twice, and of which it is said; `wrong`: said of others, or anything else."""
        counted: Counter[str] = Counter()
        for order_id, order in self._truth["orders"].items():
            said = (self._by_path[_path(order_id)] or {}).get("deviations", ())
            again = {one["status"] for one in said if one["kind"] in ("repeated", "back")}
            other = [one for one in said if one["kind"] not in ("repeated", "back")]
            times = Counter(status["status"] for status in order["statuses"])
            twice = {status for status, count in times.items() if count > 1}
            counted["repeated"] += bool(twice)
            counted["named"] += bool(again & twice)
            counted["deviation_wrong"] += bool(again - twice or other)
        return counted


def _path(order_id: str) -> str:
    return "/api/v1/orders/" + quote(order_id, safe="")


async def ask(directory: Path, recording: Path, answers: Answers) -> dict[str, float | None]:
    """Imports a recording into a server of its own and asks it; how far the clocks of its systems are held to be off."""
    async with serving(capture_settings(directory)) as server:
        await import_into(server, recording)
        await asyncio.to_thread(answers.ask, server.web_url)
        systems = await asyncio.to_thread(httpx2.get, f"{server.web_url}/api/v1/systems", timeout=30)
        return {system["name"]: system["skew_seconds"] for system in systems.json()["systems"]}


@pytest.mark.parametrize("name", NAMES)
async def test_orders_are_as_they_really_were(tmp_path: Path, name: str) -> None:
    score, recording = scorer(), CAPTURES / f"{name}.tar.gz"
    answers = Answers(score, score.truth_of(str(recording)))
    await ask(tmp_path / "data", recording, answers)
    counted = answers.count()
    orders = counted["orders"] - UNSAID.get(name, 0)
    assert (counted["found"], counted["status"], counted["state"]) == (orders, orders, orders)
    assert counted["fault"] >= 0.97 * (counted["faulty"] - UNSAID.get(name, 0))
    assert counted["false"] == 0
    assert counted["joined"] >= (0.93 if name == "java-agent-zipkin" else 0.99) * counted["traces"]
    assert counted["wrong"] <= 0.001 * counted["listed"]
    assert counted["deviation_wrong"] == 0
    assert counted["named"] >= min(1, counted["repeated"])


@pytest.mark.parametrize(("service", "seed"), [("crm", 1), ("shop", 2)])
@pytest.mark.parametrize("name", NAMES)
async def test_a_bad_day_leads_to_no_false_diagnosis(tmp_path: Path, name: str, service: str, seed: int) -> None:
    """What the dropped requests alone had told is missing; nothing is said that is not so."""
    score, recording = scorer(), CAPTURES / f"{name}.tar.gz"
    truth = score.truth_of(str(recording))
    answers = Answers(score, truth)
    dropped = harm(recording, tmp_path / name, service, seed)
    skews = await ask(tmp_path / "data", tmp_path / name, answers)
    counted = answers.count()
    assert counted["false"] == 0
    assert counted["wrong"] <= 0.001 * counted["listed"]
    assert counted["deviation_wrong"] == 0
    assert len(answers.poorly_explained() - gone(recording, dropped, truth["orders"])) <= 0.02 * counted["orders"]
    assert abs((skews[service] or 0) - OFF_SECONDS) < 0.1
