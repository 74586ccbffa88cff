"""Writes groups of Zipkin spans as rows of `otel_traces`: one INSERT … SELECT a group, privacy rules inside.

Blocking, for a thread of its own. Not for deciding what a group is or what happens to one that is refused.
"""

from __future__ import annotations

from .group_writer import GroupWriter

_ENDPOINT = "Tuple(serviceName String, ipv4 String, ipv6 String, port UInt32)"
_STRUCTURE = (
    "traceId String, id String, parentId String, name String, kind String, timestamp UInt64, duration UInt64, "
    f"debug Bool, shared Bool, localEndpoint {_ENDPOINT}, remoteEndpoint {_ENDPOINT}, "
    "annotations Array(Tuple(timestamp UInt64, value String)), tags Map(String, String)"
)


class ZipkinWriter(GroupWriter):
    """Writes Zipkin spans through a connection that only its own thread uses."""

    name = "insert_zipkin"
    structure = _STRUCTURE
