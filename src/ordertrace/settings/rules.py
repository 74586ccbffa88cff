"""Rules that find order ids, statuses and keys: in telemetry, and in messages. Parsed here, applied elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Rule(BaseModel):
    """Where to find an order id or a status: an attribute, a pattern in an attribute, or a pattern in a log record's body.

    Written as `attribute:KEY`, `pattern:KEY:REGEX` or `log:REGEX` with a group named `id` (or `status`); RE2 syntax.
    """

    model_config = ConfigDict(frozen=True)
    source: Literal["attribute", "pattern", "log"]
    key: str
    pattern: str = ""
    group: int = 0


def parse_rule(text: str) -> Rule:
    """One rule of `[order]`. Raises ValueError with what is wrong in it."""
    source, _, rest = text.partition(":")
    if source == "attribute" and rest:
        return Rule(source="attribute", key=rest)
    if source == "log" and rest:
        return Rule(source="log", key="", pattern=rest, group=_group(text, rest))
    key, _, pattern = rest.partition(":")
    if source != "pattern" or not key or not pattern:
        raise ValueError(f"rule {text!r}: write attribute:KEY, pattern:KEY:REGEX or log:REGEX")
    return Rule(source="pattern", key=key, pattern=pattern, group=_group(text, pattern))


def span_rules(texts: Sequence[str]) -> list[Rule]:
    """Those of the rules that look into attributes, as spans and log records have."""
    return [rule for rule in map(parse_rule, texts) if rule.source != "log"]


def parse_message_rule(text: str) -> tuple[str, str]:
    """`body:$.path`, `header:NAME`, `property:NAME`, `baggage:KEY` or `routing_key:REGEX` → (source, rest).

    The pattern's first group is taken, or all of it. Raises ValueError with what is wrong.
    """
    source, _, rest = text.partition(":")
    if source not in ("body", "header", "property", "baggage", "routing_key") or not rest:
        raise ValueError(
            f"rule {text!r}: write body:$.PATH, header:NAME, property:NAME, baggage:KEY or routing_key:REGEX"
        )
    if source == "body" and not re.fullmatch(r"\$(?:\.[^.\[\]]+|\[\d+\])+", rest):
        raise ValueError(f"rule {text!r}: write the path as $.name.name or $.name[0]")
    if source == "routing_key":
        try:
            re.compile(rest)
        except re.error as error:
            raise ValueError(f"rule {text!r}: {error}") from None
    return source, rest


def _group(text: str, pattern: str) -> int:
    """The number of the pattern's only named group. Raises ValueError."""
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"rule {text!r}: {error}") from None
    if len(groups) != 1:
        raise ValueError(f"rule {text!r}: the pattern needs exactly one named group, (?P<id>…)")
    return next(iter(groups.values()))
