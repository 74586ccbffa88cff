"""A second server in a process of its own: the engine opens one store a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_SERVE = """
import asyncio, signal, sys
from pathlib import Path
from tests.ingest.conftest import running, settings_in

async def serve():
    settings = settings_in(Path(sys.argv[1]))
    listen = settings.listen.model_copy(update={"otlp_http": sys.argv[2]})
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running(settings.model_copy(update={"listen": listen})) as run:
        print(run.grpc.address, run.http.address, flush=True)
        await stop.wait()

asyncio.run(serve())
"""
_READ = """
import sys
from pathlib import Path
from ordertrace.metrics import Metrics
from ordertrace.store.store import Store
from tests.ingest.conftest import settings_in

store = Store(settings_in(Path(sys.argv[1])), Metrics())
print(store.connect().query(sys.argv[2]).result_rows)
"""


class Receiving:
    """Receivers, intake and store while entered, on free ports or a given one for HTTP."""

    def __init__(self, directory: Path, http: str = "127.0.0.1:0") -> None:
        self._directory, self._http = directory, http
        self._addresses: dict[str, str] = {}

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", _SERVE, str(self._directory), self._http]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        grpc, http = self._process.stdout.readline().split()
        self._addresses = {"grpc": grpc, "http": http}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def address(self, scheme: str) -> str:
        return self._addresses[scheme]

    def stop_and_read(self, sql: str) -> str:
        """The rows of a SELECT, as Python writes them, once all that was taken is stored."""
        self._stop()
        done = subprocess.run(
            [sys.executable, "-c", _READ, str(self._directory), sql], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(60) == 0
        assert self._process.stdout
        self._process.stdout.close()
