"""Where orders leave their flow: only what was really seen counts, and a status that nobody could see is not skipped."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ordertrace.model.message import WatchGap
from ordertrace.model.order import EventKind, OrderEvent
from ordertrace.orders.deviations import find_deviations
from ordertrace.orders.flow import build_flow
from ordertrace.orders.lost import NOT_WATCHED, Watched
from ordertrace.orders.timeline import build_events
from ordertrace.settings import Settings
from ordertrace.texts.deviations import deviation_sentence

from .events import at, default_flow, told, whole_life

FLOW = default_flow()
PATH = [step.status for step in FLOW.steps]
WATCHED = Watched(messaged=frozenset(PATH[1:-1]), since=at(-3600))


def acted(system: str, status: str, seconds: float, **fields: Any) -> OrderEvent:
    return told(system, status, seconds, **({"span_kind": "Server", "name": f"POST /{status.lower()}"} | fields))


def course(*statuses: str, owner_tells: bool = True) -> list[OrderEvent]:
    """Each status by its own system, a minute after another; the shop follows a second later."""
    events = []
    for place, status in enumerate(statuses):
        step = FLOW.step(status)
        owner = step.system if step and owner_tells else "shop"
        events += [acted(owner, status, place * 60), told("shop", status, place * 60 + 1)]
    return events


def found(events: list[OrderEvent], watched: Watched = NOT_WATCHED) -> list[tuple[str, str, str]]:
    return [(one.kind.value, one.status, one.previous) for one in find_deviations(build_events(events), FLOW, watched)]


def test_an_order_that_keeps_to_its_flow_has_none() -> None:
    assert found(whole_life(), WATCHED) == []
    assert found(course(*PATH), WATCHED) == []


def test_a_status_without_its_message_was_skipped_where_the_watch_saw_all() -> None:
    skipping = course(*PATH[:2], *PATH[3:5])
    assert found(skipping, WATCHED) == [("skipped", "PRICE_CALCULATED", "SUBMITTED")]


@pytest.mark.parametrize(
    "watched",
    [
        NOT_WATCHED,
        Watched(messaged=WATCHED.messaged, since=at(200)),  # the watch began later
        Watched(messaged=WATCHED.messaged, since=WATCHED.since, gaps=(WatchGap("main", at(70), at(80), "tap"),)),
        Watched(messaged=WATCHED.messaged, since=WATCHED.since, complete=False),  # not all of it is read
        Watched(messaged=frozenset({"SUBMITTED"}), since=WATCHED.since),  # there are never messages about it
    ],
)
def test_not_observed_is_not_skipped(watched: Watched) -> None:
    assert found(course(*PATH[:2], *PATH[3:5]), watched) == []


def test_a_system_that_tells_the_next_status_but_not_the_one_before_probably_skipped_it() -> None:
    open_mes = Settings(system=tuple(s.model_copy(update={"closed": False}) for s in Settings().system))
    skipping = [acted("mes", "MANUFACTURING_STARTED", 0), acted("mes", "PACKAGING", 60)]
    (one,) = find_deviations(build_events(skipping), build_flow(open_mes))
    assert (one.kind, one.status, one.confidence) == ("skipped", "MANUFACTURING_COMPLETED", 0.6)
    assert found(skipping) == []  # a closed one tells what it likes


def test_what_a_follower_shows_is_no_course() -> None:
    late = [acted("crm", "SHIPPED", 400), told("shop", "PACKAGING", 430), told("shop", "PACKAGING", 460)]
    assert found([*course("SUBMITTED"), *late]) == []


def test_a_status_brought_about_twice_is_repeated() -> None:
    twice = [*course("INITIATED", "SUBMITTED"), acted("shop", "SUBMITTED", 75)]
    assert found(twice) == [("repeated", "SUBMITTED", "SUBMITTED")]


def test_several_facts_of_one_occasion_are_no_repetition() -> None:
    same = {"trace_id": "one", "span_kind": "Producer"}
    sent = [acted("shop", "SUBMITTED", 60.1 + i / 10, id=f"sent-{i}", message_id="m-1", **same) for i in range(2)]
    logged = acted("shop", "SUBMITTED", 60.4, trace_id="one", span_kind="Internal", id="log")
    read = acted("shop", "SUBMITTED", 90, name="GET /orders/{id}")
    delivered = told("shop", "SUBMITTED", 95)
    assert found([acted("shop", "SUBMITTED", 60, trace_id="one"), *sent, logged, read, delivered]) == []


def test_a_status_after_a_further_one_went_back() -> None:
    back = [*course(*PATH[:4]), acted("shop", "SUBMITTED", 240)]
    assert found(back) == [("back", "SUBMITTED", "MANUFACTURING_APPROVED")]


def test_a_way_back_that_the_flow_knows_is_no_deviation() -> None:
    steps = tuple(
        step.model_copy(update={"next": (*step.next, "SUBMITTED")}) if step.status == "PRICE_CALCULATED" else step
        for step in Settings().step
    )
    again = [*course("INITIATED", "SUBMITTED", "PRICE_CALCULATED"), acted("shop", "SUBMITTED", 180)]
    assert find_deviations(build_events(again), build_flow(Settings(step=steps))) == ()


def test_an_end_that_no_way_leads_to_is_not_allowed() -> None:
    cancelled = [*course(*PATH[:5]), acted("shop", "CANCELLED", 400)]
    assert found(cancelled, WATCHED) == [("illegal", "CANCELLED", "MANUFACTURING_STARTED")]
    assert found([*course(*PATH[:3]), acted("shop", "CANCELLED", 400)], WATCHED) == []


def test_what_goes_on_after_the_end_went_back_and_did_not_end_from_there() -> None:
    """The shop cancelled in time; the MES did not hear of it."""
    early = [*course(*PATH[:2]), acted("shop", "CANCELLED", 100), told("crm", "CANCELLED", 101)]
    late = [acted("mes", status, 160 + i * 60) for i, status in enumerate(PATH[4:6])]
    assert found([*early, *late], NOT_WATCHED) == [("back", status, "CANCELLED") for status in PATH[4:6]]
    (one, _) = find_deviations(build_events([*early, *late]), FLOW)
    assert "went on after" in deviation_sentence(one, FLOW, "en")
    assert "продолжился" in deviation_sentence(one, FLOW, "ru")


def test_order_of_arrival_and_repetition_change_nothing() -> None:
    events = [*course(*PATH[:2], *PATH[3:6]), acted("shop", "SUBMITTED", 400), acted("crm", PATH[3], 500)]
    expected = find_deviations(build_events(events), FLOW, WATCHED)
    assert len(expected) == 3
    for seed in range(20):
        shuffled = random.Random(seed).choices(events, k=len(events)) + random.Random(seed).sample(events, len(events))
        assert find_deviations(build_events(shuffled), FLOW, WATCHED) == expected


def test_evidence_names_events_and_how_sure_they_are() -> None:
    again = acted("shop", "SUBMITTED", 75, confidence=0.8)
    (one,) = find_deviations(build_events([*course("INITIATED", "SUBMITTED"), again]), FLOW)
    assert (one.evidence, one.confidence, one.at) == ((again.id,), 0.8, again.at)


def test_a_status_without_a_step_has_no_course() -> None:
    odd = [told("shop", "REVIEWED", 0), told("shop", "REVIEWED", 50), acted("shop", "", 60, kind=EventKind.OPERATION)]
    assert found(odd, WATCHED) == []
