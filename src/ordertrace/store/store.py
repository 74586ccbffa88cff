"""Connections to the engine and the running of named statements. What the statements mean is said by the readers beside this.

The engine's calls block, so they run on a few named threads, each with a connection of its own: one connection runs one
statement at a time, several run side by side.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as EngineError

from ..errors import Internal, Invalid, OrdertraceError, Unavailable
from ..metrics import Metrics
from ..settings import Settings
from .statements import migrations, statement

Row = tuple[Any, ...]

_GIVING_WAY = 10  # a nice value: where others want the same processor, these get a tenth of it


class Store:
    """Runs statements on a bounded number of connections. Open one with `open_store`."""

    def __init__(self, settings: Settings, metrics: Metrics, connections: int = 0, *, gives_way: bool = False) -> None:
        """With `gives_way` its statements let those of others go first, as far as the system allows that (CAP_SYS_NICE)."""
        self._gives_way = gives_way
        self._settings = settings
        self._metrics = metrics
        self._local = threading.local()
        self._clients: list[Client] = []
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(connections or settings.store.connections, thread_name_prefix="store")

    def connect(self) -> Client:
        """A new connection for a caller with a thread of its own. Raises Unavailable if the engine cannot be opened."""
        try:
            client = clickhouse_connect.get_client(
                tz_mode="aware", settings=self._engine_settings(), **_target(self._settings)
            )
        except (EngineError, OSError, RuntimeError) as error:
            raise Unavailable(f"cannot open the store {_public(self._settings.store.url)}: {clean(error)}") from None
        with self._lock:
            self._clients.append(client)
        return client

    async def query(self, name: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of the statement `sql/<name>.sql`; parameters are bound as the types that the statement names.

        Raises Unavailable when it took too long or the engine does not answer, Internal when the engine refuses it.
        """
        return await self.query_text(name, statement(name), parameters)

    async def execute(self, name: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Runs a statement without a result; raises as `query` does."""
        await self.execute_text(name, statement(name), parameters)

    async def execute_text(self, name: str, text: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Runs a statement that was completed from the settings; `name` is that of its file."""
        bound = dict(parameters or {})
        await self._run(name, lambda client: client.command(self._put(name, text), parameters=bound))

    async def query_text(self, name: str, text: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a statement that was completed from the settings; `name` is that of its file."""
        bound = dict(parameters or {})
        rows: Sequence[Row] = await self._run(
            name, lambda client: client.query(self._put(name, text), parameters=bound).result_rows
        )
        return rows

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Inserts a few rows of our own making (never telemetry as it came: that goes through the span writer)."""
        await self._run(f"insert_{table}", lambda client: client.insert(table, rows, column_names=list(columns)))

    async def migrate(self) -> None:
        """Brings the schema up to date; each migration runs once, in order."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._migrate)

    def close(self) -> None:
        """Waits for running statements and closes all connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for client in self._clients:
            client.close()

    async def _run(self, name: str, call: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, name, call)

    def _call(self, name: str, call: Any) -> Any:
        started = time.perf_counter()
        try:
            return call(self._client())
        except EngineError as error:
            raise _translated(name, error) from None
        finally:
            self._metrics.query_seconds.labels(name).observe(time.perf_counter() - started)

    def _put(self, name: str, text: str) -> str:
        """The statement as it is run; a store beside this one puts other tables in it."""
        return text

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self.connect()
        return client

    def _engine_settings(self) -> dict[str, Any]:
        limits = self._settings.store
        nice = _GIVING_WAY if self._gives_way else 0
        return {
            "os_threads_nice_value_query": nice,
            "os_threads_nice_value_materialized_view": nice,
            "session_timezone": "UTC",
            "max_threads": 2,
            "optimize_and_compare_chain": 0,  # looking for such chains, which no statement has, is costly
            "optimize_on_insert": 0,  # merges do it, and readers of tables that replace or add up rows do so themselves
            "max_execution_time": limits.query_seconds_max,
            "max_result_rows": limits.result_rows_max,
            "result_overflow_mode": "throw",
            "max_memory_usage": limits.engine_memory_bytes_max,
        }

    def _migrate(self) -> None:
        client = self._client()
        client.command(statement("create_migrations"))
        done = {row[0] for row in client.query("SELECT name FROM migrations").result_rows}
        for name, statements in migrations():
            if name not in done:
                for text in statements:
                    client.command(text)
                client.command("INSERT INTO migrations (name) VALUES ({name:String})", parameters={"name": name})
        self._apply_retention(client)

    def _apply_retention(self, client: Client) -> None:
        """Makes tables keep rows as long as the settings say; tables that do already are left alone."""
        kept = {
            "otel_traces": self._settings.retention.spans,
            "trace_groups": self._settings.retention.spans,
            "otel_logs": self._settings.retention.logs,
            "order_events": self._settings.retention.order_events,
        }
        tables = client.query(statement("table_retention"), parameters={"tables": list(kept)}).result_rows
        for table, definition in tables:
            seconds = int(kept[table].total_seconds())
            if f"toIntervalSecond({seconds})" not in definition:
                client.command(f"ALTER TABLE {table} MODIFY TTL toDateTime(inserted_at) + toIntervalSecond({seconds})")


@asynccontextmanager
async def open_store(settings: Settings, metrics: Metrics) -> AsyncIterator[Store]:
    """The store, opened and migrated. Raises Unavailable when it cannot be opened, Invalid for a DSN of another kind."""
    store = Store(settings, metrics)
    try:
        await store.migrate()
        yield store
    finally:
        store.close()


def clean(error: Exception) -> str:
    """An engine's error as one short line: no stack, no statement, no values."""
    text = str(error)
    code = re.search(r"Code: (\d+)", text)
    name = re.search(r"\(([A-Z][A-Z_]{3,})\)", text)
    parts = [f"code {code[1]}" if code else type(error).__name__, name[1] if name else ""]
    return " ".join(part for part in parts if part)


def _translated(name: str, error: Exception) -> OrdertraceError:
    text = clean(error)
    if any(word in text for word in ("TIMEOUT", "MEMORY_LIMIT", "TOO_MANY", "NOT_ENOUGH_SPACE", "NETWORK", "SOCKET")):
        return Unavailable(f"the store could not finish {name}: {text}")
    return Internal(f"the store refused {name}: {text}")


def _target(settings: Settings) -> dict[str, Any]:
    """Where to connect: the embedded engine with its own configuration, or a server."""
    url = settings.store.url
    if not url.startswith("chdb://"):
        if not url.startswith(("http://", "https://", "clickhouse://", "clickhouses://")):
            raise Invalid(f"store.url {_public(url)}: write chdb:///path or https://user@host:8443/database")
        return {"dsn": url}
    path = Path(url.removeprefix("chdb://")).resolve() / "store"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {"dsn": f"chdb://{path}", "chdb_options": {"config-file": str(Path(__file__).with_name("engine.xml"))}}


def _public(url: str) -> str:
    return re.sub(r"//[^@/]*@", "//…@", url).split("?")[0]
