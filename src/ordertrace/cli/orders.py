"""`ordertrace orders` and `ordertrace order ID`: the board and one order's timeline, from the API of a running server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from ..model.order import OrderState
from . import order_text
from .client import ApiClient, api_url
from .drawing import terminal_width
from .shared import api_option, json_option, settings_of

_STATES = [state.value for state in OrderState]
_SORTS = ("harm", "age", "deadline", "started", "id")


@click.command()
@click.option("--state", type=click.Choice(_STATES))
@click.option("--status", metavar="STATUS", help="Only orders that have reached this status, as the flow names it.")
@click.option("--system", metavar="NAME", help="Only orders that wait for this system.")
@click.option("--owner", metavar="NAME", help="Only orders that this owner answers for.")
@click.option("--query", "q", metavar="TEXT", help="Only orders with this in their id.")
@click.option("--sort", type=click.Choice(_SORTS), default="harm", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@api_option
def orders(as_json: bool, api: str | None, **filters: Any) -> None:
    """The board: orders, the most harmed first."""
    settings = settings_of(None)
    given = {name: value for name, value in filters.items() if value is not None}
    with ApiClient(api_url(api, settings), settings.company.language) as server:
        answer = server.get("/api/v1/orders", given)
        flow = {} if as_json else server.get("/api/v1/flow")
    if as_json:
        click.echo(_json(answer))
        return
    for line in order_text.list_lines(answer, flow, settings.company.language, terminal_width()):
        click.echo(line)


@click.command()
@click.argument("order_id", metavar="ID")
@json_option
@api_option
def order(order_id: str, as_json: bool, api: str | None) -> None:
    """One order: its state, what is wrong, what comes next, and its timeline."""
    settings = settings_of(None)
    with ApiClient(api_url(api, settings), settings.company.language) as server:
        answer = server.get(f"/api/v1/orders/{quote(order_id, safe='')}")
        flow = {} if as_json else server.get("/api/v1/flow")
    if as_json:
        click.echo(_json(answer))
        return
    zone = order_text.time_zone(settings.company.timezone)
    for line in order_text.order_lines(answer, flow, settings.company.language, zone, terminal_width()):
        click.echo(line)


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2)
