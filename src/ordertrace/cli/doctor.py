"""`ordertrace doctor`: what each source sends and what is missing, with the commands that would change it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..errors import Unavailable
from ..rabbit.doctor import Advice, examine
from ..settings import Settings
from .client import ApiClient, api_url
from .shared import api_option, config_option, settings_of
from .words import say

FOUND = 3
_JOINED_SHARE_MIN = 0.05  # most spans of an instrumented service are databases'; fewer than these name no order at all


@click.command()
@config_option
@api_option
@click.pass_context
def doctor(context: click.Context, path: Path | None, api: str | None) -> None:
    """What each source sends and what is missing; exit code 3 where something is."""
    settings = settings_of(path)
    language = settings.company.language
    advice = asyncio.run(examine(settings))
    systems = _systems(settings, api)
    for line in _broker_lines(advice, language):
        click.echo(line)
    if not settings.broker:
        click.echo(say(language, "No broker is configured: lost messages cannot be seen. See [[broker]]."))
    missing = False
    for system in systems or ():
        text, well = _system_line(system, language)
        missing |= not well
        click.echo(_mark(well) + text)
    if systems is None:
        click.echo(
            say(language, "No server answers at %(url)s: its telemetry was not examined.", url=api_url(api, settings))
        )
    context.exit(FOUND if missing or not settings.broker or any(not one.ok for one in advice) else 0)


def _broker_lines(advice: list[Advice], language: str) -> Iterator[str]:
    for one in advice:
        yield f"{_mark(one.ok)}{one.broker} · {one.subject}: {one.text}"
        if one.invisible:
            yield "    " + say(language, "cannot be seen: %(losses)s", losses=", ".join(one.invisible))
        for command in one.commands:
            yield f"    $ {command}"


def _system_line(system: dict[str, Any], language: str) -> tuple[str, bool]:
    """What is known of a system's telemetry, and whether it will do."""
    coverage, name = system["coverage"], system["title"]
    if system["closed"]:
        return f"{name}: " + say(language, "sends nothing of its own; it is seen through others"), True
    spans = coverage["spans"]
    if not spans:
        return f"{name}: " + say(language, "nothing was heard in the last day"), False
    joined, told = coverage["with_order"] / spans, coverage["with_message_id"]
    parts = [
        say(language, "%(count)s spans in the last day", count=spans),
        say(language, "%(share)s name their order", share=f"{joined:.0%}"),
        say(language, "%(count)s with a message id", count=told),
        say(
            language,
            "%(count)s errors, %(bare)s of them without a stack",
            count=coverage["errors"],
            bare=coverage["errors_without_stack"],
        ),
    ]
    return f"{name}: " + "; ".join(parts), joined >= _JOINED_SHARE_MIN


def _systems(settings: Settings, api: str | None) -> list[dict[str, Any]] | None:
    """What a running server says of its systems; None where no server answers."""
    try:
        with ApiClient(api_url(api, settings), settings.company.language) as server:
            found: list[dict[str, Any]] = server.get("/api/v1/systems")["systems"]
            return found
    except Unavailable:
        return None


def _mark(well: bool) -> str:
    return click.style("✓ ", fg="green") if well else click.style("✗ ", fg="red")
