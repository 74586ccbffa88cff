"""`ordertrace serve`: the server in the foreground."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..settings import Settings
from ..telemetry import set_up_logging
from .shared import config_option, run_until_stopped, settings_of
from .words import say

if TYPE_CHECKING:
    from ..app import Server


@click.command()
@config_option
def serve(path: Path | None) -> None:
    """Receivers, sweeper, API and pages in one process, until Ctrl-C."""
    settings = settings_of(path)
    set_up_logging(settings.logs.format, settings.logs.level)
    run_until_stopped(_serve(settings))


async def _serve(settings: Settings) -> None:
    gc.disable()  # until all is there: looking for garbage among what is loaded takes a tenth of the start
    from ..app import serving  # the engine takes a second to load, which no other command should wait for

    async with serving(settings) as server:
        tame_garbage_collection()
        for line in where_to_look(settings, server):
            click.echo(line)
        await asyncio.Event().wait()


def tame_garbage_collection() -> None:
    """Lets what stays for good be, and looks through the rest less often: open orders are many objects and no garbage."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


def where_to_look(settings: Settings, server: Server) -> list[str]:
    """Where people and programs find a running server, a line each."""
    language = settings.company.language
    return [
        say(language, "Board: %(url)s", url=server.web_url),
        say(language, "API: %(url)s", url=f"{server.web_url}/api/v1/orders"),
        say(
            language,
            "Telemetry: OTLP gRPC %(grpc)s, OTLP HTTP %(http)s, Zipkin %(zipkin)s",
            grpc=server.otlp_grpc,
            http=server.otlp_http,
            zipkin=server.zipkin,
        ),
    ]
