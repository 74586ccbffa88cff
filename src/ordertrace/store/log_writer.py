"""Writes groups of OTLP log requests as rows of `otel_logs`: one INSERT … SELECT a group, privacy rules inside.

Blocking, for a thread of its own. Not for deciding what a group is or what happens to one that is refused.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

from ..privacy.rules import build_rules, sql_array
from ..settings import Settings, parse_rule
from .any_value import DECODED, TYPES
from .finding import codes_of, find_all
from .group_writer import GroupWriter
from .statements import statement

# Named by its path: a schema given as text is written into the working directory by the engine.
_PROTO = Path(__file__).with_name("sql") / "otlp_logs.proto"
# What is read of a request; must agree with the schema.
_ATTRIBUTES = "attributes Array(Tuple(key String, value String))"
_RECORD = (
    "time_unix_nano UInt64, severity_number Int32, severity_text String, body String, "
    f"{_ATTRIBUTES}, flags UInt32, trace_id String, span_id String, observed_time_unix_nano UInt64, event_name String"
)
_SCOPE = f"scope Tuple(name String, version String, {_ATTRIBUTES})"
_STRUCTURE = (
    f"resource_logs Array(Tuple(resource Tuple({_ATTRIBUTES}), schema_url String, "
    f"scope_logs Array(Tuple({_SCOPE}, schema_url String, log_records Array(Tuple({_RECORD}))))))"
)


class LogWriter(GroupWriter):
    """Writes log requests through a connection that only its own thread uses."""

    name = "insert_logs"
    structure = _STRUCTURE
    schema = f"{_PROTO}:Request"

    def build(self, settings: Settings) -> str:
        """The INSERT with the rules of these settings in it."""
        privacy = build_rules(settings.privacy)
        ids = [parse_rule(text) for text in settings.order.id]
        statuses = [parse_rule(text) for text in settings.order.status]
        keys = list(dict.fromkeys(rule.key for rule in (*ids, *statuses) if rule.source != "log"))[:250]
        return Template(statement(self.name)).substitute(
            drops=privacy.drops,
            suspects=privacy.suspects,
            scrub_said=privacy.scrub_all("said"),
            decoded=DECODED,
            types=TYPES,
            codes=codes_of(keys),
            order_ids=find_all(ids, keys),
            order_sources=sql_array([*(rule.source for rule in ids), ""]),
            order_statuses=find_all(statuses, keys),
        )
