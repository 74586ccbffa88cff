"""`ordertrace serve`: the server in the foreground."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import click

from ..settings import Settings
from ..telemetry import set_up_logging
from .shared import config_option, run_until_stopped, settings_of
from .words import say


@click.command()
@config_option
def serve(path: Path | None) -> None:
    """Receivers, sweeper, API and pages in one process, until Ctrl-C."""
    settings = settings_of(path)
    set_up_logging(settings.logs.format, settings.logs.level)
    run_until_stopped(_serve(settings))


async def _serve(settings: Settings) -> None:
    from ..app import serving  # the engine takes a second to load, which no other command should wait for

    async with serving(settings) as server:
        tame_garbage_collection()
        for line in where_to_look(settings, server.web_url, server.otlp_grpc, server.otlp_http):
            click.echo(line)
        await asyncio.Event().wait()


def tame_garbage_collection() -> None:
    """Lets what stays for good be, and looks through the rest less often: open orders are many objects and no garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def where_to_look(settings: Settings, web_url: str, otlp_grpc: str, otlp_http: str) -> list[str]:
    """Where people and programs find a running server, a line each."""
    return [
        say(settings.company.language, "Board: %(url)s", url=web_url),
        say(settings.company.language, "API: %(url)s", url=f"{web_url}/api/v1/orders"),
        say(
            settings.company.language,
            "Telemetry: OTLP gRPC %(grpc)s, OTLP HTTP %(http)s",
            grpc=otlp_grpc,
            http=otlp_http,
        ),
    ]
