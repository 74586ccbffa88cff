"""A second set of the tables that are derived from evidence, in a database beside: filled unseen, then put in force at once.

The statements that join are the same as for what has just come in. Here they read what is being worked through as if it were
one group that was just inserted, and write beside. Does not decide what is worked through.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from string import Template

from clickhouse_connect.driver.client import Client

from ..metrics import Metrics
from ..settings import Settings
from .statements import statement
from .store import Store

DERIVED = (
    "trace_orders",
    "waiting_events",
    "span_orders",
    "order_traces",
    "span_keys",
    "order_keys",
    "trace_links",
    "message_ids",
    "message_id_holders",
    "message_orders",
    "consumer_spans",
    "order_log_places",
    "orders",
    "order_events",
)
"""Tables that are made from evidence alone; what is read at a glance before what it sums up."""

_EVIDENCE = ("otel_traces", "otel_logs", "message_events", "channel_deliveries", "trace_groups")
_SHOWN = _EVIDENCE[:3]
_MADE_ON_QUESTION = ("order_paths",)  # from derived tables, and made again when somebody asks
_ON_THE_WAY = "told_events"
# Statements in which spans and log records are those of just inserted groups only.
_OF_GROUPS = frozenset(
    {
        "join_traces",
        "join_events",
        "join_log_traces",
        "join_log_events",
        "link_count",
        "link_links",
        "link_span_keys",
        "link_log_keys",
        "link_ids_of_messages",
        "link_ids_of_spans",
        "link_consumer_spans",
        "link_relabel",
        "link_shared",
        "link_shared_of_groups",
        "replay_log_places",
        "replay_message_facts",
    }
)


class Shadow(Store):
    """The store as the joiner and the linker see it while history is worked through again."""

    def __init__(self, settings: Settings, metrics: Metrics, live: Store) -> None:
        super().__init__(settings, metrics, connections=1)
        self._live = live
        self._database = ""
        self._live_database = ""

    def connect(self) -> Client:
        """A connection that finds the tables beside by their plain names."""
        client = super().connect()
        client.command(f"USE {self._database}")
        client.set_client_setting("max_execution_time", 0)  # nobody waits for it
        return client

    async def open(self, anew: bool) -> None:
        """Makes the tables, or takes up those that an earlier run left. Raises as `Store.execute` does."""
        ((self._live_database,),) = await self._live.query("replay_database")
        self._database = f"{self._live_database}_replay"
        if anew:
            await self._define("replay_drop")
        await self._define("replay_create")
        definitions = {name: (engine, text) for name, engine, text in await self._live.query("replay_definitions")}
        there = {row[0] for row in await self.query("replay_definitions")}
        for table in (*DERIVED, _ON_THE_WAY):
            if table not in there:
                await self._define("replay_table", table=table)
                if re.search(r"\bTTL\b", definitions[table][1]):
                    await self._define("replay_table_keeps", table=table)
        for table in _EVIDENCE:
            if table not in there:
                await self._define("replay_evidence", table=table)
        for name, (engine, text) in definitions.items():
            if engine == "MaterializedView" and name not in there and not self._is_of_evidence(text):
                await self.execute_text("replay_view", text.replace(f"{self._live_database}.", f"{self._database}."))

        for table in _SHOWN:
            await self.show(table, "0", datetime.fromtimestamp(0, UTC))

    async def show(self, table: str, rows: str, stamp: datetime) -> None:
        """Makes these rows of a table the group that is worked through."""
        await self._define("replay_fresh", table=table, rows=rows, stamp=f"{stamp:%Y-%m-%d %H:%M:%S.%f}"[:-3])

    async def switch(self) -> None:
        """Puts what was made beside in force. May be called again after a crash in the middle of it."""
        here = {row[0] for row in await self._live.query("replay_definitions")}
        for table in DERIVED:
            ((count,),) = await self.query_text(
                "replay_rows", Template(statement("replay_rows")).substitute(table=table)
            )
            await self._define("replay_switch" if count else "replay_empty", table=table)
        for table in _MADE_ON_QUESTION:
            if table in here:
                await self._define("replay_empty", table=table)

    async def drop(self) -> None:
        """Removes everything beside."""
        await self._define("replay_drop")

    async def keep(self, name: str, parameters: dict[str, object]) -> None:
        """Copies rows from the tables in force."""
        await self._live.execute_text(name, Template(statement(name)).substitute(shadow=self._database), parameters)

    def _put(self, name: str, text: str) -> str:
        if name not in _OF_GROUPS and name != "link_messages":
            return text
        text = re.sub(r"\bmessage_events(?=\s+WHERE (?:inserted_at|kind) IN)", "fresh_message_events", text)
        return re.sub(r"\b(otel_traces|otel_logs)\b", r"fresh_\1", text)

    def _is_of_evidence(self, definition: str) -> bool:
        return any(re.search(rf"\bFROM {self._live_database}\.{table}\b", definition) for table in _EVIDENCE)

    async def _define(self, name: str, **values: str) -> None:
        text = Template(statement(name)).substitute(shadow=self._database, live=self._live_database, **values)
        await self._live.execute_text(name, text)
