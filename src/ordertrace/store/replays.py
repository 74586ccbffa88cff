"""What a replay asks of the store and writes there: its own course, and parts of history in the order of their keys.

Decides neither when history is worked through again nor what becomes of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from string import Template

from ..model.flow import Flow
from ..model.replay import Replay, ReplayPhase
from ..privacy.rules import sql_string
from .columns import LOGS, MESSAGES, SPANS
from .shadow import Shadow
from .statements import statement
from .store import Row, Store

SOURCES = (MESSAGES, LOGS, SPANS)
"""Of a day what names orders comes first: then less has to wait for its name."""

ROWS_A_PART = 200_000
_PLACES_MAX = 50_000
_ARRIVED_MAX = 2_000
_EPOCH = datetime.fromtimestamp(0, UTC)
_FOREVER = datetime(2200, 1, 1, tzinfo=UTC)
_COLUMNS = (
    "id", "phase", "prints", "reasons", "until", "day", "source", "place", "key", "stamp", "arrived", "done", "total",
    "finished_at", "inserted_at",
)  # fmt: skip
# The columns of each table's key, as text: parts of history are ranges of it.
_PLACE = {SPANS: "toString(toStartOfFiveMinutes(Timestamp))", LOGS: "toString(toStartOfFiveMinutes(Timestamp))"}
_KEY = {SPANS: "TraceId", LOGS: "TraceId", MESSAGES: "key"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of history: a condition for its rows and how many they are; the last place and key in it, the key '' where
    nothing more has that place. `places` are those that end in it, each the beginning of five minutes (of messages: a broker).
    """

    source: str
    condition: str
    rows: int
    place: str
    key: str
    places: tuple[str, ...]


class ReplayStore:
    """Rows about replays, and the evidence that they work through, for one flow."""

    def __init__(self, store: Store, shadow: Shadow, flow: Flow, rows_a_part: int = ROWS_A_PART) -> None:
        self._rows_a_part = rows_a_part
        self._store = store
        self.shadow = shadow
        self._ranks: dict[str, object] = {"statuses": list(flow.ranks.keys()), "ranks": list(flow.ranks.values())}
        self._messages: dict[str, object] = {
            **self._ranks,
            "systems": [system.name for system in flow.systems],
            "owners": [step.system if (step := flow.step(status)) else "" for status in flow.ranks],
        }

    async def find_latest(self) -> list[Replay]:
        """The latest replays, the newest first."""
        return [_replay(row) for row in await self._store.query("replay_latest")]

    async def save(self, replay: Replay, now: datetime) -> None:
        """Notes how far a replay is."""
        row = (
            replay.id, replay.phase.value, dict(replay.prints), list(replay.reasons), replay.until, replay.day, replay.source,
            replay.place, replay.key, replay.stamp, replay.arrived, dict(replay.done), dict(replay.total),
            replay.finished_at or _EPOCH, now,
        )  # fmt: skip
        await self._store.insert("replays", _COLUMNS, [row])

    async def count(self, until: datetime) -> tuple[dict[str, int], dict[str, datetime]]:
        """How many rows of each kind of evidence came until then, and when the first did (far in the future: none)."""
        rows = await self._store.query("replay_count", {"until": until})
        return {row[0]: row[1] for row in rows}, {row[0]: row[2] if row[1] else _FOREVER for row in rows}

    async def days(self, since: date, until: datetime) -> Sequence[Row]:
        """(day, when the first evidence came on it)."""
        return await self._store.query("replay_days", {"from": since, "until": until})

    async def parts(self, source: str, day: date, until: datetime, place: str, key: str) -> AsyncIterator[Part]:
        """What came of a source on a day until a moment, behind a place and a key, in parts of bounded size.

        Without a key all of the place is behind us.
        """
        given = {"day": day, "until": until, "place": place, "limit": _PLACES_MAX}
        text = Template(statement("replay_places")).substitute(table=source, place=_place_of(source))
        small: list[tuple[str, int]] = []
        for found, count in await self._store.query_text("replay_places", text, given):
            if found == place and not key:
                continue
            if small and sum(rows for _, rows in small) + count > self._rows_a_part:
                yield _part(source, day, until, small)
                small = []
            if count > self._rows_a_part or (found == place and key):
                async for part in self._divided(source, day, until, found, key if found == place else "", count):
                    yield part
            else:
                small.append((found, count))
        if small:
            yield _part(source, day, until, small)

    async def _divided(
        self, source: str, day: date, until: datetime, place: str, after: str, count: int
    ) -> AsyncIterator[Part]:
        """The parts of one place, behind a key."""
        text = Template(statement("replay_keys")).substitute(table=source, place=_place_of(source), key=_KEY[source])
        given = {"day": day, "until": until, "place": place, "after": after}
        ((keys,),) = await self._store.query_text("replay_keys", text, given)
        parts = max(1, -(-count // self._rows_a_part))
        bounds = sorted({keys[len(keys) * number // parts] for number in range(1, parts)}) if keys else []
        for lower, upper in zip([after, *bounds], [*bounds, ""], strict=True):
            condition = _condition(source, day, until, place, place)
            condition += f" AND {_KEY[source]} > {sql_string(lower)}" if lower else ""
            condition += f" AND {_KEY[source]} <= {sql_string(upper)}" if upper else ""
            yield Part(source, condition, count // parts, place, upper, () if upper else (place,))

    async def arrived(self, source: str, since: datetime) -> Sequence[Row]:
        """Groups that came after a moment, the earliest first: (time of insertion, rows)."""
        text = Template(statement("replay_arrived")).substitute(table=source)
        return await self._store.query_text("replay_arrived", text, {"since": since, "limit": _ARRIVED_MAX})

    async def tell_messages(self, groups: Sequence[datetime]) -> None:
        """Makes the facts that messages tell, beside."""
        await self.shadow.execute("replay_message_facts", self._messages | {"groups": list(groups)})

    async def tell_messages_again(self, since: datetime) -> list[datetime]:
        """Makes the facts that messages told since a moment in force; those that are stay as they are. The batches' times."""
        batches = [row[0] for row in await self.arrived(MESSAGES, since)]
        if batches:
            await self._store.execute("replay_message_facts", self._messages | {"groups": batches})
        return batches

    async def consumers(self, since: datetime, start: datetime = _EPOCH, until: datetime = _FOREVER) -> Sequence[Row]:
        """(system, from, until) of consumer spans of a time, noted since a moment, where deliveries are known."""
        return await self.shadow.query("replay_consumers", {"since": since, "start": start, "until": until})

    async def first_delivery(self) -> datetime:
        """When the first delivery was seen of those by whose sequence spans can be joined; far in the future: none."""
        ((count, first),) = await self._store.query("replay_deliveries")
        return first if count else _FOREVER

    async def keep_sequences(self) -> None:
        """Takes over what sequences have named, before anything else: they are not there for long."""
        await self.shadow.keep("replay_kept_sequences", {})

    async def keep_what_has_no_evidence(self, first: dict[str, datetime]) -> None:
        """Takes over facts and keys whose evidence retention has dropped; `first` is when the earliest that is there came."""
        given = {"spans": first[SPANS], "logs": first[LOGS], "messages": first[MESSAGES]}
        await self.shadow.keep("replay_kept_events", self._ranks | given)
        await self.shadow.keep("replay_kept_keys", {"since": min(first[SPANS], first[LOGS])})


def arrived_condition(since: datetime, until: datetime) -> str:
    """What came after a moment, up to another."""
    return f"inserted_at > {_moment(since)} AND inserted_at <= {_moment(until)}"


def _part(source: str, day: date, until: datetime, places: Sequence[tuple[str, int]]) -> Part:
    first, last = places[0][0], places[-1][0]
    rows = sum(count for _, count in places)
    return Part(
        source, _condition(source, day, until, first, last), rows, last, "", tuple(place for place, _ in places)
    )


def _condition(source: str, day: date, until: datetime, first: str, last: str) -> str:
    """Rows of a day between two places; written so that the key is read by ranges."""
    arrived = f"toDate(inserted_at) = '{day}' AND inserted_at <= {_moment(until)}"
    if source == MESSAGES:
        return f"{arrived} AND broker BETWEEN {sql_string(first)} AND {sql_string(last)}"
    return (
        f"{arrived} AND toStartOfFiveMinutes(Timestamp) >= toDateTime('{first}')"
        f" AND toStartOfFiveMinutes(Timestamp) <= toDateTime('{last}')"
    )


def _place_of(source: str) -> str:
    return _PLACE.get(source, "toString(broker)")


def _moment(at: datetime) -> str:
    return f"toDateTime64('{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}', 3, 'UTC')"


def _replay(row: Row) -> Replay:
    until, day, source, place, key, stamp, arrived, done, total, finished_at = row[4:]
    return Replay(
        row[0], ReplayPhase(row[1]), row[2], tuple(row[3]), until, day, source, place, key, stamp, arrived, done, total,
        finished_at if finished_at > _EPOCH else None,
    )  # fmt: skip
