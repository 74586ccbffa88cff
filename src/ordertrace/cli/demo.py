"""`ordertrace demo`: the server and the reference company on a real RabbitMQ, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import inspect
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import SecretStr

from alexandrite.broker import BrokerError, RabbitNode, prepare_watch
from alexandrite.harm import NEEDS_OWN_BROKER
from alexandrite.plan import SETS, PlanError, parse_faults
from alexandrite.rights import VHOST, WatchAddresses, company_url

from ..errors import Unavailable
from ..listening import split_address
from ..settings import Settings
from ..settings.brokers import BrokerSettings
from ..telemetry import set_up_logging
from .serve import tame_garbage_collection, where_to_look
from .shared import run_until_stopped, settings_of
from .words import say

_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Company:
    """How the reference company works, as its own command line says it."""

    amqp_url: str
    seed: int
    orders_per_minute: float
    faults: str
    speed: float
    truth: Path


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same orders and faults.")
@click.option("--orders-per-minute", type=click.FloatRange(1, 6000), default=40.0, show_default=True)
@click.option(
    "--faults", default="usual", show_default=True, metavar="LIST", help=f"{', '.join(SETS)}, or NAME[=SHARE],…"
)
@click.option(
    "--speed", type=click.FloatRange(1, 10_000), default=60.0, show_default=True, help="Times faster than life."
)
@click.option(
    "--directory", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True, help="Its data."
)
@click.option("--keep", is_flag=True, help="Go on with the orders of the last demo instead of beginning anew.")
def demo(seed: int, orders_per_minute: float, faults: str, speed: float, directory: Path, keep: bool) -> None:
    """The server, and a company of Shop, MES and CRM on a RabbitMQ of its own, with faults; until Ctrl-C."""
    try:
        if NEEDS_OWN_BROKER in parse_faults(faults):
            raise PlanError(f"{NEEDS_OWN_BROKER} kills the broker that is watched here; python -m alexandrite does it")
    except PlanError as error:
        raise click.BadParameter(str(error), param_hint="--faults") from None
    if not importlib.util.find_spec("aio_pika"):
        raise Unavailable("the reference company needs more packages than the server: start it with make run")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # the company is a new program; gRPC would warn of a fork
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt), _only_demo_in(directory):
        settings = _settings(directory, keep)
        set_up_logging(settings.logs.format, settings.logs.level)
        refuse_taken_ports(settings)
        with _broker(settings, directory) as (amqp_url, watch):
            company = Company(amqp_url, seed, orders_per_minute, faults, speed, directory / "truth.jsonl")
            run_until_stopped(_run(_watching(settings, watch), company))


async def _run(settings: Settings, company: Company) -> None:
    from ..app import serving  # the engine takes a second to load, which no other command should wait for

    async with serving(settings) as server:
        tame_garbage_collection()
        process = await _start(company, server.otlp_grpc, server.otlp_http)
        try:
            for line in where_to_look(settings, server):
                click.echo(line)
            click.echo(say(settings.company.language, "Truth about every order: %(path)s", path=company.truth))
            click.echo(
                say(settings.company.language, "The first orders appear in a few seconds. Ctrl-C stops everything.")
            )
            if await process.wait():
                raise Unavailable("the reference company has stopped; the line above says why")
        finally:
            await _stop(process)


async def _start(company: Company, otlp_grpc: str, otlp_http: str) -> asyncio.subprocess.Process:
    """In a session of its own: Ctrl-C is for us, who stop it before the server that it sends to."""
    arguments: Mapping[str, object] = {
        "--otlp-grpc": otlp_grpc.rpartition("//")[2],
        "--otlp-http": otlp_http if "//" in otlp_http else f"http://{otlp_http}",
        "--seed": company.seed,
        "--orders-per-minute": company.orders_per_minute,
        "--faults": company.faults,
        "--speed": company.speed,
        "--truth": company.truth,
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alexandrite"),
        *(str(part) for pair in arguments.items() for part in pair),
        env=os.environ | {"ORDERTRACE_AMQP_URL": company.amqp_url},  # not an argument: it may hold a password
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


@contextmanager
def _broker(settings: Settings, directory: Path) -> Iterator[tuple[str, WatchAddresses | None]]:
    """The URL of a RabbitMQ for the company, and where to watch it: the one of ORDERTRACE_AMQP_URL, which is watched only
    if settings say how, or a private node with all that a watch needs, for as long as this is entered.
    """
    if url := os.environ.get("ORDERTRACE_AMQP_URL"):
        yield url, None
        return
    click.echo(say(settings.company.language, "Starting RabbitMQ …"), err=True)
    place = directory / "rabbitmq"
    shutil.rmtree(place, ignore_errors=True)  # nodes are named by their port: an old one's queues serve nobody
    node = None
    try:
        node = RabbitNode(place, plugins=True, trace_vhosts=(VHOST,))
        node.start()
        yield company_url(node), prepare_watch(node)
    except (BrokerError, OSError) as error:
        raise Unavailable(str(error)) from None
    finally:
        if node:
            node.stop()


def _watching(settings: Settings, watch: WatchAddresses | None) -> Settings:
    """The settings with these addresses in place of those of the example's broker, which nobody is expected to run."""
    if watch is None:
        return settings if "ORDERTRACE_BROKER" in os.environ else settings.model_copy(update={"broker": ()})
    broker = settings.broker[0] if settings.broker else BrokerSettings(name="main", url=SecretStr(watch.url))
    here = broker.model_copy(update={"url": SecretStr(watch.url), "management": watch.management})
    return settings.model_copy(update={"broker": (here,)})


@contextmanager
def _only_demo_in(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"another demo works in {directory}; stop it, or choose another --directory") from None
        yield


def _settings(directory: Path, keep: bool) -> Settings:
    """The company's own settings, with the data in our directory unless the environment has it elsewhere."""
    place = directory.resolve() / "ordertrace"
    if not keep:
        shutil.rmtree(place, ignore_errors=True)
    os.environ.setdefault("ORDERTRACE_STORE__URL", f"chdb://{place}")
    return settings_of(Path(inspect.getfile(RabbitNode)).with_name("ordertrace.toml"))


def refuse_taken_ports(settings: Settings) -> None:
    """Raises Unavailable for the first address that another program listens on; cheaper to know before the broker runs."""
    listen = settings.listen
    for name, address in (("web", listen.web), ("otlp_grpc", listen.otlp_grpc), ("otlp_http", listen.otlp_http)):
        host, port = split_address(address)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                variable = f"ORDERTRACE_LISTEN__{name.upper()}"
                reason = error.strerror or "it cannot be had"
                raise Unavailable(
                    f"cannot listen on {address}: {reason}; choose another with {variable}={host}:0"
                ) from None
