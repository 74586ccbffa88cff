"""`python -m bench.kills [--times N]`: kills the server at random moments under load, and fills its disk once.

Whatever was acknowledged must be in the store exactly once, and nothing else more than once; ends with 1 if it is not. The
disk is a file system in memory, for which the right to mount is needed; without it that part is passed over, and said.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.server import Server
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.store import open_store

_LOAD_SECONDS = (0.3, 2.5)
_A_REQUEST = 20
_FILLING = "x" * 500
_EXPORT = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"


class Load:
    """Sends from several threads until it is stopped; `acknowledged` holds the names of what was taken."""

    def __init__(self, server: Server, text: str = "") -> None:
        self._server, self._text = server, text
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=way) for way in (*[self._spans] * 3, self._logs, self._zipkin)]
        self.acknowledged: list[str] = []
        self.repeated = 0
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _spans(self) -> None:
        self._over_grpc("trace", "Trace", lambda names: _spans(names, self._text))

    def _logs(self) -> None:
        self._over_grpc("logs", "Logs", lambda names: _logs(names, self._text))

    def _over_grpc(self, signal: str, service: str, build: Callable[[list[str]], bytes]) -> None:
        with grpc.insecure_channel(self._server.grpc_address) as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_EXPORT.format(signal, service))
            while not self._stopping.is_set():
                names = _names(signal)
                body = build(names)
                try:
                    call(body, timeout=20)
                    if secrets.randbelow(10) == 0:  # as if the answer had been lost
                        call(body, timeout=20)
                        self.repeated += 1
                except grpc.RpcError:
                    self._stopping.wait(0.02)
                else:
                    self.acknowledged += names

    def _zipkin(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.ports["ZIPKIN"], timeout=20)
        while not self._stopping.is_set():
            names = _names("zipkin")
            spans = [
                {
                    "traceId": secrets.token_hex(16),
                    "id": secrets.token_hex(8),
                    "name": name,
                    "timestamp": time.time_ns() // 1000,
                }
                for name in names
            ]
            try:
                connection.request("POST", "/api/v2/spans", json.dumps(spans), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status == 202:
                    self.acknowledged += names
                else:
                    self._stopping.wait(0.02)
            except (OSError, http.client.HTTPException):
                connection.close()
                self._stopping.wait(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.kills")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    wrong = killed(chosen.times, chosen.seed)
    wrong |= filled()
    sys.exit(int(wrong))


def killed(times: int, seed: int) -> bool:
    """Whether anything is missing or double after so many kills."""
    chance, acknowledged, repeated = random.Random(seed), list[str](), 0
    directory = Path(tempfile.mkdtemp(prefix="ordertrace-kills-"))
    try:
        for _ in range(times):
            with Server(directory) as server:
                load = Load(server)
                time.sleep(chance.uniform(*_LOAD_SECONDS))
                server.kill()
                load.stop()
            acknowledged += load.acknowledged
            repeated += load.repeated
        with Server(directory) as server:
            server.wait_until_idle()
        return report(f"killed {times} times, {repeated} requests sent twice", directory, acknowledged)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def filled() -> bool:
    """The same with a disk that is full for a while."""
    directory = Path(tempfile.mkdtemp(prefix="ordertrace-full-"))
    try:
        with _small_disk(directory, "40m") as grow:
            if grow is None:
                sys.stdout.write("full disk: passed over, a file system cannot be mounted here\n")
                return False
            with Server(directory / "data", {"ORDERTRACE_JOURNAL__FREE_BYTES_MIN": "0"}) as server:
                load = Load(server, _FILLING)
                said = ""
                until = time.monotonic() + 120
                while "left on device" not in said and time.monotonic() < until:
                    said = _readiness(server)
                    time.sleep(0.1)
                time.sleep(3)
                grow()
                while _readiness(server) and time.monotonic() < until + 60:
                    time.sleep(0.1)
                load.stop()
                server.wait_until_idle()
            return report(f"full disk, unready with: {said[:120]}", directory / "data", load.acknowledged)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def report(what: str, directory: Path, acknowledged: list[str]) -> bool:
    """Prints what is missing or double; true if anything is."""
    found = Counter(asyncio.run(_stored(directory)))
    missing = [name for name in acknowledged if not found[name]]
    double = sum(count > 1 for count in found.values())
    sys.stdout.write(
        f"{what}: {len(acknowledged):,} acknowledged, {found.total():,} found, {len(missing)} missing, {double} double\n"
    )
    return bool(missing or double or not acknowledged)


async def _stored(directory: Path) -> list[str]:
    settings = Settings(store=StoreSettings(url=f"chdb://{directory}", result_rows_max=10_000_000))
    async with open_store(settings, Metrics()) as store:
        rows = (
            store.connect().query("SELECT SpanName FROM otel_traces UNION ALL SELECT Body FROM otel_logs").result_rows
        )
        return [row[0] for row in rows]


@contextmanager
def _small_disk(directory: Path, size: str) -> Iterator[Callable[[], None] | None]:
    """Mounts a small file system; gives what makes it larger, or None where that is not allowed."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], capture_output=True
    )
    if mounted.returncode:
        yield None
        return
    try:
        yield lambda: _remount(directory)
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def _remount(directory: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1g", str(directory)], check=True)


def _readiness(server: Server) -> str:
    """Why it is not ready; empty if it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["WEB"], timeout=20)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    text = answer.read().decode()
    return "" if answer.status == 200 else str(json.loads(text).get("detail", text))


def _names(kind: str) -> list[str]:
    """None of them looks like a number that the privacy rules replace."""
    return [f"{kind}-{secrets.token_hex(3)}x{secrets.token_hex(3)}x{secrets.token_hex(3)}" for _ in range(_A_REQUEST)]


def _spans(names: list[str], text: str) -> bytes:
    request, now = ExportTraceServiceRequest(), time.time_ns()
    spans = request.resource_spans.add().scope_spans.add().spans
    for name in names:
        span = spans.add(trace_id=secrets.token_bytes(16), span_id=secrets.token_bytes(8), name=name)
        span.start_time_unix_nano, span.end_time_unix_nano = now, now + 1000
        span.attributes.add(key="order.id").value.string_value = f"K-{name[-4:]}"
        if text:
            span.attributes.add(key="text").value.string_value = secrets.token_hex(len(text))
    return request.SerializeToString()


def _logs(names: list[str], text: str) -> bytes:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for name in names:
        record = records.add(time_unix_nano=time.time_ns())
        record.body.string_value = name
        if text:
            record.attributes.add(key="text").value.string_value = secrets.token_hex(len(text))
    return request.SerializeToString()


if __name__ == "__main__":
    main()
