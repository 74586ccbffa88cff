"""The server under test: `ordertrace serve` as a subprocess with a data directory of its own, and what the system says of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_LOOK_EVERY_SECONDS = 5.0
_TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """Runs while entered; `start_seconds` is from its start to its readiness."""

    def __init__(self, directory: Path, more: Mapping[str, str] | None = None) -> None:
        """`more` is environment beside that for the addresses and the store."""
        self.directory = directory
        self._more = more or {}
        self.ports = {name: free_port() for name in ("OTLP_GRPC", "OTLP_HTTP", "WEB", "ZIPKIN", "JAEGER_STORAGE")}
        self.start_seconds = 0.0

    def __enter__(self) -> Self:
        listening = {f"ORDERTRACE_LISTEN__{name}": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        environment = {**os.environ, **listening, "ORDERTRACE_STORE__URL": f"chdb://{self.directory}", **self._more}
        command = [sys.executable, "-m", "ordertrace.cli.main", "serve"]
        program = Path(sys.executable).parent / "ordertrace"
        end_as_if_interrupted()
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [str(program), "serve"] if program.exists() else command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=None,
        )
        try:
            self._wait("/readyz", 60)
        except BaseException:
            self._process.kill()
            raise
        self.start_seconds = time.perf_counter() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.ports['OTLP_GRPC']}"

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        return process_cpu_seconds(self._process.pid)

    def memory(self) -> tuple[float, float]:
        """Resident now and at most, in MB."""
        return process_memory(self._process.pid)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['WEB']}{path}", timeout=60) as answer:
            content: bytes = answer.read()
            return content

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        text = self.get("/metrics").decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    def wait_until_stored(self, spans: int, seconds: float = 300) -> None:
        """Returns once all that was acknowledged is stored and joined; raises AssertionError where that is less."""
        self.wait_until_idle(seconds)
        if (stored := self.metric("ordertrace_spans_stored_total")) < spans:
            raise AssertionError(f"{stored:.0f} spans are stored, {spans} were acknowledged")

    def kill(self) -> None:
        """As a crash would: no signal handler runs."""
        self._process.kill()
        self._process.wait()

    def wait_until_idle(self, seconds: float = 900) -> None:
        """Returns once all that was acknowledged is stored and joined: the journal holds no segment.

        Asks the disk; the server only now and then, as a reader, so that no group waits for somebody to look.
        """
        until, look_at = time.monotonic() + seconds, 0.0
        while any((self.directory / "journal").glob("*.segment")):
            if (now := time.monotonic()) > until:
                raise TimeoutError(f"something is not stored after {seconds} s")
            if now >= look_at:
                self.get("/api/v1/intake")
                look_at = now + _LOOK_EVERY_SECONDS
            time.sleep(0.1)

    def _wait(self, path: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                self.get(path)
                return
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.02)


def end_as_if_interrupted() -> None:
    """Makes SIGTERM end this process as an error does, so that the server it has started is stopped, too."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)


def process_cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def process_memory(pid: int) -> tuple[float, float]:
    """Resident now and at most, in MB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return tuple(int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[index,return-value]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
