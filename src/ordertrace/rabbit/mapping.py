"""Where a message says its order and its status: rules of `[[broker.message]]`, compiled. Pure.

A body is read here and nowhere else; what no rule names is dropped with it.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from ..settings.brokers import BrokerMessageSettings
from ..settings.rules import parse_message_rule

BODY_BYTES_MAX = 1024 * 1024
_TEXT_LENGTH_MAX = 256
_BAGGAGE_BYTES_MAX = 8192  # W3C Baggage, 3.3.2
_PATH_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_DIGIT_RUN = re.compile(r"\d[ \-]?(?:\d[ \-]?){9,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_PHONE = re.compile(r"\+\d[\d ().\-]{8,}\d")
_CARD = re.compile(r"(?<![0-9A-Za-z.\-])(?:\d[ \-]?){14,18}\d\b")


@dataclass(frozen=True, slots=True)
class Said:
    """A message as its sender gave it; lives as long as its reading."""

    exchange: str
    routing_keys: Sequence[str]
    properties: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What a message says: its order id and its status in capitals, each '' where no rule finds one.

    `found` is what each rule found, by its text: all that is kept for other rules, or another order of them, to come.
    """

    order_id: str = ""
    status: str = ""
    found: Mapping[str, str] = field(default_factory=dict)


Look = Callable[[Said, Any], str]


@dataclass(frozen=True, slots=True)
class _Rules:
    order_id: tuple[str, ...]
    status: tuple[str, ...]
    looks: Mapping[str, Look]
    reads_body: bool


class MessageMapping:
    """The rules of one broker, and the patterns that no kept value may hold."""

    def __init__(self, messages: Sequence[BrokerMessageSettings], patterns: Sequence[str]) -> None:
        self._rules = [(message.exchange, _compile(message)) for message in messages]
        self._patterns = frozenset(patterns)
        self._rules_of = lru_cache(maxsize=1024)(self._find_rules)

    def read(self, said: Said) -> Reading:
        """What the rules of the message's exchange find in it."""
        rules = self._rules_of(said.exchange)
        if rules is None:
            return Reading()
        content = _parse(said.body) if rules.reads_body else None
        found = {rule: self.mask(text) for rule, look in rules.looks.items() if (text := look(said, content))}
        order_id = next((found[rule] for rule in rules.order_id if rule in found), "")
        status = next((found[rule] for rule in rules.status if rule in found), "")
        return Reading(order_id, status.upper(), found)

    def mask(self, text: str) -> str:
        """The text with marks in place of addresses and of phone and card numbers."""
        if "@" in text and "email" in self._patterns:
            text = _EMAIL.sub("[email]", text)
        if len(text) > 9 and not _UUID.fullmatch(text) and _DIGIT_RUN.search(text):
            if "card" in self._patterns:
                text = _CARD.sub(lambda found: "[card]" if _is_card(found[0]) else found[0], text)
            if "phone" in self._patterns:
                text = _PHONE.sub("[phone]", text)
        return text

    def _find_rules(self, exchange: str) -> _Rules | None:
        return next((rules for name, rules in self._rules if fnmatch.fnmatchcase(exchange, name)), None)


def _compile(message: BrokerMessageSettings) -> _Rules:
    texts = dict.fromkeys((*message.order_id, *message.status))
    return _Rules(
        message.order_id,
        message.status,
        {text: _build_look(text) for text in texts},
        any(text.startswith("body:") for text in texts),
    )


def _build_look(text: str) -> Look:
    source, rest = parse_message_rule(text)
    if source == "body":
        path = [name or int(index) for name, index in _PATH_PART.findall(rest)]
        return lambda said, content: _text(_follow(content, path))
    if source == "header":
        return lambda said, content: _text(said.headers.get(rest))
    if source == "property":
        return lambda said, content: _text(said.properties.get(rest))
    if source == "baggage":
        return lambda said, content: _text(_from_baggage(said.headers.get("baggage"), rest))
    pattern = re.compile(rest)
    group = 1 if pattern.groups else 0
    return lambda said, content: next((m[group] or "" for key in said.routing_keys if (m := pattern.search(key))), "")


def _parse(body: bytes) -> Any:
    if not body or len(body) > BODY_BYTES_MAX or body[:1] not in b"{[ \n\r\t\xef":
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _follow(content: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        if isinstance(part, str) and isinstance(content, dict):
            content = content.get(part)
        elif isinstance(part, int) and isinstance(content, list) and part < len(content):
            content = content[part]
        else:
            return None
    return content


def _from_baggage(header: Any, key: str) -> str:
    """The value of a key in a W3C `baggage` header: `key=value;property,…`, percent-encoded; the first one counts."""
    text = header.decode("ascii", "replace") if isinstance(header, bytes) else header
    if not isinstance(text, str) or len(text) > _BAGGAGE_BYTES_MAX:
        return ""
    members = (member.partition(";")[0].partition("=") for member in text.split(","))
    return next((unquote(value.strip()) for name, _, value in members if unquote(name.strip()) == key), "")


def _text(value: Any) -> str:
    """Texts and whole numbers, bounded; anything else names no order."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()[:_TEXT_LENGTH_MAX]


def _is_card(text: str) -> bool:
    digits = [int(sign) for sign in text if sign.isdigit()][::-1]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0
