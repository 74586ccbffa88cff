"""A file with an object-centric event log (OCEL 2.0), put together from pages: as JSON, or as SQLite.

Events go straight into the file, objects wait beside it, and what several pages name is written once. The file appears under
its name when all is in it.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

Page = dict[str, Any]


class EventLogFile(Protocol):
    """Takes pages; `events` and `objects` are how many were written."""

    events: int
    objects: int

    def add(self, page: Page) -> int:
        """Writes a page. How many orders it has."""


@contextmanager
def event_log_file(path: Path) -> Iterator[EventLogFile]:
    """A new file, in place of one that was there before, if all goes well."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        if path.suffix in (".sqlite", ".db"):
            with sqlite3.connect(unfinished) as connection:
                yield _SqliteLog(connection)
            connection.close()
        else:
            with (
                unfinished.open("w", encoding="utf-8") as out,
                tempfile.TemporaryFile("w+", encoding="utf-8") as waiting,
            ):
                log = _JsonLog(out, waiting)
                yield log
                log.finish()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class _Once:
    """Which objects were written: systems, queues and traces come on several pages."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def new(self, page: Page) -> list[dict[str, Any]]:
        found = [one for one in page["objects"] if one["id"] not in self._seen]
        self._seen |= {one["id"] for one in found}
        return found


class _JsonLog:
    def __init__(self, out: IO[str], waiting: IO[str]) -> None:
        self._out, self._waiting, self._once = out, waiting, _Once()
        self._types: Page = {"objectTypes": [], "eventTypes": []}
        self.events = self.objects = 0
        out.write('{"events": [')

    def add(self, page: Page) -> int:
        self._types = {name: page[name] for name in ("objectTypes", "eventTypes")}
        for event in page["events"]:
            self._out.write((",\n" if self.events else "\n") + json.dumps(event, ensure_ascii=False))
            self.events += 1
        new = self._once.new(page)
        for one in new:
            self._waiting.write((",\n" if self.objects else "\n") + json.dumps(one, ensure_ascii=False))
            self.objects += 1
        return sum(one["type"] == "order" for one in new)

    def finish(self) -> None:
        """Objects and types follow the events; the order of members says nothing in JSON."""
        self._out.write('\n],\n"objects": [')
        self._waiting.seek(0)
        while part := self._waiting.read(1 << 20):
            self._out.write(part)
        self._out.write("\n]")
        for name, value in self._types.items():
            self._out.write(f',\n"{name}": {json.dumps(value, ensure_ascii=False)}')
        self._out.write("\n}\n")


class _SqliteLog:
    """The standard's tables: one of events and objects each, one a type with its attributes, and their relations."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._once = connection, _Once()
        self._tables: dict[str, dict[str, str]] = {}
        self._columns: dict[str, list[str]] = {}
        self.events = self.objects = 0
        for text in (
            "CREATE TABLE event (ocel_id TEXT PRIMARY KEY, ocel_type TEXT)",
            "CREATE TABLE object (ocel_id TEXT PRIMARY KEY, ocel_type TEXT)",
            "CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT)",
            "CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT)",
            "CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT)",
            "CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT)",
        ):
            connection.execute(text)

    def add(self, page: Page) -> int:
        self._make_types("event", page["eventTypes"])
        self._make_types("object", page["objectTypes"])
        for event in page["events"]:
            self._add_event(event)
        new = self._once.new(page)
        for one in new:
            self._add_object(one)
        self.events, self.objects = self.events + len(page["events"]), self.objects + len(new)
        return sum(one["type"] == "order" for one in new)

    def _make_types(self, what: str, types: list[dict[str, Any]]) -> None:
        if what in self._tables:
            return
        changed = "" if what == "event" else ", ocel_changed_field TEXT"
        self._tables[what] = {}
        for i, kind in enumerate(types):
            short = f"{i}_" + "".join(c for c in kind["name"] if c.isascii() and c.isalnum())
            table = f"{what}_{short}"
            self._tables[what][kind["name"]] = table
            self._columns[table] = [attribute["name"] for attribute in kind["attributes"]]
            columns = "".join(
                f', "{one["name"]}" {"REAL" if one["type"] == "float" else "TEXT"}' for one in kind["attributes"]
            )
            self._connection.execute(f'CREATE TABLE "{table}" (ocel_id TEXT, ocel_time TIMESTAMP{changed}{columns})')
            self._insert(f"{what}_map_type", [kind["name"], short])

    def _add_event(self, event: dict[str, Any]) -> None:
        table = self._tables["event"][event["type"]]
        told = {one["name"]: one["value"] for one in event["attributes"]}
        self._connection.execute("INSERT INTO event VALUES (?, ?)", (event["id"], event["type"]))
        self._insert(table, [event["id"], event["time"], *(told.get(name) for name in self._columns[table])])
        self._connection.executemany(
            "INSERT INTO event_object VALUES (?, ?, ?)",
            [(event["id"], one["objectId"], one["qualifier"]) for one in event["relationships"]],
        )

    def _add_object(self, one: dict[str, Any]) -> None:
        """A row of what always held, and one for each later change."""
        table = self._tables["object"][one["type"]]
        columns, first = self._columns[table], "1970-01-01T00:00:00Z"
        always = {told["name"]: told["value"] for told in one["attributes"] if told["time"] == first}
        self._connection.execute("INSERT INTO object VALUES (?, ?)", (one["id"], one["type"]))
        self._insert(table, [one["id"], first, None, *(always.get(name) for name in columns)])
        for told in one["attributes"]:
            if told["time"] != first:
                values = [told["value"] if name == told["name"] else None for name in columns]
                self._insert(table, [one["id"], told["time"], told["name"], *values])
        self._connection.executemany(
            "INSERT INTO object_object VALUES (?, ?, ?)",
            [(one["id"], other["objectId"], other["qualifier"]) for other in one["relationships"]],
        )

    def _insert(self, table: str, values: list[object]) -> None:
        marks = ", ".join("?" * len(values))
        self._connection.execute(f'INSERT INTO "{table}" VALUES ({marks})', values)  # noqa: S608 (the name is our own)
