"""What several commands need: options, settings and their language, and running the event loop until told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from ..errors import Invalid
from ..settings import Settings, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])


class SettingsError(Invalid):
    """The settings cannot be used: wrong use, not a failure."""


def config_option(command: Command) -> Command:
    """`--config FILE`, or `ORDERTRACE_CONFIG`."""
    return click.option(
        "--config",
        "path",
        type=click.Path(path_type=Path),
        envvar="ORDERTRACE_CONFIG",
        metavar="FILE",
        help="Settings; without it the defaults and the environment hold.  [env: ORDERTRACE_CONFIG]",
    )(command)


def api_option(command: Command) -> Command:
    """`--api URL` of a running server."""
    return click.option(
        "--api",
        "api",
        envvar="ORDERTRACE_API",
        metavar="URL",
        help="The running server; by default the listen.web of the settings.  [env: ORDERTRACE_API]",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`: the API's answer as it came."""
    return click.option("--json", "as_json", is_flag=True, help="The API's answer instead of a text for people.")(
        command
    )


def settings_of(path: Path | None) -> Settings:
    """The settings in force. Raises SettingsError."""
    try:
        return load_settings(path)
    except Invalid as error:
        raise SettingsError(str(error)) from None


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Runs until the work ends, or cancels it at the first SIGINT or SIGTERM and lets it finish in good order."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_stoppable(work))


async def _stoppable(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise
