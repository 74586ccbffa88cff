"""What the writers of groups have in common: one INSERT … SELECT a group, and whose fault it is when it fails.

Blocking, for a thread of its own.
"""

from __future__ import annotations

import os
import time
from datetime import UTC

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as EngineError

from ..errors import Invalid, Unavailable
from ..metrics import Metrics
from ..settings import Settings
from .span_writer import AHEAD_MAX_NS, EARLIEST_NS, Group
from .store import clean

# Errors of the engine that speak of what it read. All others are its own trouble: the group waits rather than being judged.
_UNREADABLE = (
    "PROTOBUF",
    "INCORRECT_DATA",
    "CANNOT_PARSE",
    "CANNOT_READ_ALL_DATA",
    "ATTEMPT_TO_READ",
    "UNEXPECTED_END",
    "OUT_OF_RANGE",
    "OUT_OF_BOUND",
    "TOO_LARGE",
    "DECIMAL_OVERFLOW",
)


class GroupWriter:
    """Writes groups of one kind through a connection that only its own thread uses."""

    name: str  # of the statement
    structure: str  # what is read of a request
    schema: str = ""

    def __init__(self, client: Client, settings: Settings, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics
        self._statement = self.build(settings)

    def build(self, settings: Settings) -> str:
        """The INSERT with the rules of these settings in it."""
        raise NotImplementedError

    def write(self, group: Group) -> None:
        """Writes the whole group, synced; under a name that was written before, nothing.

        Raises Invalid when the engine cannot read a request of the group, Unavailable when it cannot write now.
        """
        os.lseek(group.file, 0, os.SEEK_SET)
        started = time.perf_counter()
        try:
            self._client.command(self._statement, parameters=self._parameters(group))
        except EngineError as error:
            text = clean(error)
            if any(word in text for word in _UNREADABLE):
                raise Invalid(f"the store cannot read a request of {group.name}: {text}") from None
            raise Unavailable(f"the store could not write {group.name}: {text}") from None
        finally:
            self._metrics.insert_seconds.labels(self.name).observe(time.perf_counter() - started)

    def _parameters(self, group: Group) -> dict[str, object]:
        parameters: dict[str, object] = {
            "file": f"/proc/self/fd/{group.file}",
            "structure": self.structure,
            "token": group.name,
            "inserted_at": group.inserted_at.astimezone(UTC),
            "earliest": EARLIEST_NS,
            "latest": time.time_ns() + AHEAD_MAX_NS,
        }
        return parameters | ({"schema": self.schema} if self.schema else {})
