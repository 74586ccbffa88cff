"""Runs the installed command as people do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("ordertrace")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """The environment without settings of the machine that the tests run on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORDERTRACE_")}
    return kept | {"PYTHONUTF8": "1"} | more


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("orders", "--json", VARIABLE="…")` in an empty directory."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return call


ANY_PORTS = {f"ORDERTRACE_LISTEN__{name}": "127.0.0.1:0" for name in ("WEB", "OTLP_GRPC", "OTLP_HTTP", "ZIPKIN")}


@dataclass(slots=True)
class Background:
    """A command that runs until stopped, and what it has said so far."""

    process: subprocess.Popen[str]
    said: list[str]

    @property
    def url(self) -> str:
        """The server's address, from the line that names it; the pages' line comes first."""
        return next(word for line in self.said for word in line.split() if word.startswith("http://")).rstrip("/")

    def wait_for(self, text: str) -> None:
        """Reads on until a line holds `text`; fails with everything said if the command ends before."""
        assert self.process.stdout is not None
        while not any(text in line for line in self.said):
            line = self.process.stdout.readline()
            assert line, f"ended without {text!r}: {self.said}"
            self.said.append(line.rstrip())

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Sends a signal; the exit code."""
        self.process.send_signal(number)
        self.said += self.process.communicate(timeout=60)[0].splitlines()
        return self.process.returncode


@contextmanager
def running(directory: Path, *arguments: str, **variables: str) -> Iterator[Background]:
    """A command in the background; killed if the test has not stopped it."""
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=directory,
        env=environment(**(ANY_PORTS | variables)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Background(process, [])
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
