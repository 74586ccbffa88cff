"""`ordertrace demo` as a newcomer runs it: orders appear, Ctrl-C leaves nothing behind, a second start works at once."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.cli.conftest import Background, running


def test_orders_appear_and_nothing_stays(tmp_path: Path, rabbit_node: str) -> None:
    for seed in ("1", "2"):
        with running(
            tmp_path, "demo", "--orders-per-minute", "300", "--seed", seed, ORDERTRACE_AMQP_URL=rabbit_node
        ) as demo:
            demo.wait_for("OTLP HTTP")
            orders = _orders(demo)
            assert all(order["id"].startswith("ALX-") for order in orders)
            assert demo.stop() == 0
        assert not _processes_in(tmp_path)
        assert (tmp_path / ".demo" / "truth.jsonl").stat().st_size > 0


def _orders(demo: Background) -> list[dict[str, Any]]:
    """The orders on the board, as soon as there are some; the test's own time limit is the suite's."""
    for _ in range(600):
        with urllib.request.urlopen(f"{demo.url}/api/v1/orders") as answer:
            orders: list[dict[str, Any]] = json.load(answer)["orders"]
        if len(orders) >= 3:
            return orders
        time.sleep(0.1)
    raise AssertionError(f"no orders: {demo.said}")


def _processes_in(directory: Path) -> list[str]:
    """Command lines of processes that still work in the demo's directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd").startswith(str(directory)):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue  # it ended while we looked, or is not ours
    return found
