"""Writes groups of Zipkin spans as rows of `otel_traces`: one INSERT … SELECT a group, privacy rules inside.

Blocking, for a thread of its own. Not for deciding what a group is or what happens to one that is refused.
"""

from __future__ import annotations

from string import Template

from ..privacy.rules import build_rules, sql_array
from ..settings import Rule, Settings, span_rules
from .finding import codes_of, find_all
from .group_writer import GroupWriter
from .statements import statement

_ENDPOINT = "Tuple(serviceName String, ipv4 String, ipv6 String, port UInt32)"
_STRUCTURE = (
    "traceId String, id String, parentId String, name String, kind String, timestamp UInt64, duration UInt64, "
    f"debug Bool, shared Bool, localEndpoint {_ENDPOINT}, remoteEndpoint {_ENDPOINT}, "
    "annotations Array(Tuple(timestamp UInt64, value String)), tags Map(String, String)"
)
_MESSAGE_IDS = [Rule(source="attribute", key=key) for key in ("messaging.message.id", "messaging.message_id")]


class ZipkinWriter(GroupWriter):
    """Writes Zipkin spans through a connection that only its own thread uses."""

    name = "insert_zipkin"
    structure = _STRUCTURE

    def build(self, settings: Settings) -> str:
        """The INSERT with the rules of these settings in it."""
        privacy = build_rules(settings.privacy)
        ids, statuses = span_rules(settings.order.id), span_rules(settings.order.status)
        keys = list(dict.fromkeys(rule.key for rule in (*ids, *statuses, *_MESSAGE_IDS)))[:250]
        return Template(statement(self.name)).substitute(
            drops=privacy.drops,
            suspects=privacy.suspects,
            scrub_said=privacy.scrub_all("said"),
            codes=codes_of(keys),
            order_ids=find_all(ids, keys),
            order_sources=sql_array([*(rule.source for rule in ids), ""]),
            order_statuses=find_all(statuses, keys),
            message_ids=find_all(_MESSAGE_IDS, keys),
        )
