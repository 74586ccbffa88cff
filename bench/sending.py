"""Runs the sender in a process of its own and reads what it measured."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sent:
    """`wall`: seconds from the first request to the last answer; `answers`: seconds of each, shortest first."""

    wall: float
    answers: Sequence[float]

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the requests was answered."""
        return self.answers[min(len(self.answers) - 1, int(len(self.answers) * share))]


def send(address: str, directory: Path, requests: list[bytes], in_flight: int, a_second: float = 0) -> Sent:
    """Sends all and waits for the answers."""
    with sending(address, directory, requests, in_flight, a_second) as sender:
        return finished(sender)


def send_small(address: str, directory: Path, requests: list[bytes], senders: int) -> Sent:
    """As `send`, for many small requests, with next to no CPU of its own."""
    with prepared(address, directory, requests, senders, program="bench.small_sender") as sender:
        go(sender)
        return finished(sender)


@contextmanager
def sending(
    address: str, directory: Path, requests: list[bytes], in_flight: int, a_second: float = 0
) -> Iterator[subprocess.Popen[str]]:
    """A sender that has begun; ask `finished` for what it measured."""
    with prepared(address, directory, requests, in_flight, a_second=a_second) as sender:
        go(sender)
        yield sender


@contextmanager
def prepared(
    address: str,
    directory: Path,
    requests: list[bytes],
    in_flight: int,
    passes: Sequence[int] = (),
    a_second: float = 0,
    program: str = "bench.sender",
) -> Iterator[subprocess.Popen[str]]:
    """A sender that has its requests and waits for `go`; with `passes` it sends all once a pass, each time with other ids."""
    path = directory / "requests.pickle"
    if not passes or not path.exists():
        path.write_bytes(pickle.dumps(requests))
    command = [
        sys.executable,
        "-m",
        program,
        address,
        str(path),
        str(in_flight),
        str(a_second),
        *map(str, passes),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sender:
        try:
            yield sender
        except BaseException:
            sender.kill()  # it would go on until all is sent
            raise


def go(sender: subprocess.Popen[str]) -> None:
    """Lets a prepared sender begin."""
    assert sender.stdout
    assert sender.stdin
    sender.stdout.readline()
    sender.stdin.write("go\n")
    sender.stdin.flush()


def finished(sender: subprocess.Popen[str]) -> Sent:
    """Waits for the end."""
    assert sender.stdout
    answered = json.loads(sender.stdout.readline())
    return Sent(answered["wall"], sorted(answered["answers"]))
