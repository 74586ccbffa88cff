"""`python -m alexandrite`: starts the four services as processes of their own, drives them, stops everything cleanly."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

import aio_pika
import httpx2

from .broker import BrokerError, RabbitNode
from .bus import declare_lanes, declare_queues
from .bystanders import run_bystanders
from .driver import Driver
from .harm import NEEDS_OWN_BROKER, lanes_for
from .moments import Moments
from .plan import FAULTS, SETS, PlanError, parse_faults
from .processes import Options, RunError, Services, running_services
from .rights import ADMINISTRATOR
from .truth import Ledger

__all__ = ("Options", "RunError", "main", "run_company")

MOMENT_MINUTES = 1.0  # how long a message waits for what will strike it
HTTP_SECONDS = 60.0  # longer than the broker is ever away
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run_company(
    options: Options, node: RabbitNode | None = None, at_rest: Callable[[Ledger], Awaitable[None]] | None = None
) -> Ledger:
    """Runs until cancelled or, with `orders`, until that many have come to rest. Raises RunError.

    `node` is the run's own broker, which may be killed; `at_rest` is waited for before the resting company is stopped.
    """
    if NEEDS_OWN_BROKER in options.faults and node is None:
        raise RunError(f"fault {NEEDS_OWN_BROKER} kills the broker: it needs one of the run's own, so leave out --amqp")
    plan = options.plan()
    with open(options.truth, "w") if options.truth else contextlib.nullcontext() as file:  # noqa: ASYNC230
        ledger = Ledger(plan, file)
        try:
            await _empty_queues(options)
            async with (
                running_services(options, plan, ledger) as services,
                httpx2.AsyncClient(timeout=HTTP_SECONDS) as http,
            ):
                driver = Driver(
                    plan, ledger, http, services.urls["shop"], services.urls["crm"],
                    minute_seconds=60 / options.speed, gap_seconds=60 / options.orders_per_minute,
                )  # fmt: skip
                await _drive(driver, services, options, node, at_rest)
        finally:
            ledger.finish()
    return ledger


async def _drive(
    driver: Driver,
    services: Services,
    options: Options,
    node: RabbitNode | None,
    at_rest: Callable[[Ledger], Awaitable[None]] | None,
) -> None:
    """Watches over the services meanwhile: the first error of all this is raised as a RunError."""
    try:
        async with asyncio.TaskGroup() as work:
            tasks = [work.create_task(services.watch())]
            await services.wait_until_ready(driver.http)
            tasks += [work.create_task(_show_progress(driver.ledger)), work.create_task(driver.run(options.orders))]
            tasks += [work.create_task(each) for each in _beside(driver.ledger, options, node)]
            if options.orders is not None:
                await driver.ledger.rest(options.orders)
                if at_rest:
                    await at_rest(driver.ledger)
                for task in tasks:
                    task.cancel()
    except BaseExceptionGroup as group:  # not `except*`: what is raised there may come out in a group again
        error: BaseException | None = group.subgroup((RunError, httpx2.HTTPError))
        if error is None:
            raise
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise RunError(str(error) or type(error).__name__) from None


def _beside(ledger: Ledger, options: Options, node: RabbitNode | None) -> list[Coroutine[None, None, None]]:
    """What happens beside the orders' own life: moments that strike them, and traffic that means no harm."""
    administrator = options.amqp_url_of(ADMINISTRATOR)
    wait_seconds = MOMENT_MINUTES * 60 / options.speed
    beside = [Moments(ledger, administrator, node, wait_seconds, tuple(options.faults)).run()]
    if options.bystanders:
        beside.append(run_bystanders(options.amqp_url_of("mes"), lambda: _newest_moving(ledger)))
    return beside


def _newest_moving(ledger: Ledger) -> str | None:
    """Not simply the newest: the last of all would be spoken of until the end, by more messages than are read of an order."""
    return next((order_id for order_id, order in reversed(ledger.orders.items()) if not order.rests), None)


async def _empty_queues(options: Options) -> None:
    """What an earlier run left behind would be about orders that nobody knows."""
    url = options.amqp_url_of(ADMINISTRATOR)
    try:
        connection = await aio_pika.connect(url, timeout=10)
    except (OSError, aio_pika.exceptions.AMQPError) as error:
        raise RunError(f"no RabbitMQ at {url.rpartition('@')[2]}: {error}") from None
    async with connection:
        channel = await connection.channel()
        await declare_queues(channel, empty=True)
        await declare_lanes(channel, lanes_for(options.faults))


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
    add(
        "--amqp",
        metavar="URL",
        default=os.environ.get("ORDERTRACE_AMQP_URL"),
        help="may hold {system} for the user; default: a private node",
    )
    add("--otlp-grpc", metavar="HOST:PORT", default="127.0.0.1:4317", help="where the Shop sends its telemetry")
    add("--otlp-http", metavar="URL", default="http://127.0.0.1:4318", help="where the CRM sends its telemetry")
    add("--seed", type=int, default=1, metavar="N", help="the same seed gives the same orders, faults and decisions")
    add("--orders-per-minute", type=float, default=40.0, metavar="N")
    add("--orders", type=int, metavar="N", help="stop when this many orders are closed or stuck for good")
    add("--faults", default="usual", metavar="LIST", help=f"{', '.join(SETS)}, or NAME[=SHARE],…: {', '.join(FAULTS)}")
    add("--speed", type=float, default=60.0, metavar="X", help="times faster than life; 60: a minute takes a second")
    add("--truth", type=Path, metavar="FILE", help="takes one JSON line for each order")
    add("--first-number", type=int, metavar="N", help="number of the first order (default: from the time)")
    add("--bystanders", action="store_true", help="also traffic that looks like loss and is none")
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
            node = None if given.amqp else stack.enter_context(RabbitNode())
            options = Options(
                node.url if node else given.amqp, given.otlp_grpc, given.otlp_http, given.seed, given.orders_per_minute,
                given.orders, faults, given.speed, given.truth, given.first_number, given.bystanders,
            )  # fmt: skip
            stack.callback(_ignore_signals)  # an impatient second Ctrl-C must not keep the node from stopping
            ledger = asyncio.run(_run_until_signal(options, node))
            sys.stdout.write(f"{_progress(ledger)}\n")
    except (PlanError, BrokerError, RunError, OSError) as error:
        sys.stderr.write(f"alexandrite: {error}\n")
        return 2 if isinstance(error, PlanError) else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stdout.write("alexandrite: stopped\n")
    return 0


async def _run_until_signal(options: Options, node: RabbitNode | None) -> Ledger:
    """As `run_company`; the first SIGINT or SIGTERM cancels it, later ones do not disturb it while it stops."""
    task = asyncio.current_task()
    assert task is not None
    for sign in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(sign, lambda: task.cancelling() or task.cancel())
    return await run_company(options, node)


def _ignore_signals() -> None:
    for sign in _STOP_SIGNALS:
        signal.signal(sign, signal.SIG_IGN)
