"""`ordertrace doctor`: what each source sends and what is missing, with the commands that would change it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..errors import Unavailable
from ..model.flow import System
from ..rabbit.doctor import Advice, examine
from ..settings import Settings
from ..texts import system_title
from .client import ApiClient, api_url
from .doctor_forwarding import arrives, forwarding_lines
from .shared import api_option, config_option, settings_of
from .words import say

FOUND = 3
_WINDOWS = {300.0: "in the last five minutes", 3600.0: "in the last hour"}


@click.command()
@config_option
@api_option
@click.pass_context
def doctor(context: click.Context, path: Path | None, api: str | None) -> None:
    """What each source sends and what is missing; exit code 3 where something is."""
    settings = settings_of(path)
    language = settings.company.language
    advice = asyncio.run(examine(settings))
    systems, forwarding = _asked(settings, api)
    for line in _broker_lines(advice, language):
        click.echo(line)
    if not settings.broker:
        click.echo(say(language, "No broker is configured: lost messages cannot be seen. See [[broker]]."))
    missing = False
    for system in systems or ():
        missing |= system["advice"] is not None
        for line in _system_lines(system, language):
            click.echo(line)
    if forwarding:
        missing |= not arrives(forwarding)
        click.echo(_mark(arrives(forwarding)) + "\n    ".join(forwarding_lines(forwarding, settings.forward, language)))
    if systems is None:
        click.echo(
            say(language, "No server answers at %(url)s: its telemetry was not examined.", url=api_url(api, settings))
        )
    if line := _replay_line(settings, api):
        click.echo(line)
    context.exit(FOUND if missing or not settings.broker or any(not one.ok for one in advice) else 0)


def _broker_lines(advice: list[Advice], language: str) -> Iterator[str]:
    for one in advice:
        yield f"{_mark(one.ok)}{one.broker} · {one.subject}: {one.text}"
        if one.invisible:
            yield "    " + say(language, "cannot be seen: %(losses)s", losses=", ".join(one.invisible))
        for command in one.commands:
            yield f"    $ {command}"


def _system_lines(system: dict[str, Any], language: str) -> Iterator[str]:
    """What is known of a system's telemetry, and the one change that would help most."""
    coverage, advice = system["coverage"], system["advice"]
    parts = _watched_parts(coverage, language) if system["closed"] else _parts(system, language)
    title = system_title(System(system["name"], system["title"], ()), language)
    yield _mark(advice is None) + f"{title}: " + "; ".join(parts)
    if advice:
        yield "    " + say(language, "What would help most: %(what)s", what=advice["text"])
        if advice["change"]:
            yield f"    {advice['place']}:"
        for line in advice["change"]:
            yield f"      {line}"


def _parts(system: dict[str, Any], language: str) -> list[str]:
    coverage, skew = system["coverage"], system["skew_seconds"]
    window = say(language, _WINDOWS.get(coverage["window_seconds"], "in the last day"))
    if not coverage["spans"]:
        return [say(language, "nothing was heard %(window)s", window=window)]
    bare = coverage["errors_without_stack"]
    parts = [
        say(language, "%(count)s spans %(window)s", count=coverage["received"], window=window),
        say(language, "%(share)s on an order", share=f"{coverage['with_order'] / coverage['spans']:.0%}"),
        say(language, "%(count)s say a status", count=coverage["with_status"]),
        say(language, "%(count)s errors, %(bare)s of them without a stack", count=coverage["errors"], bare=bare),
    ]
    if messages := coverage["messages"]:
        share = f"{coverage['with_message_id'] / messages:.0%}"
        parts.insert(2, say(language, "%(share)s of its messages with a message id", share=share))
    if skew is not None and abs(skew) >= 1:
        parts.append(say(language, "clock %(seconds)s s off", seconds=f"{skew:+.1f}"))
    return parts


def _watched_parts(coverage: dict[str, Any], language: str) -> list[str]:
    parts = [say(language, "sends nothing of its own; it is seen through others")]
    if watched := coverage["watched_messages"]:
        share = f"{coverage['watched_with_order'] / watched:.0%}"
        parts.append(say(language, "%(count)s messages, %(share)s on an order", count=watched, share=share))
    return parts


def _replay_line(settings: Settings, api: str | None) -> str:
    """Whether all orders are by the rules in force yet; empty where they are, or where no server answers."""
    try:
        with ApiClient(api_url(api, settings), settings.company.language) as server:
            replay = server.get("/api/v1/replay")
    except Unavailable:
        return ""
    if replay["state"] != "running":
        return ""
    share, changed = f"{replay['share']:.0%}", ", ".join(replay["changed"])
    text = "History is being worked through by new rules (%(changed)s): %(share)s done"
    line = say(settings.company.language, text, changed=changed, share=share)
    return f"{_mark(not replay['problem'])}{line}" + (f"; {replay['problem']}" if replay["problem"] else "")


def _asked(settings: Settings, api: str | None) -> tuple[list[dict[str, Any]] | None, dict[str, Any] | None]:
    """What a running server says of its systems and of what it passes on; None where no server answers."""
    try:
        with ApiClient(api_url(api, settings), settings.company.language) as server:
            return server.get("/api/v1/systems")["systems"], server.get("/api/v1/intake").get("forwarding")
    except Unavailable:
        return None, None


def _mark(well: bool) -> str:
    return click.style("✓ ", fg="green") if well else click.style("✗ ", fg="red")
