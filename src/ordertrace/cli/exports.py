"""`ordertrace export ocel|orders`: what a running server knows, as files for other programs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click

from ..model.order import OrderState
from .client import ApiClient, api_url
from .event_log import event_log_file
from .shared import api_option, settings_of
from .words import say

_PAGE = 200
_COLUMNS = (
    "id", "state", "status", "status_since", "system", "owner", "started_at", "last_seen_at", "closed_at", "age_seconds",
    "deadline_at", "next_status", "next_system", "diagnosis", "diagnosis_text", "diagnosis_since", "confidence",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


@click.group()
def export() -> None:
    """What the server knows, as files for other programs."""


@export.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--since", type=click.DateTime(_MOMENTS), help="Orders that started then or later (UTC unless said).")
@click.option("--until", type=click.DateTime(_MOMENTS), help="Orders that started before.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Orders at most.")
@api_option
def ocel(file: Path, since: datetime | None, until: datetime | None, limit: int, api: str | None) -> None:
    """An object-centric event log (OCEL 2.0): JSON, or SQLite where FILE ends in .sqlite."""
    settings, orders, more = settings_of(None), 0, False
    parameters: dict[str, Any] = {"since": _moment(since), "until": _moment(until)}
    parameters = {name: value for name, value in parameters.items() if value}
    with ApiClient(api_url(api, settings), settings.company.language) as server, event_log_file(file) as log:
        cursor: str | None = ""
        while cursor is not None and orders < limit:
            asked = parameters | {"limit": min(_PAGE, limit - orders)} | ({"cursor": cursor} if cursor else {})
            page, cursor = server.get_page("/api/v1/export/ocel", asked)
            orders += log.add(page)
        more = cursor is not None
    language = settings.company.language
    written = {"orders": orders, "events": log.events, "objects": log.objects, "file": file}
    click.echo(
        say(language, "In %(file)s: orders %(orders)s, events %(events)s, objects %(objects)s", **written), err=True
    )
    if more:
        click.echo(say(language, "There are more orders; --limit %(limit)s was reached.", limit=limit), err=True)


@export.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="-")
@click.option("--format", "form", type=click.Choice(["csv", "json"]), help="By default as FILE ends, else csv.")
@click.option("--state", type=click.Choice([state.value for state in OrderState]))
@click.option("--status", metavar="STATUS")
@click.option("--system", metavar="NAME")
@click.option("--owner", metavar="NAME")
@click.option("--since", type=click.DateTime(_MOMENTS), help="Orders that started then or later (UTC unless said).")
@click.option("--until", type=click.DateTime(_MOMENTS), help="Orders that started before.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True, help="Orders at most.")
@api_option
def orders(
    file: Path,
    form: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    api: str | None,
    **only: Any,
) -> None:
    """Orders as a table: CSV or JSON; to standard output without FILE."""
    settings = settings_of(None)
    asked = {"sort": "id", "since": _moment(since), "until": _moment(until)} | only
    asked = {name: value for name, value in asked.items() if value}
    form = form or ("json" if file.suffix == ".json" else "csv")
    with ApiClient(api_url(api, settings), settings.company.language) as server, _written(file) as out:
        found = _all_orders(server, asked, limit)
        count = _write_csv(found, out) if form == "csv" else _write_json(found, out)
    click.echo(say(settings.company.language, "Orders: %(count)s", count=count), err=True)


def _all_orders(server: ApiClient, asked: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    cursor, left = "", limit
    while left > 0:
        page = asked | {"limit": min(_PAGE, left)} | ({"cursor": cursor} if cursor else {})
        answer = server.get("/api/v1/orders", page)
        yield from answer["orders"]
        left -= len(answer["orders"])
        if not answer["next"]:
            return
        cursor = answer["next"]


def _write_csv(found: Iterable[dict[str, Any]], out: IO[str]) -> int:
    table, count = csv.writer(out, lineterminator="\r\n"), 0
    table.writerow(_COLUMNS)
    for order in found:
        table.writerow([harmless(value) for value in _row(order)])
        count += 1
    return count


def _write_json(found: Iterable[dict[str, Any]], out: IO[str]) -> int:
    count = 0
    out.write("[")
    for order in found:
        out.write((",\n" if count else "\n") + json.dumps(order, ensure_ascii=False))
        count += 1
    out.write("\n]\n")
    return count


def _row(order: dict[str, Any]) -> list[object]:
    following, why = order["next"] or {}, order["diagnosis"] or {}
    said = {
        "next_status": following.get("status"),
        "next_system": following.get("system"),
        "diagnosis": why.get("kind"),
        "diagnosis_text": why.get("text"),
        "diagnosis_since": why.get("since"),
        "confidence": why.get("confidence"),
    }
    return [said[name] if name in said else order[name] for name in _COLUMNS]


def harmless(value: object) -> object:
    """A cell that a spreadsheet takes for text: what came from telemetry must not become a formula (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


@contextmanager
def _written(file: Path) -> Iterator[IO[str]]:
    if str(file) == "-":
        yield sys.stdout
        return
    with file.open("w", encoding="utf-8", newline="") as out:
        yield out


def _moment(at: datetime | None) -> str:
    if at is None:
        return ""
    return at.isoformat() + ("" if at.tzinfo else "Z")
