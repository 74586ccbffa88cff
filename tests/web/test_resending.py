"""What a message's page offers of sending it again, and what it tells of earlier attempts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from ordertrace.model.message import Republication, Verdict
from ordertrace.web.viewer import Viewer
from ordertrace.web.views_resending import build_resending_view

from .message_samples import build_life
from .samples import NOW, the_flow

VIEWER = Viewer("en", ZoneInfo("UTC"), the_flow(), NOW)
LOST = replace(build_life(1, Verdict.REJECTED), key="m/1", queue="mes.orders", since=NOW - timedelta(minutes=5))


def attempt(result: str, minutes_ago: float = 1, queue: str = "mes.orders", reason: str = "") -> Republication:
    at = NOW - timedelta(minutes=minutes_ago)
    return Republication(
        "a1", "main", "m/1", queue, "A-1", "rejected", "", "mes.orders", "Vera", at, at, result, reason
    )


def test_a_lost_message_can_be_sent_to_each_queue_that_lost_it() -> None:
    view = build_resending_view((), [LOST, replace(LOST, queue="crm.orders")], VIEWER)
    assert view.queues == ("mes.orders", "crm.orders")
    assert view.url == "/messages/m%2F1/republish"
    assert build_resending_view((), (), VIEWER).queues == ()


@pytest.mark.parametrize(
    ("earlier", "offered"),
    [
        (attempt("published"), False),
        (attempt("claimed"), False),
        (attempt("seen"), False),
        (attempt("unknown"), False),
        (attempt("returned"), True),
        (attempt("refused", reason="no rights"), True),
        (attempt("not_published"), True),
        (attempt("published", minutes_ago=9), True),  # it was lost once more since
        (attempt("published", queue="crm.orders"), True),
    ],
)
def test_nothing_is_offered_that_could_make_two_of_it(earlier: Republication, offered: bool) -> None:
    view = build_resending_view([earlier], [LOST], VIEWER)
    assert bool(view.queues) is offered
    (line,) = view.attempts
    assert line.by == "Vera"
    assert ("may not publish" in line.text) is (earlier.reason == "no rights")
