"""`ordertrace store check`: what the store refused and set aside, and what still waits in the journal. Changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..privacy.keys import open_key_ring
from ..settings import Settings, data_directory
from .config import FOUND_SOMETHING
from .shared import config_option, settings_of


@click.group()
def store() -> None:
    """The store and its journal."""


@store.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(path: Path | None, as_json: bool) -> int:
    """Requests that are set aside, and what waits for the next start; exit code 3 where something is set aside."""
    from ..ingest.journal import find_set_aside  # loads the engine's client, which no other command should wait for

    settings = settings_of(path)
    journal = journal_directory(settings)
    ring_there = (data_directory(settings) / "keys.json").exists()
    found = find_set_aside(journal, open_key_ring(data_directory(settings))) if ring_there else []
    waiting = sorted(journal.glob("*.segment")) if journal.is_dir() else []
    if as_json:
        rows = [
            {"name": one.name, "kind": one.kind, "at": one.at.isoformat(), "bytes": one.size, "readable": one.readable}
            for one in found
        ]
        click.echo(json.dumps({"set_aside": rows, "waiting": [one.name for one in waiting]}))
        return FOUND_SOMETHING if found else 0
    for one in found:
        state = "" if one.readable else ", damaged"
        click.echo(f"{one.at:%Y-%m-%d %H:%M:%S} UTC  {one.kind or 'unknown'}  {one.size} bytes{state}  {one.name}")
    click.echo(f"{len(found)} set aside, {len(waiting)} segments wait in {journal}")
    return FOUND_SOMETHING if found else 0


def journal_directory(settings: Settings) -> Path:
    """Where the journal of these settings lies."""
    return Path(settings.journal.directory) if settings.journal.directory else data_directory(settings) / "journal"
