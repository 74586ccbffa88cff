"""Writes groups of OTLP trace requests as rows of `otel_traces`: one INSERT … SELECT a group, privacy rules inside.

Blocking, for a thread of its own. Not for deciding what a group is or what happens to one that is refused.
"""

from __future__ import annotations

from pathlib import Path

from .group_writer import GroupWriter

# Named by its path: a schema given as text is written into the working directory by the engine.
_PROTO = Path(__file__).with_name("sql") / "otlp_traces.proto"
# What is read of a request; must agree with the schema.
_ATTRIBUTES = "attributes Array(Tuple(key String, value String)), dropped_attributes_count UInt32"
_SPAN = (
    "trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32, "
    f"start_time_unix_nano UInt64, end_time_unix_nano UInt64, flags UInt32, {_ATTRIBUTES}, "
    f"events Array(Tuple(time_unix_nano UInt64, name String, {_ATTRIBUTES})), dropped_events_count UInt32, "
    f"links Array(Tuple(trace_id String, span_id String, trace_state String, flags UInt32, {_ATTRIBUTES})), "
    "dropped_links_count UInt32, status Tuple(message String, code Int32)"
)
_STRUCTURE = (
    f"resource_spans Array(Tuple(resource Tuple({_ATTRIBUTES}), schema_url String, scope_spans Array(Tuple("
    f"scope Tuple(name String, version String, {_ATTRIBUTES}), schema_url String, spans Array(Tuple({_SPAN}))))))"
)


class SpanWriter(GroupWriter):
    """Writes trace requests through a connection that only its own thread uses."""

    name = "insert_spans"
    structure = _STRUCTURE
    schema = f"{_PROTO}:Request"
