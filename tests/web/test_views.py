"""View models: geometry that holds for any order, words that fit the order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordertrace.model.board import Dot, StepColumn
from ordertrace.model.order import EventKind, OrderEvent, OrderState, OrderTimeline
from ordertrace.texts import LANGUAGES
from ordertrace.web.axis import NOTCH_WIDTH, Wish, build_axis, fold_limit
from ordertrace.web.picture import Chart
from ordertrace.web.viewer import Viewer
from ordertrace.web.views_board import spark_points
from ordertrace.web.views_order import build_order_view
from ordertrace.web.views_orders import build_due, shorten_id
from ordertrace.web.views_strip import BOTTOM, DEADLINE, TOP, build_strip, height_of, wrap
from ordertrace.web.views_timeline import build_chart
from ordertrace.web.work import gather_work, infer_work, pair_messages

from .samples import (
    NOW,
    PATH,
    Script,
    build_board,
    build_timeline,
    closed,
    crowd,
    every_timeline,
    failed,
    healthy,
    stuck,
    the_flow,
)

FLOW = the_flow()
VIEWER = Viewer("en", ZoneInfo("Europe/Moscow"), FLOW, NOW)
moments = st.integers(0, 4 * 86_400_000).map(lambda ms: NOW - timedelta(milliseconds=ms))


@st.composite
def events(draw: st.DrawFn) -> OrderEvent:
    number = draw(st.integers(0, 40))
    return OrderEvent(
        id=f"e{draw(st.integers(0, 10**9))}",
        order_id="A-1",
        at=draw(moments),
        system=draw(st.sampled_from(["shop", "mes", "crm", "carrier", "stranger"])),
        kind=draw(st.sampled_from(EventKind)),
        name=draw(st.text(max_size=60)),
        span_kind=draw(st.sampled_from(["Server", "Client", "Producer", "Consumer", "Internal"])),
        status=draw(st.sampled_from(["", "", *PATH, "CANCELLED", "ODD"])),
        duration_seconds=draw(st.floats(-1, 100_000)),
        trace_id=f"t{number % 5}",
        span_id=f"s{number}",
        parent_span_id=f"s{draw(st.integers(0, 40))}",
        message_id=draw(st.sampled_from(["", "m1", "m2"])),
        peer=draw(st.sampled_from(["", "mes", "carrier", "10.0.0.1"])),
    )


orders = st.tuples(
    st.lists(events(), min_size=1, max_size=30, unique_by=lambda e: e.id),
    st.sampled_from(OrderState),
    st.integers(0, 10**6),
)


def to_timeline(drawn: tuple[list[OrderEvent], OrderState, int]) -> OrderTimeline:
    script = Script("A-1", NOW)
    script.events = drawn[0]
    return build_timeline(script, drawn[1], deadline=timedelta(seconds=drawn[2]))


@given(st.lists(moments, min_size=1, max_size=40), st.lists(st.integers(0, 3), max_size=8))
def test_axis_keeps_the_order_of_time_and_fills_the_width(ats: list[datetime], picks: list[int]) -> None:
    wishes = [Wish(ats[p % len(ats)], "lane", 80.0) for p in picks]
    axis = build_axis(ats, wishes, 10.0, 900.0)
    assert list(axis.xs) == sorted(axis.xs)
    assert axis.xs[0] == 10.0
    if len(axis.moments) > 1:
        assert axis.xs[-1] >= 10.0 + 900.0 - 1e-6
    for at in ats:
        assert axis.x(at) == axis.xs[axis.moments.index(at)]
    assert axis.x(min(ats) - timedelta(days=1)) == axis.xs[0]
    assert axis.x(max(ats) + timedelta(days=1)) == axis.xs[-1]


@given(st.lists(moments, min_size=2, max_size=20, unique=True))
def test_axis_folds_exactly_the_long_waits(ats: list[datetime]) -> None:
    axis = build_axis(ats, [], 0.0, 100.0)
    ordered = sorted(ats)
    waits = [b - a for a, b in pairwise(ordered) if b - a > fold_limit(ordered)]
    assert [fold.seconds for fold in axis.folds] == [w.total_seconds() for w in waits]
    assert axis.xs[-1] >= NOTCH_WIDTH * len(waits) - 1e-6


@given(orders)
def test_work_holds_every_event_once(drawn: tuple[list[OrderEvent], OrderState, int]) -> None:
    works = gather_work(drawn[0])
    assert sorted(e.id for w in works for e in w.events) == sorted(e.id for e in drawn[0])
    assert all(w.begin <= w.end and len({e.system for e in w.events}) == 1 for w in works)
    assert all(w.inferred and w.begin <= w.end for w in infer_work(drawn[0], FLOW))


@given(orders)
def test_messages_are_paired_from_sender_to_receiver(drawn: tuple[list[OrderEvent], OrderState, int]) -> None:
    for passing in pair_messages(drawn[0]):
        assert passing.sent or passing.received
        if passing.sent and passing.received:
            same_message = passing.sent.message_id and passing.sent.message_id == passing.received.message_id
            assert same_message or passing.received.parent_span_id == passing.sent.span_id


def assert_sound(chart: Chart) -> None:
    """Nothing sticks out, no labels touch, every bar lies in its lane, lanes do not overlap."""
    for a, b in pairwise(chart.lanes):
        assert a.y + a.height <= b.y
    for bar in chart.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= chart.width
        assert any(lane.y <= bar.y and bar.y + 18 <= lane.y + lane.height for lane in chart.lanes)
    for i, one in enumerate(chart.labels):
        assert one.right <= chart.width
        for other in chart.labels[:i]:
            assert abs(one.y - other.y) >= 11 or one.right <= other.x or other.right <= one.x, (one, other)
    ticks = sorted(chart.ticks, key=lambda t: t.x)
    assert all(a.right <= b.x for a, b in pairwise(ticks))
    assert all(0 <= arrow.end_x <= chart.width for arrow in chart.arrows)


@settings(max_examples=150)
@given(orders, st.sampled_from(LANGUAGES))
def test_chart_of_any_order_is_sound(drawn: tuple[list[OrderEvent], OrderState, int], language: str) -> None:
    chart = build_chart(to_timeline(drawn), replace(VIEWER, language=language))
    assert chart
    assert_sound(chart)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("timeline", every_timeline(), ids=lambda t: t.order.id[:7])
def test_chart_of_samples_is_sound(timeline: OrderTimeline, language: str) -> None:
    chart = build_chart(timeline, replace(VIEWER, language=language))
    assert chart
    assert_sound(chart)
    hrefs = {bar.href.removeprefix("#") for bar in chart.bars if bar.href} | {
        a.href.removeprefix("#") for a in chart.arrows
    }
    anchors = {row.anchor for row in build_order_view(timeline, VIEWER).events}
    assert hrefs <= anchors


def test_closed_system_is_inferred_and_future_is_ghost() -> None:
    chart = build_chart(stuck(), VIEWER)
    assert chart
    mes = [bar for bar in chart.bars if bar.accent == "a2"]
    assert [bar.form for bar in mes] == ["inferred", "ghost", "ghost", "ghost", "ghost"]
    assert {lane.mark.name for lane in chart.lanes} == {"shop", "queues", "mes", "crm"}
    assert [rule.form for rule in chart.rules] == ["deadline", "now over"]


def test_ended_order_has_no_future() -> None:
    chart = build_chart(closed(), VIEWER)
    assert chart
    assert {rule.form for rule in chart.rules} == {"deviation"}  # where it left its flow, no now and no deadline
    assert {bar.form for bar in chart.bars} == {"seen", "inferred"}


def test_evidence_that_says_the_same_shares_a_line() -> None:
    view = build_order_view(failed(), VIEWER)
    assert len(view.call.evidence) == 1
    assert len(view.call.evidence[0].times) == 3


def test_due_bar_says_what_is_left() -> None:
    order = healthy().order
    soon = build_due(replace(order, deadline_at=NOW + timedelta(seconds=60), deadline_seconds=600.0), VIEWER)
    late = build_due(replace(order, deadline_at=NOW - timedelta(seconds=60)), VIEWER)
    assert soon
    assert (soon.tone, soon.text, soon.filled) == ("soon", "1\xa0min left", 90.0)
    assert late
    assert (late.tone, late.text) == ("over", "+1\xa0min")
    assert build_due(replace(order, deadline_at=None), VIEWER) is None


@given(st.text(max_size=60), st.integers(5, 30))
def test_long_ids_keep_both_ends(order_id: str, characters: int) -> None:
    brief = shorten_id(order_id, characters)
    assert len(brief) <= characters
    assert brief == order_id or (order_id.startswith(brief[:2]) and order_id.endswith(brief[-2:]))


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_strip_height_rises_with_the_share(a: float, b: float) -> None:
    assert TOP <= height_of(a) <= BOTTOM
    assert (height_of(a) <= height_of(b)) == (a >= b) or height_of(a) == height_of(b)
    assert (height_of(a) < DEADLINE) == (a > 1) or height_of(a) == DEADLINE


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["open", "stuck", "failed"])), max_size=80))
def test_strip_dots_stay_in_their_column(drawn: list[tuple[float, str]]) -> None:
    dots = tuple(Dot(f"o{i}", used, state) for i, (used, state) in enumerate(drawn))
    late = sum(used > 1 for used, _ in drawn)
    column = StepColumn("SUBMITTED", "shop", "mes", "PRICE_CALCULATED", len(dots), late, dots, (3,) * 16)
    strip = build_strip(replace(build_board([], FLOW), columns=(column, column)), VIEWER)
    for drawn_column in strip.columns:
        assert len(drawn_column.dots) == len(dots)
        for dot in drawn_column.dots:
            assert drawn_column.x <= dot.x - 4
            assert dot.x + 4 <= drawn_column.x + drawn_column.width
            assert TOP - 1 <= dot.y <= BOTTOM + 5
        labels = sorted(dot.label_y for dot in drawn_column.dots if dot.label)
        assert all(b - a >= 17 for a, b in pairwise(labels))


def test_thousand_orders_are_dots_and_density() -> None:
    board = build_board(crowd(1000), FLOW)
    strip = build_strip(board, VIEWER)
    drawn = sum(len(c.dots) for c in strip.columns)
    counted = sum(sum(c.density) for c in board.columns)
    assert drawn + counted == 1000


@given(st.text(max_size=80), st.integers(4, 30))
def test_wrapped_titles_fit(text: str, characters: int) -> None:
    lines = wrap(text, characters)
    assert 1 <= len(lines) <= 2
    assert all(len(line) <= characters + 1 for line in lines)


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_sparkline_stays_in_its_box(trend: list[float]) -> None:
    for point in spark_points(trend).split():
        x, y = map(float, point.split(","))
        assert -0.1 <= x <= 64.1
        assert -0.1 <= y <= 24.1


def test_clock_shows_the_day_only_when_it_is_another() -> None:
    assert VIEWER.clock(NOW) == "14:54:40"
    assert VIEWER.clock(NOW - timedelta(days=1)) == "11\xa0Mar, 14:54:40"
    assert VIEWER.clock(datetime(2025, 1, 1, tzinfo=UTC)) == "1\xa0Jan\xa02025, 03:00:00"
    assert VIEWER.exact(NOW) == "2026-03-12 14:54:40.250000 MSK (UTC+0300)"
