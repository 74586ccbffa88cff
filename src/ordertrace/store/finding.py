"""Rules of `[order]` as SQL expressions over the attributes of a span or log record. Runs nothing.

In the statements `found` holds the values of the wanted keys that there are, `found_codes` says of which; `body` is the text
of a log record.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..privacy.rules import sql_array, sql_string
from ..settings.rules import Rule


def codes_of(keys: Sequence[str]) -> str:
    """The number of the attribute name `key` among the wanted ones, from 1; 0 for all others."""
    return f"transform(key, {sql_array(keys)}, {list(range(1, len(keys) + 1))}, 0)" if keys else "0"


def find_all(rules: Sequence[Rule], keys: Sequence[str]) -> str:
    """What each rule finds, as an array; the first that is not empty holds."""
    return "[" + ", ".join([*(_found(rule, keys) for rule in rules), "''"]) + "]"


def find_stored(rules: Sequence[Rule], attributes: str, body: str) -> str:
    """The same in a row that is stored already: `attributes` and `body` are its columns."""
    return "[" + ", ".join([*(found_in(rule, attributes, body) for rule in rules), "''"]) + "]"


def found_in(rule: Rule, attributes: str, body: str) -> str:
    """What one rule finds in a stored row. Of an attribute that came twice the first holds, as on its way in."""
    key = sql_string(rule.key)
    return _extracted(
        rule, body if rule.source == "log" else f"mapValues({attributes})[indexOf(mapKeys({attributes}), {key})]"
    )


def _found(rule: Rule, keys: Sequence[str]) -> str:
    return _extracted(
        rule, "body" if rule.source == "log" else f"found[indexOf(found_codes, {keys.index(rule.key) + 1})]"
    )


def _extracted(rule: Rule, value: str) -> str:
    if rule.source == "attribute":
        return value
    return f"if({value} = '', '', regexpExtract({value}, {sql_string(rule.pattern)}, {rule.group}))"
