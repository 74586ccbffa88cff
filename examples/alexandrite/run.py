"""`python -m alexandrite`: starts the four services as processes of their own, drives them, stops everything cleanly."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika
import httpx2

from .broker import BrokerError, RabbitNode
from .bus import declare_queues
from .driver import Driver
from .plan import FAULTS, Plan, PlanError, parse_faults
from .truth import Fact, Ledger

SERVICES = ("shop", "mes", "crm", "carrier")
START_SECONDS = 30.0
STOP_SECONDS = 6.0
WATCH_SECONDS = 0.2
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunError(Exception):
    """The company cannot work; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is told; see `python -m alexandrite --help`."""

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

    def plan(self) -> Plan:
        """Numbers begin with the time, in steps that outrun the orders, so that two runs do not share an order id."""
        now = int(time.time() * max(1.0, self.orders_per_minute / 40)) % 10_000_000
        return Plan(self.seed, self.faults, now if self.first_number is None else self.first_number)


async def run_company(options: Options) -> Ledger:
    """Runs until cancelled or, with `orders`, until that many have come to rest. Raises RunError."""
    plan = options.plan()
    with open(options.truth, "w") if options.truth else contextlib.nullcontext() as file:  # noqa: ASYNC230
        ledger = Ledger(plan, file)
        try:
            await _empty_queues(options.amqp_url)
            async with _services(options, plan, ledger) as services, httpx2.AsyncClient(timeout=15) as http:
                driver = Driver(
                    plan, ledger, http, services.urls["shop"], services.urls["crm"],
                    minute_seconds=60 / options.speed, gap_seconds=60 / options.orders_per_minute,
                )  # fmt: skip
                await _drive(driver, services, options.orders)
        finally:
            ledger.finish()
    return ledger


async def _drive(driver: Driver, services: Services, orders: int | None) -> None:
    """Watches over the services meanwhile: the first error of all this is raised as a RunError."""
    try:
        async with asyncio.TaskGroup() as work:
            tasks = [work.create_task(services.watch())]
            await services.wait_until_ready(driver.http)
            tasks += [work.create_task(_show_progress(driver.ledger)), work.create_task(driver.run(orders))]
            if orders is not None:
                await driver.ledger.rest(orders)
                for task in tasks:
                    task.cancel()
    except* (RunError, httpx2.HTTPError) as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise RunError(str(error) or type(error).__name__) from None


async def _empty_queues(amqp_url: str) -> None:
    """What an earlier run left behind would be about orders that nobody knows."""
    try:
        connection = await aio_pika.connect(amqp_url, timeout=10)
    except (OSError, aio_pika.exceptions.AMQPError) as error:
        raise RunError(f"no RabbitMQ at {amqp_url.rpartition('@')[2]}: {error}") from None
    async with connection:
        await declare_queues(await connection.channel(), empty=True)


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
async def _services(options: Options, plan: Plan, ledger: Ledger) -> AsyncIterator[Services]:
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
                        await services.start(name, each, writing, environment | telemetry.get(name, {}))
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
        "ALEXANDRITE_AMQP_URL": options.amqp_url,
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


async def _show_progress(ledger: Ledger) -> None:
    """One line: rewritten in place on a terminal, else printed now and then."""
    terminal = sys.stdout.isatty()
    while True:
        await asyncio.sleep(1.0 if terminal else 15.0)
        sys.stdout.write(f"\r\033[K{_progress(ledger)}" if terminal else f"{_progress(ledger)}\n")
        sys.stdout.flush()


def _progress(ledger: Ledger) -> str:
    ends = Counter(order.expected.state if order.rests else "moving" for order in ledger.orders.values())
    faults = Counter(order.plan.fault for order in ledger.orders.values() if order.plan.fault)
    parts = (f"{len(ledger.orders)} orders", *(f"{count} {end}" for end, count in sorted(ends.items())))
    injected = ", ".join(f"{name} {count}" for name, count in sorted(faults.items())) or "none yet"
    return f"alexandrite: {', '.join(parts)}; faults: {injected}"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m alexandrite", description="The reference company, with faults on demand."
    )
    add = parser.add_argument
    add("--amqp", metavar="URL", default=os.environ.get("ORDERTRACE_AMQP_URL"), help="default: a private RabbitMQ node")
    add("--otlp-grpc", metavar="HOST:PORT", default="127.0.0.1:4317", help="where the Shop sends its telemetry")
    add("--otlp-http", metavar="URL", default="http://127.0.0.1:4318", help="where the CRM sends its telemetry")
    add("--seed", type=int, default=1, metavar="N", help="the same seed gives the same orders, faults and decisions")
    add("--orders-per-minute", type=float, default=40.0, metavar="N")
    add("--orders", type=int, metavar="N", help="stop when this many orders are closed or stuck for good")
    add("--faults", default="all", metavar="LIST", help=f"all, none, or NAME[=SHARE],…: {', '.join(FAULTS)}")
    add("--speed", type=float, default=60.0, metavar="X", help="times faster than life; 60: a minute takes a second")
    add("--truth", type=Path, metavar="FILE", help="takes one JSON line for each order")
    add("--first-number", type=int, metavar="N", help="number of the first order (default: from the time)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done or stopped by a signal, 1 failed, 2 wrong use."""
    given = _parse(arguments)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us
    for sign in _STOP_SIGNALS:
        signal.signal(sign, signal.default_int_handler)
    try:
        faults = parse_faults(given.faults)
        with contextlib.ExitStack() as stack:
            amqp_url = given.amqp or stack.enter_context(RabbitNode()).url
            options = Options(
                amqp_url, given.otlp_grpc, given.otlp_http, given.seed, given.orders_per_minute, given.orders, faults,
                given.speed, given.truth, given.first_number,
            )  # fmt: skip
            stack.callback(_ignore_signals)  # an impatient second Ctrl-C must not keep the node from stopping
            ledger = asyncio.run(_run_until_signal(options))
            sys.stdout.write(f"{_progress(ledger)}\n")
    except (PlanError, BrokerError, RunError, OSError) as error:
        sys.stderr.write(f"alexandrite: {error}\n")
        return 2 if isinstance(error, PlanError) else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stdout.write("alexandrite: stopped\n")
    return 0


async def _run_until_signal(options: Options) -> Ledger:
    """As `run_company`; the first SIGINT or SIGTERM cancels it, later ones do not disturb it while it stops."""
    task = asyncio.current_task()
    assert task is not None
    for sign in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(sign, lambda: task.cancelling() or task.cancel())
    return await run_company(options)


def _ignore_signals() -> None:
    for sign in _STOP_SIGNALS:
        signal.signal(sign, signal.SIG_IGN)
