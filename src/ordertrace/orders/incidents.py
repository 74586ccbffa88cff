"""Findings of orders and messages → incidents, one a cause. Pure: no clock, no store.

An incident opens with the first order or queue that suffers from its cause and collects further ones. It ends by itself
when none has suffered for a while, or when a person says so; it opens again when somebody suffers anew.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from ..model.incident import Affected, Cause, EntryKind, Incident, IncidentEntry, IncidentState, Trouble
from ..model.message import STUCK, FailedGroup, Verdict
from ..model.order import Diagnosis, DiagnosisKind

# What tells causes of a kind apart, beside the system; the first group of which a fact is known.
_DISTINCT: Mapping[DiagnosisKind, tuple[tuple[str, ...], ...]] = {
    DiagnosisKind.PROCESSING_ERROR: (("error_type", "operation"),),
    DiagnosisKind.TRANSFER_ERROR: (("target", "error_type", "response_code"),),
    DiagnosisKind.STATUS_MISMATCH: (("ahead", "ahead_status", "behind", "behind_status"),),
    DiagnosisKind.TOO_SLOW: (("next_status",),),
    DiagnosisKind.SOURCE_SILENT: (),
    DiagnosisKind.MESSAGE_LOST: (("verdict", "queue"), ("verdict", "routing_key")),
    DiagnosisKind.MESSAGE_STUCK: (("verdict", "queue"), ("verdict", "routing_key")),
    DiagnosisKind.NO_EFFECT: (("queue",), ("routing_key",)),
    DiagnosisKind.NEVER_PUBLISHED: (("routing_key",), ("status",)),
}
_OF_MESSAGES = frozenset(
    {DiagnosisKind.MESSAGE_LOST, DiagnosisKind.MESSAGE_STUCK, DiagnosisKind.NO_EFFECT, DiagnosisKind.NEVER_PUBLISHED}
)
_OF_ONE_ORDER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{16,}\b|\d+", re.IGNORECASE)
_ID_CHARACTERS = 12


def build_cause(diagnosis: Diagnosis) -> Cause:
    """The cause behind a diagnosis: orders with the same one are one incident."""
    known = {name: value for name, value in diagnosis.facts.items() if value}
    groups = _DISTINCT[diagnosis.kind]
    names = next((group for group in groups if group[-1] in known), groups[0] if groups else ())
    facts = {name: known[name] for name in names if name in known}
    # A queue names its incident whatever system a diagnosis sees at fault, since messages alone do not name one.
    named = diagnosis.kind in _OF_MESSAGES and bool(facts)
    system = "" if named else diagnosis.system
    distinct = [diagnosis.kind.value, system, *(f"{name}={_general(value)}" for name, value in sorted(facts.items()))]
    return Cause(_short_hash(distinct), diagnosis.kind.value, diagnosis.system, facts)


def build_trouble(order_id: str, diagnosis: Diagnosis) -> Trouble:
    """That an order suffers from what it was diagnosed with."""
    return Trouble(order_id, order_id, build_cause(diagnosis), diagnosis.since)


def troubles_of_group(group: FailedGroup, spoken_for: Container[str] = ()) -> Iterator[Trouble]:
    """That the orders of failed messages, or the queue where no order is known, suffer from the messages' fate.

    Orders in `spoken_for` are left out: what is held against the order itself says more.
    """
    facts = {"verdict": group.verdict.value, "queue": group.queue, "routing_key": group.routing_key}
    cause = build_cause(Diagnosis(_kind_of(group.verdict), group.first_since, "", 1.0, (), facts))
    for order_id in group.order_ids:
        if order_id not in spoken_for:
            yield Trouble(order_id, order_id, cause, group.first_since, group.messages)
    if not group.orders:
        yield Trouble(
            f"{group.broker}/{group.queue or group.routing_key}", "", cause, group.first_since, group.messages
        )


@dataclass(slots=True)
class Course:
    """An incident with those who suffer from it now, by subject, and since when nobody does."""

    incident: Incident
    active: dict[str, Affected] = field(default_factory=dict)
    fine_since: datetime | None = None


@dataclass(slots=True)
class Changes:
    """What an update changed, to be written down."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    affected: list[Affected] = field(default_factory=list)
    entries: list[IncidentEntry] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.incidents or self.affected or self.entries)


def update_courses(courses: dict[str, Course], troubles: Iterable[Trouble], now: datetime, quiet: timedelta) -> Changes:
    """Compares what is wrong now with what was; `courses` takes it over, the result says what to write.

    An incident from which nobody has suffered for `quiet` ends, as of the moment at which the last one was fine again.
    """
    changes, suffering = Changes(), _by_cause(troubles)
    for cause_id, theirs in suffering.items():
        course = courses.get(cause_id)
        if course is None:
            course = courses[cause_id] = _open(theirs, now)
            changes.entries.append(IncidentEntry(cause_id, now, EntryKind.OPENED))
        _collect(course, theirs, now, changes)
    for cause_id, course in courses.items():
        _release(course, suffering.get(cause_id, {}), now, changes)
        _end_if_quiet(course, now, quiet, changes)
    return changes


def acknowledge(incident: Incident, by: str, text: str, now: datetime) -> tuple[Incident, IncidentEntry]:
    """Somebody is on it; the first one stays named as such until another one takes over."""
    state = IncidentState.ACKNOWLEDGED if incident.state is IncidentState.OPEN else incident.state
    taken = replace(incident, state=state, acknowledged_at=incident.acknowledged_at or now, acknowledged_by=by)
    return taken, IncidentEntry(incident.id, now, EntryKind.ACKNOWLEDGED, by, text)


def resolve(incident: Incident, by: str, text: str, now: datetime) -> tuple[Incident, IncidentEntry]:
    """A person says that the cause is gone. Those who suffer still do not open it again, new ones do."""
    if incident.state is IncidentState.RESOLVED:
        return incident, IncidentEntry(incident.id, now, EntryKind.NOTE, by, text)
    ended = replace(incident, state=IncidentState.RESOLVED, resolved_at=now, resolved_by=by)
    return ended, IncidentEntry(incident.id, now, EntryKind.RESOLVED, by, text)


def continued(old: Incident, again: Incident) -> Incident:
    """An incident that ended long ago and has come back as `again`: the counts go on."""
    return replace(again, orders=old.orders + again.orders, times=old.times + 1)


def _by_cause(troubles: Iterable[Trouble]) -> dict[str, dict[str, Trouble]]:
    found: dict[str, dict[str, Trouble]] = {}
    for trouble in troubles:
        theirs = found.setdefault(trouble.cause.id, {})
        have = theirs.get(trouble.subject)
        # Two finders of the same: the one who knows a system's name or more messages adds to the other.
        theirs[trouble.subject] = _merged(have, trouble) if have else trouble
    return found


def _merged(one: Trouble, other: Trouble) -> Trouble:
    cause = one.cause if one.cause.system else other.cause
    return replace(one, cause=cause, since=min(one.since, other.since), messages=max(one.messages, other.messages))


def _open(theirs: Mapping[str, Trouble], now: datetime) -> Course:
    first = min(theirs.values(), key=lambda trouble: (trouble.since, trouble.subject))
    cause = next((t.cause for t in theirs.values() if t.cause.system), first.cause)
    return Course(Incident(cause, IncidentState.OPEN, min(first.since, now), now, now))


def _collect(course: Course, theirs: Mapping[str, Trouble], now: datetime, changes: Changes) -> None:
    incident = course.incident
    fresh = [trouble for subject, trouble in theirs.items() if subject not in course.active]
    messages = max((trouble.messages for trouble in theirs.values()), default=0)
    system = next((t.cause.system for t in theirs.values() if t.cause.system), "")
    course.fine_since = None
    if system and not incident.cause.system:
        course.incident = replace(incident, cause=replace(incident.cause, system=system))
    if messages > course.incident.messages:
        course.incident = replace(course.incident, messages=messages)
    if fresh:
        if incident.state is IncidentState.RESOLVED:
            _reopen(course, fresh, now, changes)
        for trouble in fresh:
            one = Affected(incident.id, trouble.subject, trouble.order_id, trouble.since)
            course.active[trouble.subject] = one
            changes.affected.append(one)
        orders = course.incident.orders + sum(1 for trouble in fresh if trouble.order_id)
        course.incident = replace(course.incident, orders=orders, last_at=now, affected=_count(course))
    if course.incident != incident:
        changes.incidents[incident.id] = course.incident


def _reopen(course: Course, fresh: Sequence[Trouble], now: datetime, changes: Changes) -> None:
    began = min(now, min(trouble.since for trouble in fresh))
    course.incident = replace(
        course.incident,
        state=IncidentState.OPEN,
        began_at=began,
        detected_at=now,
        acknowledged_at=None,
        acknowledged_by="",
        resolved_at=None,
        resolved_by="",
        times=course.incident.times + 1,
    )
    changes.entries.append(IncidentEntry(course.incident.id, now, EntryKind.REOPENED))


def _release(course: Course, theirs: Mapping[str, Trouble], now: datetime, changes: Changes) -> None:
    fine = [subject for subject in course.active if subject not in theirs]
    if fine:
        changes.affected += [replace(course.active.pop(subject), ended_at=now) for subject in fine]
        course.incident = replace(course.incident, affected=_count(course))
        changes.incidents[course.incident.id] = course.incident


def _end_if_quiet(course: Course, now: datetime, quiet: timedelta, changes: Changes) -> None:
    if course.active or course.incident.state is IncidentState.RESOLVED:
        return
    if course.fine_since is None:
        course.fine_since = now
    if now - course.fine_since >= quiet:
        course.incident = replace(
            course.incident, state=IncidentState.RESOLVED, resolved_at=course.fine_since, resolved_by=""
        )
        changes.incidents[course.incident.id] = course.incident
        changes.entries.append(IncidentEntry(course.incident.id, now, EntryKind.RECOVERED))


def _count(course: Course) -> int:
    return sum(1 for one in course.active.values() if one.order_id)


def _kind_of(verdict: Verdict) -> DiagnosisKind:
    if verdict is Verdict.NO_EFFECT:
        return DiagnosisKind.NO_EFFECT
    if verdict is Verdict.NEVER_PUBLISHED:
        return DiagnosisKind.NEVER_PUBLISHED
    return DiagnosisKind.MESSAGE_STUCK if verdict in STUCK else DiagnosisKind.MESSAGE_LOST


def _general(value: str) -> str:
    """A value without what is of one order only, such as numbers in a path."""
    return _OF_ONE_ORDER.sub("#", value)


def _short_hash(parts: Sequence[str]) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()[:_ID_CHARACTERS]
