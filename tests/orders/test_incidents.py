"""Findings become incidents, one a cause: opening, collecting, ending by itself, coming back; over the real engine too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ordertrace.errors import Invalid, NotFound
from ordertrace.metrics import Metrics
from ordertrace.model.incident import EntryKind, IncidentState, Trouble
from ordertrace.model.message import FailedGroup, Verdict
from ordertrace.model.order import Diagnosis, DiagnosisKind
from ordertrace.orders.incident_keeper import IncidentKeeper
from ordertrace.orders.incidents import (
    Changes,
    Course,
    acknowledge,
    build_cause,
    build_trouble,
    resolve,
    troubles_of_group,
    update_courses,
)
from ordertrace.settings import Settings
from ordertrace.settings.sections import IncidentSettings, StoreSettings
from ordertrace.store.orders import Finding
from ordertrace.store.store import Store, open_store

NOW = datetime(2026, 3, 12, 11, 54, 40, tzinfo=UTC)
QUIET = timedelta(minutes=10)
RULES = IncidentSettings(quiet=QUIET)


def diagnosis(kind: DiagnosisKind = DiagnosisKind.PROCESSING_ERROR, system: str = "crm", **facts: str) -> Diagnosis:
    return Diagnosis(kind, NOW - timedelta(minutes=1), system, 0.9, (), facts)


def trouble(order_id: str, **facts: str) -> Trouble:
    said = {"error_type": "LedgerClosed", "operation": "approve"} | facts
    return build_trouble(order_id, diagnosis(DiagnosisKind.PROCESSING_ERROR, "crm", **said))


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def step(courses: dict[str, Course], minutes: float, *troubles: Trouble) -> Changes:
    return update_courses(courses, troubles, after(minutes), QUIET)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (diagnosis(error_type="A", operation="x"), diagnosis(error_type="A", operation="x", times="3"), True),
        (diagnosis(error_type="A", operation="x"), diagnosis(error_type="B", operation="x"), False),
        (diagnosis(error_type="A", operation="x"), diagnosis(error_type="A", operation="x", system="shop"), False),
        (diagnosis(operation="GET /orders/4711"), diagnosis(operation="GET /orders/4712"), True),
        (
            diagnosis(DiagnosisKind.MESSAGE_STUCK, "mes", verdict="stuck_in_queue", queue="mes.orders"),
            diagnosis(DiagnosisKind.MESSAGE_STUCK, "", verdict="stuck_in_queue", queue="mes.orders", routing_key="k"),
            True,
        ),
        (
            diagnosis(DiagnosisKind.MESSAGE_LOST, verdict="unroutable", routing_key="a"),
            diagnosis(DiagnosisKind.MESSAGE_LOST, verdict="unroutable", routing_key="b"),
            False,
        ),
        (diagnosis(DiagnosisKind.TOO_SLOW, next_status="PACKAGING"), diagnosis(DiagnosisKind.TOO_SLOW), False),
        (diagnosis(DiagnosisKind.SOURCE_SILENT), diagnosis(DiagnosisKind.SOURCE_SILENT, last_seen="1"), True),
    ],
)
def test_what_is_the_same_cause(one: Diagnosis, other: Diagnosis, same: bool) -> None:
    assert (build_cause(one).id == build_cause(other).id) is same


@pytest.mark.parametrize("kind", DiagnosisKind)
def test_every_diagnosis_has_a_cause(kind: DiagnosisKind) -> None:
    assert len(build_cause(diagnosis(kind)).id) == 12
    assert build_cause(diagnosis(kind)) == build_cause(diagnosis(kind))


def test_opens_with_the_first_order_and_collects_others() -> None:
    courses: dict[str, Course] = {}
    first = step(courses, 0, trouble("A-1"))
    assert [entry.kind for entry in first.entries] == [EntryKind.OPENED]
    second = step(courses, 1, trouble("A-1"), trouble("A-2"))
    assert [one.order_id for one in second.affected] == ["A-2"]
    assert second.entries == []
    incident = next(iter(courses.values())).incident
    assert (incident.orders, incident.affected, incident.state) == (2, 2, IncidentState.OPEN)
    assert incident.began_at == NOW - timedelta(minutes=1)
    assert incident.detected_at == NOW
    assert not step(courses, 2, trouble("A-1"), trouble("A-2"))


def test_ends_by_itself_when_all_have_been_fine_for_a_while() -> None:
    courses: dict[str, Course] = {}
    step(courses, 0, trouble("A-1"))
    released = step(courses, 3)
    assert [one.ended_at for one in released.affected] == [after(3)]
    assert not step(courses, 12.9)
    ended = step(courses, 13)
    incident = next(iter(ended.incidents.values()))
    assert (incident.state, incident.resolved_at, incident.resolved_by) == (IncidentState.RESOLVED, after(3), "")
    assert [entry.kind for entry in ended.entries] == [EntryKind.RECOVERED]
    assert not step(courses, 60)


def test_comes_back_when_somebody_suffers_anew() -> None:
    courses: dict[str, Course] = {}
    step(courses, 0, trouble("A-1"))
    step(courses, 1)
    step(courses, 20)
    again = step(courses, 30, trouble("A-1"))
    incident = next(iter(again.incidents.values()))
    assert (incident.state, incident.times, incident.detected_at) == (IncidentState.OPEN, 2, after(30))
    assert incident.resolved_at is None
    assert [entry.kind for entry in again.entries] == [EntryKind.REOPENED]


def test_those_who_still_suffer_do_not_reopen_what_a_person_resolved() -> None:
    courses: dict[str, Course] = {}
    step(courses, 0, trouble("A-1"))
    course = next(iter(courses.values()))
    course.incident, entry = acknowledge(course.incident, "Anna", "", after(1))
    assert (course.incident.state, entry.by) == (IncidentState.ACKNOWLEDGED, "Anna")
    course.incident, _ = resolve(course.incident, "Anna", "sent again", after(2))
    assert not step(courses, 3, trouble("A-1"))
    again = step(courses, 4, trouble("A-1"), trouble("A-2"))
    assert next(iter(again.incidents.values())).state is IncidentState.OPEN
    assert course.incident.acknowledged_by == ""


def test_messages_without_an_order_are_an_incident_of_their_queue() -> None:
    group = FailedGroup("main", "mes.orders", Verdict.EXPIRED, 5, 0, NOW, NOW, ())
    found = list(troubles_of_group(group))
    assert [(one.subject, one.order_id, one.messages) for one in found] == [("main/mes.orders", "", 5)]
    courses: dict[str, Course] = {}
    step(courses, 0, *found)
    incident = next(iter(courses.values())).incident
    assert (incident.orders, incident.affected, incident.messages) == (0, 0, 5)


def test_a_routing_key_that_nobody_takes_is_one_cause_for_messages_and_orders() -> None:
    group = FailedGroup("main", "", Verdict.UNROUTABLE, 1, 1, NOW, NOW, ("A-1",), "order.x")
    why = diagnosis(DiagnosisKind.MESSAGE_LOST, "shop", verdict="unroutable", routing_key="order.x", exchange="orders")
    assert [one.cause.id for one in troubles_of_group(group)] == [build_cause(why).id]


def test_orders_that_were_judged_themselves_are_left_to_their_diagnosis() -> None:
    group = FailedGroup("main", "mes.orders", Verdict.EXPIRED, 2, 2, NOW, NOW, ("A-1", "A-2"))
    assert [one.order_id for one in troubles_of_group(group, {"A-1"})] == ["A-2"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Settings(store=StoreSettings(url=f"chdb://{tmp_path}")), Metrics()) as opened:
        yield opened


def findings(*order_ids: str) -> dict[str, Finding]:
    why = diagnosis(error_type="LedgerClosed", operation="approve")
    return {order_id: Finding(order_id, "failed", why, NOW) for order_id in order_ids}


async def test_incidents_are_kept_with_what_people_say(store: Store) -> None:
    keeper = IncidentKeeper(store, settings=RULES)
    now = datetime.now(UTC)
    await keeper.start(now)
    await keeper.update(findings("A-1", "A-2"), now)
    [view] = await keeper.find(now)
    assert view.order_ids == ("A-1", "A-2")
    incident_id = view.incident.id
    taken = await keeper.acknowledge(incident_id, " Анна ", "смотрю\x07\nлог", now + timedelta(milliseconds=1))
    assert taken.incident.acknowledged_by == "Анна"
    noted = await keeper.note(incident_id, "Olga", "ledger is open again", now + timedelta(seconds=1))
    assert [(e.kind, e.by, e.text) for e in noted.entries] == [
        (EntryKind.OPENED, "", ""),
        (EntryKind.ACKNOWLEDGED, "Анна", "смотрю\nлог"),
        (EntryKind.NOTE, "Olga", "ledger is open again"),
    ]
    assert [incident.id for incident in await keeper.of_order("A-2")] == [incident_id]
    done = await keeper.resolve(incident_id, "Olga", "", now + timedelta(seconds=2))
    assert (done.incident.state, done.incident.resolved_by) == (IncidentState.RESOLVED, "Olga")


async def test_a_restart_goes_on_where_it_was(store: Store) -> None:
    now = datetime.now(UTC)
    keeper = IncidentKeeper(store, settings=RULES)
    await keeper.start(now)
    await keeper.update(findings("A-1"), now)
    restarted = IncidentKeeper(store, settings=RULES)
    await restarted.start(now)
    await restarted.update(findings("A-1"), now + timedelta(minutes=1))
    [view] = await restarted.find(now)
    assert (view.incident.orders, view.incident.times, len(view.entries)) == (1, 1, 1)
    await restarted.update({}, now + timedelta(minutes=2))
    assert await restarted.of_order("A-1") == []
    await restarted.update({}, now + timedelta(minutes=13))
    [view] = await restarted.find(now)
    assert (view.incident.state, view.incident.affected) == (IncidentState.RESOLVED, 0)


async def test_a_cause_from_long_ago_is_known_again(store: Store) -> None:
    long_ago, now = datetime.now(UTC) - timedelta(days=30), datetime.now(UTC)
    keeper = IncidentKeeper(store, settings=RULES)
    await keeper.start(long_ago)
    await keeper.update(findings("A-1"), long_ago)
    await keeper.update({}, long_ago + timedelta(minutes=1))
    await keeper.update({}, long_ago + timedelta(minutes=12))
    later = IncidentKeeper(store, settings=RULES)
    await later.start(now)
    assert await later.find(now) == []
    await later.update(findings("A-9"), now)
    [view] = await later.find(now)
    assert (view.incident.times, view.incident.orders) == (2, 2)
    assert [entry.kind for entry in view.entries] == [EntryKind.OPENED, EntryKind.RECOVERED, EntryKind.REOPENED]


async def test_failed_messages_wait_for_the_judgement_of_their_order(store: Store) -> None:
    group = FailedGroup("main", "mes.orders", Verdict.EXPIRED, 1, 1, NOW, NOW, ("A-1",))

    async def groups(_now: datetime) -> tuple[FailedGroup, ...]:
        return (group,)

    keeper = IncidentKeeper(store, groups, RULES)
    now = datetime.now(UTC)
    await keeper.start(now)
    await keeper.update({}, now)
    assert await keeper.find(now) == []
    await keeper.update(findings("A-1"), now + timedelta(seconds=11))
    assert {view.incident.cause.kind for view in await keeper.find(now)} == {"processing_error"}
    await keeper.update({}, now + timedelta(seconds=20))
    await keeper.update({}, now + timedelta(seconds=31))
    assert {view.incident.cause.kind for view in await keeper.find(now)} == {"processing_error", "message_lost"}


async def test_wrong_words_are_refused(store: Store) -> None:
    keeper = IncidentKeeper(store)
    now = datetime.now(UTC)
    await keeper.update(findings("A-1"), now)
    [view] = await keeper.find(now)
    for by, text in (("", "x"), (" \x00 ", "x"), ("A" * 81, "x"), ("Anna", "x" * 2001), ("Anna", " \n")):
        with pytest.raises(Invalid):
            await keeper.note(view.incident.id, by, text, now)
    with pytest.raises(NotFound):
        await keeper.resolve("nothing", "Anna", "", now)


async def test_who_else_suffers_is_written_now_and_then_and_for_whoever_looks(store: Store) -> None:
    keeper = IncidentKeeper(store, settings=RULES)
    now = datetime.now(UTC)
    await keeper.start(now)
    await keeper.update(findings("A-1"), now)
    await keeper.update(findings("A-1", "A-2"), now + timedelta(seconds=1))
    assert await keeper.of_order("A-2") == []
    [view] = await keeper.find(now + timedelta(seconds=1))
    assert view.order_ids == ("A-1", "A-2")
    await keeper.update(findings("A-1", "A-2", "A-3"), now + timedelta(seconds=2))
    await keeper.update(findings("A-1", "A-2", "A-3"), now + timedelta(seconds=5))
    assert [incident.orders for incident in await keeper.of_order("A-3")] == [3]
