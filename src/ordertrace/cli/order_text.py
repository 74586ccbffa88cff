"""Orders of the API's JSON as lines for a terminal. Pure: no network, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from ..model.flow import System
from ..texts import duration_words, owner_title, state_title, status_reached, status_title, system_title
from .drawing import COLOUR_OF_STATE, columns, fit, printable, width_of
from .words import say

_LONG_PAUSE_SECONDS = 60.0
_STACK_LINES_MAX = 6
Json = dict[str, Any]


def time_zone(name: str) -> tzinfo:
    """The company's time zone; UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC") if name != "UTC" else datetime.now().astimezone().tzinfo or ZoneInfo("UTC")


def list_lines(answer: Json, flow: Json, language: str, width: int | None) -> list[str]:
    """The board as a table, with how many orders there are in each state on top."""
    counts = {state: count for state, count in answer["counts"].items() if count}
    total = sum(counts.values())
    head = " · ".join(_coloured(f"{state_title(state, language)} {count}", state) for state, count in counts.items())
    lines = [say(language, "Orders: %(count)s", count=total) + (f" · {head}" if head else "")]
    if not answer["orders"]:
        return [*lines, say(language, "No order matches.")] if total == 0 else lines
    titles = _titles(flow, language)
    heading = [say(language, word) for word in ("ORDER", "STATE", "STATUS", "AGE", "WAITS FOR", "WHY")]
    rows = [heading, *(_row(order, titles, language) for order in answer["orders"])]
    for number, line in enumerate(columns(rows, width)):
        state = answer["orders"][number - 1]["state"] if number else ""
        lines.append(_coloured(line, state) if state in ("stuck", "failed") else click.style(line, bold=not number))
    if answer["next"]:
        lines.append(say(language, "There are more; --limit shows up to 1000 at once."))
    return lines


def order_lines(order: Json, flow: Json, language: str, zone: tzinfo, width: int | None) -> list[str]:
    """One order from its state down to its traces."""
    titles = _titles(flow, language)
    return [
        *_head(order, titles, language, zone),
        "",
        *_timeline(order, titles, language, zone, width),
        *_ghosts(order, flow, titles, language, zone),
        "",
        *_traces(order, titles, language, zone),
    ]


def _row(order: Json, titles: dict[str, str], language: str) -> list[str]:
    why = order["diagnosis"]["text"] if order["diagnosis"] else ""
    waits_for = titles.get(order["next"]["system"], order["next"]["system"]) if order["next"] else ""
    age = duration_words(order["age_seconds"], language)
    state = state_title(order["state"], language)
    return [order["id"], state, status_title(order["status"], language) or "—", age, waits_for, why]


def _head(order: Json, titles: dict[str, str], language: str, zone: tzinfo) -> Iterator[str]:
    state = _coloured(state_title(order["state"], language), order["state"])
    yield f"{click.style(printable(order['id']), bold=True)}  {state}  {status_title(order['status'], language)}"
    if order["diagnosis"]:
        yield _coloured(printable(order["diagnosis"]["text"]), order["state"])
    for deviation in order["deviations"]:
        yield printable(deviation["text"])
    if order["surer"]:
        yield say(language, "Surer with: %(what)s", what=printable(order["surer"]["text"]))
    if order["next"]:
        due = order["next"]["due_at"]
        until = say(language, "until %(time)s", time=_clock(due, zone, with_date=True)) if due else ""
        who = titles.get(order["next"]["system"], order["next"]["system"])
        owner = owner_title(order["owner"], language)
        what = status_reached(order["next"]["status"], language)
        yield " · ".join(filter(None, (say(language, "Next: %(what)s", what=what), who, owner, until)))
    started, age = _clock(order["started_at"], zone, with_date=True), duration_words(order["age_seconds"], language)
    yield say(language, "Started %(time)s, age %(age)s", time=started, age=age)
    views = [
        f"{titles.get(name, name)}: {status_reached(v['status'], language)}" for name, v in order["statuses"].items()
    ]
    if views:
        yield " · ".join(views)


def _timeline(order: Json, titles: dict[str, str], language: str, zone: tzinfo, width: int | None) -> Iterator[str]:
    systems = [titles.get(event["system"], event["system"]) for event in order["events"]]
    lane = max(map(width_of, systems), default=0)
    before: datetime | None = None
    for event, system in zip(order["events"], systems, strict=True):
        at = datetime.fromisoformat(event["at"])
        if before and (pause := (at - before).total_seconds()) > _LONG_PAUSE_SECONDS:
            yield click.style(f"     ⋮ {duration_words(pause, language)}", dim=True)
        yield _event_line(event, fit(system, lane), language, zone, width)
        yield from _error_lines(event, lane)
        before = max(at + timedelta(seconds=event["duration_seconds"]), before or at)


def _event_line(event: Json, system: str, language: str, zone: tzinfo, width: int | None) -> str:
    mark = "✗" if event["error"] else "●" if event["status"] else "·"
    said = " · ".join(filter(None, (status_reached(event["status"] or "", language), printable(event["name"]))))
    took = duration_words(event["duration_seconds"], language) if event["duration_seconds"] else ""
    line = f"{_clock(event['at'], zone)}  {system}  {mark} {said}"
    if took:
        line += f"  {took}"
    line = fit(line, width).rstrip() if width else line
    if event["error"]:
        return click.style(line, fg="red")
    return click.style(line, bold=True) if event["status"] else line


def _error_lines(event: Json, lane: int) -> Iterator[str]:
    if not event["error"]:
        return
    indent = " " * (lane + 18)
    error = event["error"]
    told = ": ".join(filter(None, (error["type"], error["message"])))
    yield click.style(indent + printable(told), fg="red")
    stack = error["stack"].splitlines()
    repeats = bool(stack) and stack[0].strip() == told  # Java's stacks begin with type and message
    for line in stack[repeats : repeats + _STACK_LINES_MAX]:
        yield click.style(indent + printable(line.strip()), dim=True)


def _ghosts(order: Json, flow: Json, titles: dict[str, str], language: str, zone: tzinfo) -> Iterator[str]:
    """The steps still to come, as the flow expects them."""
    steps = {step["status"]: step for step in flow["steps"]}
    expected, seen = order["next"], set[str]()
    status: str = expected["status"] if expected else ""
    while status in steps and status not in seen:
        system = titles.get(steps[status]["system"], steps[status]["system"])
        due = "" if seen or not expected["due_at"] else f" ({_clock(expected['due_at'], zone)})"
        yield click.style(f"{'':14}○ {system}: {status_reached(status, language)}{due}", dim=True)
        seen.add(status)
        status = next((name for name in steps[status]["next"] if name not in flow["cancelled"]), "")


def _traces(order: Json, titles: dict[str, str], language: str, zone: tzinfo) -> Iterator[str]:
    if not order["traces"]:
        return
    yield click.style(say(language, "Traces: %(count)s", count=len(order["traces"])), bold=True)
    for trace in order["traces"]:
        systems = ", ".join(titles.get(name, name) for name in trace["systems"])
        spans = say(language, "spans: %(count)s", count=trace["spans"])
        errors = say(language, "errors: %(count)s", count=trace["errors"]) if trace["errors"] else ""
        took = duration_words(trace["duration_seconds"], language)
        line = "  ".join(
            filter(None, (_clock(trace["started_at"], zone), trace["trace_id"], systems, spans, took, errors))
        )
        yield click.style(line, fg="red" if errors else None)


def _titles(flow: Json, language: str) -> dict[str, str]:
    return {
        system["name"]: system_title(System(system["name"], system["title"], ()), language)
        for system in flow["systems"]
    }


def _clock(moment: str, zone: tzinfo, with_date: bool = False) -> str:
    local = datetime.fromisoformat(moment).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}" if with_date else f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def _coloured(text: str, state: str) -> str:
    return click.style(text, fg=COLOUR_OF_STATE.get(state))
