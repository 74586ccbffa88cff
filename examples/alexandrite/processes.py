"""The services as processes of their own: their settings, their start and stop, and the facts that they report."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from .plan import Plan
from .truth import Fact, Ledger

SERVICES = ("shop", "mes", "crm", "carrier")
START_SECONDS = 30.0
STOP_SECONDS = 6.0
WATCH_SECONDS = 0.2


class RunError(Exception):
    """The company cannot work; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is told; see `python -m alexandrite --help`. `amqp_url` may hold `{system}` in place of the user."""

    amqp_url: str
    otlp_grpc: str = "127.0.0.1:4317"
    otlp_http: str = "http://127.0.0.1:4318"
    seed: int = 1
    orders_per_minute: float = 40.0
    orders: int | None = None
    faults: dict[str, float] = field(default_factory=dict)
    speed: float = 60.0
    truth: Path | None = None
    first_number: int | None = None
    bystanders: bool = False

    def amqp_url_of(self, system: str) -> str:
        return self.amqp_url.replace("{system}", system)

    def plan(self) -> Plan:
        """Numbers begin with the time, in steps that outrun the orders, so that two runs do not share an order id."""
        now = int(time.time() * max(1.0, self.orders_per_minute / 40)) % 10_000_000
        return Plan(self.seed, self.faults, now if self.first_number is None else self.first_number)


@dataclass(slots=True)
class Services:
    """The service processes, by name, with their URLs and logs."""

    urls: dict[str, str]
    logs: Path
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, name: str, listening: socket.socket, facts: int, environment: dict[str, str]) -> None:
        port = listening.fileno()
        with (self.logs / f"{name}.log").open("wb") as log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"alexandrite.{name}",
                env=environment | {"ALEXANDRITE_LISTEN": str(port)},
                pass_fds=(port, facts), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C is for the run, which stops its services in its own time
            )  # fmt: skip

    async def wait_until_ready(self, http: httpx2.AsyncClient) -> None:
        """The sockets listen already, so each request waits until its service takes it. Raises RunError."""
        try:
            await asyncio.gather(*(http.get(f"{url}/healthz", timeout=START_SECONDS) for url in self.urls.values()))
        except httpx2.HTTPError:
            await asyncio.sleep(3 * WATCH_SECONDS)  # `watch` knows better, if a service ended
            raise RunError(f"the services did not start within {START_SECONDS:g} s") from None

    async def watch(self) -> None:
        """Raises RunError when a service ends that nobody stopped."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for name, process in self.processes.items():
                if process.returncode is not None:
                    said = (self.logs / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
                    raise RunError(
                        f"{name} ended with code {process.returncode}: {said[-1] if said else 'it said nothing'}"
                    )

    async def stop(self) -> None:
        """All at once, in good order; whoever takes too long is killed."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        waiting = [asyncio.create_task(process.wait()) for process in self.processes.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_SECONDS)
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@asynccontextmanager
async def running_services(options: Options, plan: Plan, ledger: Ledger) -> AsyncIterator[Services]:
    """The running services, on free ports; their output goes to a directory that is removed afterwards."""
    with contextlib.ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alexandrite-")))
        sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in SERVICES}
        services = Services({name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in sockets.items()}, logs)
        reading, writing = os.pipe()
        async with _facts(reading, ledger):
            try:
                with os.fdopen(writing, "wb"):
                    environment = _environment(options, plan, services.urls, writing)
                    telemetry = _telemetry(options)
                    for name, each in sockets.items():
                        own = {"ALEXANDRITE_AMQP_URL": options.amqp_url_of(name)} | telemetry.get(name, {})
                        await services.start(name, each, writing, environment | own)
                for each in sockets.values():
                    each.close()  # now only the services hold them: a dead service refuses connections
                yield services
            finally:
                await services.stop()


@asynccontextmanager
async def _facts(reading: int, ledger: Ledger) -> AsyncIterator[None]:
    """Takes facts from the pipe until the last service has closed its end."""
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb")
    )

    async def gather() -> None:
        while line := await stream.readline():
            ledger.add(Fact(**json.loads(line)))

    gathering = asyncio.create_task(gather())
    try:
        yield
    finally:
        await asyncio.wait((gathering,), timeout=2)
        transport.close()


def _environment(options: Options, plan: Plan, urls: dict[str, str], facts: int) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "ALEXANDRITE_"))}
    return kept | {
        "ALEXANDRITE_MES_URL": urls["mes"],
        "ALEXANDRITE_CARRIER_URL": urls["carrier"],
        "ALEXANDRITE_SPEED": str(options.speed),
        "ALEXANDRITE_SEED": str(plan.seed),
        "ALEXANDRITE_FAULTS": json.dumps(plan.faults),
        "ALEXANDRITE_FIRST_NUMBER": str(plan.first_number),
        "ALEXANDRITE_FACTS": str(facts),
    }


def _telemetry(options: Options) -> dict[str, dict[str, str]]:
    """What a team sets for each of its services; MES and carrier have no such settings."""
    both = {
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5",
        "OTEL_PYTHON_EXCLUDED_URLS": "healthz",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
    }
    return {
        "shop": both | {"OTEL_SERVICE_NAME": "shop", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{options.otlp_grpc}"},
        "crm": both | {"OTEL_SERVICE_NAME": "crm", "OTEL_EXPORTER_OTLP_ENDPOINT": options.otlp_http},
    }
