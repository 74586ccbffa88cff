"""Writes groups of OTLP log requests as rows of `otel_logs`: one INSERT … SELECT a group, privacy rules inside.

Blocking, for a thread of its own. Not for deciding what a group is or what happens to one that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..settings.rules import Rule, parse_rule
from .group_writer import GroupWriter

# Named by its path: a schema given as text is written into the working directory by the engine.
_PROTO = Path(__file__).with_name("sql") / "otlp_logs.proto"
# What is read of a request; must agree with the schema.
_ATTRIBUTES = "attributes Array(Tuple(key String, value String)), dropped_attributes_count UInt32"
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
    message_ids = ()

    @staticmethod
    def rules(texts: Sequence[str]) -> list[Rule]:
        """All rules: those for the text of a record, too."""
        return [parse_rule(text) for text in texts]
