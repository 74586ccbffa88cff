"""`ordertrace serve` as a process of its own that watches a broker, to be killed, frozen and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alexandrite.broker import free_ports
from ordertrace.model.message import STUCK

from .company import until

COMMAND = Path(sys.executable).with_name("ordertrace")


@dataclass(slots=True)
class Watcher:
    """One data directory, one broker; a process at a time."""

    directory: Path
    broker: Mapping[str, Any]
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    async def start(self) -> None:
        """Returns when the process sees the broker's firehose."""
        ports = dict.fromkeys(("OTLP_GRPC", "OTLP_HTTP", "ZIPKIN", "JAEGER_STORAGE"), 0) | {"WEB": self.port}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORDERTRACE_")}
        own = {f"ORDERTRACE_LISTEN__{name}": f"127.0.0.1:{port}" for name, port in ports.items()}
        own |= {
            "ORDERTRACE_STORE__URL": f"chdb://{self.directory / 'data'}",
            "ORDERTRACE_BROKER": json.dumps([{"name": "main", **self.broker}]),
        }
        with (self.directory / "said.log").open("ab") as said:
            self.process = subprocess.Popen(  # noqa: ASYNC220 starts in milliseconds
                [COMMAND, "serve"], cwd=self.directory, env=kept | own, stdout=said, stderr=said, start_new_session=True
            )
        await until(self.sees)

    def sees(self) -> bool:
        """Whether heartbeats come back."""
        try:
            text = self._get("/metrics").decode()
        except OSError:
            return False
        return bool(re.search(r'^ordertrace_tap_lag_seconds{broker="main"} \S+$', text, re.MULTILINE))

    def kill(self) -> None:
        """As a power cut would."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        self.process = None

    def freeze(self) -> None:
        assert self.process
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        os.killpg(self.process.pid, signal.SIGCONT)

    def messages(self, **query: str) -> list[dict[str, Any]]:
        """What `/api/v1/messages` answers."""
        asked = "&".join(f"{name}={quote(value)}" for name, value in ({"limit": "1000"} | query).items())
        found: list[dict[str, Any]] = json.loads(self._get(f"/api/v1/messages?{asked}"))["messages"]
        return found

    def verdicts(self) -> dict[tuple[str, str], str]:
        """(order, queue) → verdict in force, of all messages published lately."""
        return {
            (each["order_id"], each["queue"] or ""): each["verdict"]
            for asked in _TROUBLED
            for each in self.messages(**asked)
            if not each["cleared_at"]
        }

    def gaps(self) -> list[str]:
        """Reasons of gaps, as this process has counted them."""
        text = self._get("/metrics").decode()
        return re.findall(r'^ordertrace_watch_gaps_total{broker="main",reason="(\w+)"} [1-9]', text, re.MULTILINE)

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            content: bytes = answer.read()
            return content


_TROUBLED: tuple[dict[str, str], ...] = ({"state": "lost"}, *({"verdict": verdict.value} for verdict in sorted(STUCK)))
