"""Writes groups of OTLP trace requests as rows of `otel_traces`: one INSERT … SELECT a group, privacy rules inside.

Blocking, for a thread of its own. Not for deciding what a group is or what happens to one that is refused.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as EngineError

from ..errors import Invalid, Unavailable
from ..metrics import Metrics
from ..privacy.rules import build_rules, sql_array, sql_string
from ..settings import Rule, Settings, span_rules
from .statements import statement
from .store import clean

EARLIEST_NS = 946_684_800 * 10**9  # 2000-01-01
AHEAD_MAX_NS = 86_400 * 10**9

# Named by its path: a schema given as text is written into the working directory by the engine.
_PROTO = Path(__file__).with_name("sql") / "otlp_traces.proto"
# What is read of a request; must agree with the schema.
_ATTRIBUTES = "attributes Array(Tuple(key String, value String))"
_SPAN = (
    "trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32, "
    f"start_time_unix_nano UInt64, end_time_unix_nano UInt64, {_ATTRIBUTES}, "
    f"events Array(Tuple(time_unix_nano UInt64, name String, {_ATTRIBUTES})), "
    f"links Array(Tuple(trace_id String, span_id String, trace_state String, {_ATTRIBUTES})), "
    "status Tuple(message String, code Int32)"
)
_STRUCTURE = (
    f"resource_spans Array(Tuple(resource Tuple({_ATTRIBUTES}), "
    f"scope_spans Array(Tuple(scope Tuple(name String, version String), spans Array(Tuple({_SPAN}))))))"
)

# Errors of the engine that speak of what it read. All others are its own trouble: the group waits rather than being judged.
_UNREADABLE = (
    "PROTOBUF",
    "INCORRECT_DATA",
    "CANNOT_PARSE",
    "CANNOT_READ_ALL_DATA",
    "ATTEMPT_TO_READ",
    "UNEXPECTED_END",
    "OUT_OF_RANGE",
    "OUT_OF_BOUND",
    "TOO_LARGE",
    "DECIMAL_OVERFLOW",
)


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that are written together: `file` is a descriptor of a file in memory with each request behind its length.

    `name` is the same whenever this group is written again; `inserted_at` differs from that of any other group.
    """

    name: str
    inserted_at: datetime
    file: int


class SpanWriter:
    """Writes through a connection that only its own thread uses."""

    def __init__(self, client: Client, settings: Settings, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics
        self._statement = build_statement(settings)

    def write(self, group: Group) -> None:
        """Writes all spans that can be true, synced; under a name that was written before, nothing.

        Raises Invalid when the engine cannot read a request of the group, Unavailable when it cannot write now.
        """
        os.lseek(group.file, 0, os.SEEK_SET)
        started = time.perf_counter()
        try:
            self._client.command(self._statement, parameters=self._parameters(group))
        except EngineError as error:
            text = clean(error)
            if any(word in text for word in _UNREADABLE):
                raise Invalid(f"the store cannot read a request of {group.name}: {text}") from None
            raise Unavailable(f"the store could not write {group.name}: {text}") from None
        finally:
            self._metrics.insert_seconds.labels("insert_spans").observe(time.perf_counter() - started)

    def _parameters(self, group: Group) -> dict[str, object]:
        return {
            "file": f"/proc/self/fd/{group.file}",
            "structure": _STRUCTURE,
            "schema": f"{_PROTO}:Request",
            "token": group.name,
            "inserted_at": group.inserted_at.astimezone(UTC),
            "earliest": EARLIEST_NS,
            "latest": time.time_ns() + AHEAD_MAX_NS,
        }


def build_statement(settings: Settings) -> str:
    """The INSERT with the rules of these settings in it."""
    privacy = build_rules(settings.privacy)
    ids = span_rules(settings.order.id)
    statuses = span_rules(settings.order.status)
    messages = [Rule(source="attribute", key=key) for key in ("messaging.message.id", "messaging.message_id")]
    keys = list(dict.fromkeys(rule.key for rule in (*ids, *statuses, *messages)))[:250]
    return Template(statement("insert_spans")).substitute(
        drops=privacy.drops,
        suspects=privacy.suspects,
        scrub_said=privacy.scrub_all("said"),
        decoded=_DECODED,
        codes=f"transform(key, {sql_array(keys)}, {list(range(1, len(keys) + 1))}, 0)",
        order_ids=_all_found(ids, keys),
        order_sources=sql_array([*(rule.source for rule in ids), ""]),
        order_statuses=_all_found(statuses, keys),
        message_ids=_all_found(messages, keys),
    )


def _all_found(rules: list[Rule], keys: list[str]) -> str:
    """What each rule finds in a span, as an array; the first that is not empty holds."""
    return "[" + ", ".join([*(_found(rule, keys) for rule in rules), "''"]) + "]"


def _found(rule: Rule, keys: list[str]) -> str:
    """What the rule finds in a span: `found` holds the values of `keys` that the span has, `found_codes` says of which."""
    value = f"found[indexOf(found_codes, {keys.index(rule.key) + 1})]"
    if rule.source == "attribute":
        return value
    return f"if({value} = '', '', regexpExtract({value}, {sql_string(rule.pattern)}, {rule.group}))"


# AnyValue's bytes → text. The first byte tells the kind; texts, bytes and containers follow behind their length.
# A container was made JSON when it was admitted, as its only element: three lengths stand before the text.
_LENGTH_BYTES = "((length(raw) > 130) + (length(raw) > 16387) + (length(raw) > 2097156))"
_DECODED = (
    "multiIf("
    f"ascii(raw) = 10, substring(raw, 3 + {_LENGTH_BYTES}), "
    "ascii(raw) = 24, toString(reinterpretAsInt64("
    "arraySum(i -> bitShiftLeft(toUInt64(bitAnd(ascii(substring(raw, 2 + i, 1)), 127)), 7 * i), range(length(raw) - 1)))), "
    "ascii(raw) = 16, if(endsWith(raw, unhex('01')), 'true', 'false'), "
    "ascii(raw) = 33, toString(reinterpretAsFloat64(substring(raw, 2))), "
    f"ascii(raw) IN (42, 50), substring(raw, 7 + 3 * {_LENGTH_BYTES}), "
    f"ascii(raw) = 58, base64Encode(substring(raw, 3 + {_LENGTH_BYTES})), "
    "'')"
)
