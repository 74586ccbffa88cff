"""What the writers of groups have in common: one INSERT … SELECT a group, and whose fault it is when it fails.

Blocking, for a thread of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as EngineError

from ..errors import Invalid, Unavailable
from ..metrics import Metrics
from ..privacy.rules import build_rules, sql_array
from ..settings import Settings
from ..settings.rules import Rule, span_rules
from .any_value import DECODED, KINDS, TYPES, WIDE
from .finding import codes_of, find_all
from .statements import statement
from .store import clean

EARLIEST_NS = 946_684_800 * 10**9  # 2000-01-01
AHEAD_MAX_NS = 86_400 * 10**9
_KEYS_MAX = 250  # their numbers are bytes
_ROWS_A_BLOCK = 32_000  # what the engine works on at once; smaller blocks cost more, larger ones more memory

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


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that are written together: `file` is a descriptor of a file in memory with each request behind its length.

    `name` is the same whenever this group is written again; `inserted_at` differs from that of any other group; there are
    `count` spans or log records in `requests` requests.
    """

    name: str
    inserted_at: datetime
    file: int
    requests: int
    count: int


class GroupWriter:
    """Writes groups of one kind through a connection that only its own thread uses; the kinds differ in what is said here."""

    name: str  # of the statement
    structure: str  # what is read of a request
    schema = ""
    rules: Callable[[Sequence[str]], list[Rule]] = staticmethod(span_rules)
    message_ids: tuple[Rule, ...] = tuple(
        Rule(source="attribute", key=key) for key in ("messaging.message.id", "messaging.message_id")
    )

    def __init__(self, client: Client, settings: Settings, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics
        self._statement = self._build(settings)

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
            "block": max(1, _ROWS_A_BLOCK * group.requests // max(1, group.count)),
        }
        return parameters | ({"schema": self.schema} if self.schema else {})

    def _build(self, settings: Settings) -> str:
        """The INSERT with the rules of these settings in it; a statement takes what it needs of them."""
        privacy = build_rules(settings.privacy)
        ids, statuses = self.rules(settings.order.id), self.rules(settings.order.status)
        wanted = (*ids, *statuses, *self.message_ids)
        keys = list(dict.fromkeys(rule.key for rule in wanted if rule.source != "log"))[:_KEYS_MAX]
        return Template(statement(self.name)).substitute(
            drops=privacy.drops,
            suspects=privacy.suspects,
            scrub_said=privacy.scrub_all("said"),
            decoded=DECODED,
            wide=WIDE,
            kinds=KINDS,
            types=TYPES,
            codes=codes_of(keys),
            order_ids=find_all(ids, keys),
            order_sources=sql_array([*(rule.source for rule in ids), ""]),
            order_statuses=find_all(statuses, keys),
            message_ids=find_all(self.message_ids, keys),
        )
