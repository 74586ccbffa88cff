"""Writes groups of OTLP trace requests as rows of `otel_traces`: one INSERT … SELECT a group, privacy rules inside.

Blocking, for a thread of its own. Not for deciding what a group is or what happens to one that is refused.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

from ..privacy.rules import build_rules, sql_array
from ..settings import Rule, Settings, span_rules
from .any_value import DECODED, TYPES
from .finding import codes_of, find_all
from .group_writer import GroupWriter
from .statements import statement

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
_MESSAGE_IDS = [Rule(source="attribute", key=key) for key in ("messaging.message.id", "messaging.message_id")]


class SpanWriter(GroupWriter):
    """Writes trace requests through a connection that only its own thread uses."""

    name = "insert_spans"
    structure = _STRUCTURE
    schema = f"{_PROTO}:Request"

    def build(self, settings: Settings) -> str:
        """The INSERT with the rules of these settings in it."""
        privacy = build_rules(settings.privacy)
        ids, statuses = span_rules(settings.order.id), span_rules(settings.order.status)
        keys = list(dict.fromkeys(rule.key for rule in (*ids, *statuses, *_MESSAGE_IDS)))[:250]
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
            message_ids=find_all(_MESSAGE_IDS, keys),
        )
