"""What it takes to work history through again after a change of rules, beside what it took to take it in."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

from bench.server import Server

# Finds the same orders in another way: every row that names one is written anew.
_OTHER_RULES = {"ORDERTRACE_ORDER__ID": json.dumps(["pattern:order.id:^(?P<id>.+)$"])}


def measure_replay(data: Path, ingest_spans_a_second: float) -> dict[str, float]:
    """Starts a server with other rules on the data that one with the built-in rules has left; figures by name."""
    with Server(data, _OTHER_RULES) as server:
        started, cpu = time.monotonic(), server.cpu_seconds()
        while (replay := json.loads(server.get("/api/v1/replay")))["state"] != "done" or not replay["total"]["spans"]:
            if replay["problem"] or time.monotonic() - started > 900:
                raise RuntimeError(f"history is not worked through: {replay}")
            time.sleep(0.2)
        cpu, spans = server.cpu_seconds() - cpu, replay["done"]["spans"]
        began, ended = (datetime.fromisoformat(replay[name]) for name in ("started_at", "finished_at"))
        rate = spans / (ended - began).total_seconds()
        return {
            "replay_spans_a_second": rate,
            "replay_to_ingest_ratio": rate / ingest_spans_a_second,
            "replay_cpu_us_a_span": cpu / spans * 1e6,
            "replay_memory_mb": server.memory()[1],
        }
