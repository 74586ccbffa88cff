"""Columns of stored spans, log records and messages that rules fill: found anew where rules have changed.

The engine does that in the background, part by part, and goes on by itself after a crash. Decides not when that is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

import structlog

from ..errors import Internal
from ..model.flow import Flow
from ..privacy.rules import build_rules, sql_array
from ..settings import Settings
from ..settings.rules import parse_rule, span_rules
from .finding import find_stored
from .message_finding import MessageExpressions, routing_patterns
from .statements import statement
from .store import Store

SPANS, LOGS, MESSAGES, DELIVERIES = "otel_traces", "otel_logs", "message_events", "channel_deliveries"

_log = structlog.get_logger(__name__)
_TABLES = [SPANS, LOGS, MESSAGES, DELIVERIES]
_PLACES_MAX = 10_000


class ColumnStore:
    """Has columns made anew by the rules of these settings."""

    def __init__(self, store: Store, settings: Settings, flow: Flow) -> None:
        self._store = store
        self._orders = settings.order
        self._brokers = settings.broker
        self._scrubs = build_rules(settings.privacy)
        self._flow = flow

    async def stop(self) -> None:
        """Gives up what an earlier change of rules has not finished."""
        await self._store.execute("replay_columns_stop", {"tables": _TABLES})

    async def rewrite_telemetry(self) -> None:
        """Has order ids and statuses found anew in spans and log records."""
        for table, attributes, body, parse in (
            (SPANS, "SpanAttributes", "", span_rules),
            (LOGS, "LogAttributes", "Body", lambda texts: [parse_rule(text) for text in texts]),
        ):
            ids, statuses = parse(self._orders.id), parse(self._orders.status)
            text = Template(statement("replay_columns")).substitute(
                table=table,
                ids=find_stored(ids, attributes, body),
                sources=sql_array([*(rule.source for rule in ids), ""]),
                statuses=find_stored(statuses, attributes, body),
            )
            await self._store.execute_text("replay_columns", text)

    async def rewrite_messages(self) -> None:
        """Has order ids, statuses and publishers found anew in messages, as far as what is kept of them tells."""
        rows = await self._store.query("replay_message_places", {"limit": _PLACES_MAX})
        foreign = {pattern for pattern in routing_patterns(self._brokers) if not await self._is_read(pattern)}
        if foreign:
            _log.warning(
                "rules for routing keys hold for new messages only: they are not RE2", patterns=sorted(foreign)
            )
        places: Sequence[tuple[str, str]] = [(row[0], row[1]) for row in rows]
        found = MessageExpressions(self._brokers, self._flow, self._scrubs, places, foreign)
        names = {"order": found.order_id(), "status": found.status(), "system": found.system()}
        for name in ("replay_message_columns", "replay_delivery_columns"):
            await self._store.execute_text(name, Template(statement(name)).substitute(names))

    async def left(self) -> int:
        """How many parts of tables the engine still has to rewrite. Raises Internal where it cannot."""
        ((left, reason),) = await self._store.query("replay_columns_left", {"tables": _TABLES})
        if reason:
            raise Internal(f"what is stored does not take the new rules: {reason.split('(')[0][:200]}")
        return int(left)

    async def put_findings_right(self) -> None:
        """Lets what is held against messages speak of the orders that they are about now."""
        await self._store.execute("replay_message_findings")

    async def _is_read(self, pattern: str) -> bool:
        try:
            await self._store.query("replay_pattern", {"pattern": pattern})
        except Internal:
            return False
        return True
