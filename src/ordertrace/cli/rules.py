"""`ordertrace rules test`: which rule takes what to which order, and what other rules would change, from a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from .client import ApiClient, api_url
from .shared import api_option, json_option, settings_of
from .words import say

_WHY = {
    "rule": "%(rule)s",
    "log": "named by a log record: %(rule)s",
    "message": "named by a message",
    "correlation": "answers a message of the order",
    "link": "linked",
    "key": "another key of the order",
    "sequence": "sequence of deliveries",
    "time": "only this order can be meant",
    "above": "from span %(span)s above",
    "below": "from span %(span)s below",
    "trace": "its trace names no other order",
    "nothing_named": "nothing in the trace names an order",
    "several": "the trace serves several orders",
    "names_several": "named for several orders",
    "unknown_key": "holds a key that nobody knows",
    "unknown_order": "the system does not know this order",
}
_DIFFERENCE = {"gained": "+", "lost": "-", "moved": "→", "status": "~"}


@click.group()
def rules() -> None:
    """Rules that find orders and statuses."""


@rules.command()
@click.option("--order", "order_id", metavar="ID", help="Try the rules on the traces of this order.")
@click.option("--trace", "trace_id", metavar="ID", help="Try the rules on this trace.")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings with other rules for order ids and statuses; shows what they would change.",
)
@json_option
@api_option
def test(order_id: str | None, trace_id: str | None, path: Path | None, as_json: bool, api: str | None) -> None:
    """Which rule takes which span to which order and status, and why; changes nothing."""
    if bool(order_id) == bool(trace_id):
        raise click.UsageError("name what to try the rules on: --order ID or --trace ID.")
    settings = settings_of(None)
    subject = {"order": order_id} if order_id else {"trace": trace_id}
    with ApiClient(api_url(api, settings), settings.company.language) as server:
        if path:
            order = settings_of(path).order
            answer = server.post("/api/v1/rules/test", {**subject, "id": order.id, "status": order.status})
        else:
            answer = server.get("/api/v1/rules/test", subject)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    for line in _lines(answer, settings.company.language, bool(path)):
        click.echo(line)


def _lines(trial: dict[str, Any], language: str, others: bool) -> Iterator[str]:
    for rule in trial["rules"]:
        yield f"{rule['uses']:>6}  {rule['purpose']:<6}  {rule['rule']}"
    for trace in trial["traces"]:
        yield ""
        orders = ", ".join(trace["orders"]) or "—"
        yield click.style(
            say(language, "Trace %(trace)s: %(orders)s", trace=trace["trace_id"], orders=orders), bold=True
        )
        for tried in trace["spans"]:
            yield _line(tried, language)
    yield ""
    if others:
        yield say(
            language, "Spans and log records that these rules would change: %(count)s", count=trial["differences"]
        )
    elif trial["differences"]:
        yield say(language, "Stored by earlier rules and not worked through yet: %(count)s", count=trial["differences"])
    if trial["limits"]:
        yield say(language, "Not everything is shown; too many: %(what)s", what=", ".join(trial["limits"]))


def _line(tried: dict[str, Any], language: str) -> str:
    verdict = tried["verdict"]
    mark = _DIFFERENCE.get(tried["difference"], " ")
    name = f"{'  ' * min(tried['depth'], 12)}{tried['kind'].lower()} {tried['name']}"
    name = name if len(name) <= 60 else name[:59] + "…"
    why = say(language, _WHY[verdict["why"]], rule=verdict["rule"], span=verdict["from_span"])
    sure = f" {verdict['confidence']:.2f}" if verdict["order_id"] else ""
    status = f"  {verdict['status']} ← {verdict['status_rule']}" if verdict["status"] else ""
    before = tried["stored"]
    was = f"  [{before['order_id'] or '—'} {before['status']}]".rstrip(" ]") + "]" if tried["difference"] else ""
    return f"{mark} {name:<60}  {tried['system']:<10}  {verdict['order_id'] or '—'}{sure}  ({why}){status}{was}"
