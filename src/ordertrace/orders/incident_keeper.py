"""Keeps incidents up to date with what the sweep finds, and takes what people say about them.

Runs beside the sweep, so that writing incidents never delays finding trouble. The rules are in `incidents`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from ..errors import Invalid, NotFound, OrdertraceError
from ..model.incident import EntryKind, Incident, IncidentEntry, IncidentState, IncidentView, Trouble
from ..model.message import FailedGroup
from ..model.order import Diagnosis
from ..settings.sections import IncidentSettings
from ..store.incidents import IncidentStore
from ..store.orders import Finding
from ..store.store import Store
from . import incidents
from .incidents import Changes, Course, build_trouble, troubles_of_group, update_courses

NAME_MAX, TEXT_MAX = 80, 2_000
_ORDERS_SHOWN = 50
_UPDATE_EVERY = timedelta(seconds=1)
_GROUPS_EVERY = timedelta(seconds=5)
_COUNTS_EVERY = timedelta(seconds=4)  # who else suffers is written less often than that something began or ended
_SPOKEN_AFTER = timedelta(seconds=10)
_COURSES_MAX = 2_000
_FAILED = "incidents could not be updated"

Groups = Callable[[datetime], Awaitable[Sequence[FailedGroup]]]
_log = structlog.get_logger(__name__)


class IncidentKeeper:
    """The incidents of one store. `groups` asks for failed messages, where a broker is watched."""

    def __init__(
        self,
        store: Store,
        groups: Groups | None = None,
        settings: IncidentSettings | None = None,
    ) -> None:
        self._store = IncidentStore(store)
        self._groups = groups
        self._settings = settings or IncidentSettings()
        self._courses: dict[str, Course] = {}
        self._unsaved = Changes()
        self._saved_at: datetime | None = None
        self._lock = asyncio.Lock()
        self._troubles: dict[str, tuple[Diagnosis, Trouble]] = {}
        self._failed: Sequence[FailedGroup] = ()
        self._failed_since: dict[str, datetime] = {}
        self._asked_at: datetime | None = None

    async def start(self, now: datetime) -> None:
        """Takes over what the store holds. Raises as `Store.query` does."""
        known = await self._store.find(now - self._settings.shown)
        self._courses = {incident.id: Course(incident) for incident in known}
        for one in await self._store.affected(list(self._courses)):
            self._courses[one.incident_id].active[one.subject] = one

    async def run(self, findings: Callable[[], Mapping[str, Finding]]) -> None:
        """Updates from the findings in force until cancelled."""
        while True:
            await self.update(findings(), datetime.now(UTC))
            await asyncio.sleep(_UPDATE_EVERY.total_seconds())

    async def update(self, findings: Mapping[str, Finding], now: datetime) -> None:
        """Compares the findings in force, by order id, with the incidents. A store that fails is tried again."""
        try:
            await self._ask_for_groups(now)
            async with self._lock:
                changes = update_courses(self._courses, self._gather(findings, now), now, self._settings.quiet)
                await self._recall(changes)
                await self._save(changes, now)
        except OrdertraceError as error:
            _log.error(_FAILED, reason=str(error))

    async def find(self, now: datetime) -> list[IncidentView]:
        """Incidents that are not resolved, and those of the last days; those that nobody is on first."""
        async with self._lock:
            await self._write(now)
        found = await self._store.find(now - self._settings.shown)
        rank = {IncidentState.OPEN: 0, IncidentState.ACKNOWLEDGED: 1, IncidentState.RESOLVED: 2}
        return await self._store.views(sorted(found, key=lambda i: rank[i.state]), _ORDERS_SHOWN)

    async def get(self, incident_id: str) -> IncidentView:
        """One incident. Raises NotFound."""
        incident = await self._store.get(incident_id)
        if incident is None:
            raise NotFound(f"there is no incident {incident_id[:40]!r}; see the list of incidents")
        return (await self._store.views([incident], _ORDERS_SHOWN))[0]

    async def of_order(self, order_id: str) -> list[Incident]:
        """The incidents that an order suffers from now."""
        return await self._store.of_order(order_id)

    async def acknowledge(self, incident_id: str, by: str, text: str, now: datetime) -> IncidentView:
        """Somebody says that they are on it. Raises NotFound, or Invalid without a name."""
        return await self._change(incident_id, by, text, now, incidents.acknowledge)

    async def resolve(self, incident_id: str, by: str, text: str, now: datetime) -> IncidentView:
        """Somebody says that the cause is gone. Raises NotFound, or Invalid without a name."""
        return await self._change(incident_id, by, text, now, incidents.resolve)

    async def note(self, incident_id: str, by: str, text: str, now: datetime) -> IncidentView:
        """Somebody leaves a note. Raises NotFound, or Invalid without a name or a text."""
        if not text.strip():
            raise Invalid("text: a note needs some text")
        return await self._change(
            incident_id,
            by,
            text,
            now,
            lambda i, name, said, at: (i, IncidentEntry(i.id, at, EntryKind.NOTE, name, said)),
        )

    async def _change(
        self,
        incident_id: str,
        by: str,
        text: str,
        now: datetime,
        step: Callable[[Incident, str, str, datetime], tuple[Incident, IncidentEntry]],
    ) -> IncidentView:
        by, text = _checked("by", by, NAME_MAX), _checked("text", text, TEXT_MAX)
        if not by:
            raise Invalid("by: say who you are, so that others can ask")
        async with self._lock:
            await self._write(now)
            before = (await self.get(incident_id)).incident
            after, entry = step(before, by, text, now)
            await self._store.append([entry])
            if after != before:
                await self._store.save([after], [], now)
                if course := self._courses.get(incident_id):
                    course.incident = after
        return await self.get(incident_id)

    async def _ask_for_groups(self, now: datetime) -> None:
        if self._groups and (self._asked_at is None or now - self._asked_at >= _GROUPS_EVERY):
            self._asked_at = now
            self._failed = await self._groups(now)

    def _gather(self, findings: Mapping[str, Finding], now: datetime) -> Iterator[Trouble]:
        for order_id in [order_id for order_id in self._troubles if order_id not in findings]:
            del self._troubles[order_id]
        for order_id, finding in findings.items():
            if finding.diagnosis is None:
                continue
            have = self._troubles.get(order_id)
            if have is None or have[0] is not finding.diagnosis:
                have = self._troubles[order_id] = (finding.diagnosis, build_trouble(order_id, finding.diagnosis))
            yield have[1]
        yield from self._gather_groups(findings, now)

    def _gather_groups(self, findings: Mapping[str, Finding], now: datetime) -> Iterator[Trouble]:
        """What messages suffer, once their orders have had time to be judged themselves."""
        found = [trouble for group in self._failed for trouble in troubles_of_group(group, findings)]
        names = {f"{trouble.cause.id} {trouble.subject}": trouble for trouble in found}
        self._failed_since = {name: self._failed_since.get(name, now) for name in names}
        for name, trouble in names.items():
            if now - self._failed_since[name] >= _SPOKEN_AFTER:
                yield trouble

    async def _recall(self, changes: Changes) -> None:
        """An incident that seems new may have ended so long ago that it was not taken over: it opens again."""
        for entry in list(changes.entries):
            if entry.kind is EntryKind.OPENED and (old := await self._store.get(entry.incident_id)):
                course = self._courses[entry.incident_id]
                course.incident = incidents.continued(old, course.incident)
                changes.incidents[old.id] = course.incident
                changes.entries.remove(entry)
                changes.entries.append(IncidentEntry(old.id, entry.at, EntryKind.REOPENED))

    async def _save(self, changes: Changes, now: datetime) -> None:
        waiting = self._unsaved  # what an earlier update could not write, or what can wait
        waiting.incidents |= changes.incidents
        waiting.affected += changes.affected
        waiting.entries += changes.entries
        if waiting.entries or self._saved_at is None or abs(now - self._saved_at) >= _COUNTS_EVERY:
            await self._write(now)
        if len(self._courses) > _COURSES_MAX:
            ended = [c for c in self._courses.values() if c.incident.state is IncidentState.RESOLVED and not c.active]
            for course in sorted(ended, key=lambda c: c.incident.last_at)[: len(self._courses) - _COURSES_MAX]:
                del self._courses[course.incident.id]

    async def _write(self, now: datetime) -> None:
        waiting = self._unsaved
        if waiting:
            await self._store.append(waiting.entries)
            waiting.entries = []
            await self._store.save(list(waiting.incidents.values()), waiting.affected, now)
            self._unsaved, self._saved_at = Changes(), now


def _checked(name: str, text: str, characters_max: int) -> str:
    """What a person wrote, without control characters. Raises Invalid where it is too long."""
    kept = "".join(character for character in text if character == "\n" or character.isprintable()).strip()
    if len(kept) > characters_max:
        raise Invalid(f"{name}: {len(kept)} characters, {characters_max} are allowed")
    return kept
