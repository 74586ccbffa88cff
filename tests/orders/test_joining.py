"""Shared traces, sequences of deliveries, and the presence of keys: who belongs to whom, whatever comes first."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordertrace.model.order import JoinedBy
from ordertrace.orders.joining import CONFIDENCE, Name, SpanSight, divide
from ordertrace.orders.presence import Run, Stay, match_presence
from ordertrace.orders.sequence import WAIT_SECONDS, Consumption, Delivery, align, complete_spans

KEYS = ("order.submitted", "order.priced", "order.approved", "order.shipped", "order.closed")


def batch(keys: Sequence[str], delivered: Sequence[str] = ()) -> tuple[list[SpanSight], list[Name]]:
    """A job that asks for each key in turn, and publishes for each order that was delivered (its key without the K)."""
    spans, names = [SpanSight("job", "")], []
    for i, key in enumerate(keys):
        spans.append(SpanSight(f"get-{key}", "job", frozenset({key}), 10 * i, 10 * i + 4))
        if key in delivered:
            spans += [SpanSight(f"send-{key}", "job", frozenset(), 10 * i + 5, 10 * i + 8)]
            spans += [SpanSight(f"receive-{key}", f"send-{key}", frozenset(), 10 * i + 6, 10 * i + 9)]
            names.append(Name(f"send-{key}", key[1:], JoinedBy.MESSAGE))
    return spans, names


def test_each_order_gets_its_own_part_of_a_batch() -> None:
    division = divide(*batch(["KA", "KB", "KC"], ["KA", "KC"]))
    assert {span: joined.order_id for span, joined in division.joined.items()} == {
        "send-KA": "A", "receive-KA": "A", "send-KC": "C", "receive-KC": "C",
    }  # fmt: skip
    assert division.shared == {"job"}
    assert division.keys == {"KA": "A", "KC": "C"}


def test_a_trace_of_one_order_is_its_own_as_a_whole() -> None:
    spans = [
        SpanSight("root", ""),
        SpanSight("named", "root"),
        SpanSight("below", "named"),
        SpanSight("beside", "root"),
    ]
    division = divide(spans, [Name("named", "A", JoinedBy.LOG)])
    assert {span: joined.order_id for span, joined in division.joined.items()} == dict.fromkeys(
        ("root", "named", "below", "beside"), "A"
    )
    assert division.joined["named"].by is JoinedBy.LOG
    assert division.joined["below"].by is JoinedBy.TRACE


def test_what_names_two_orders_belongs_to_neither() -> None:
    spans = [SpanSight("root", ""), SpanSight("child", "root")]
    division = divide(spans, [Name("root", "A", JoinedBy.LOG), Name("root", "B", JoinedBy.LOG)])
    assert division.joined == {}


def test_what_is_said_counts_more_than_what_a_sequence_suggests() -> None:
    names = [Name("root", "A", JoinedBy.LOG), Name("root", "B", JoinedBy.SEQUENCE)]
    assert divide([SpanSight("root", "")], names).joined["root"].order_id == "A"


def test_a_loop_of_parents_ends() -> None:
    assert (
        divide([SpanSight("a", "b"), SpanSight("b", "a")], [Name("a", "A", JoinedBy.LOG)]).joined["b"].order_id == "A"
    )


@st.composite
def traces(draw: st.DrawFn) -> tuple[list[SpanSight], list[Name]]:
    size = draw(st.integers(1, 14))
    spans = [
        SpanSight(
            f"s{i}",
            draw(st.sampled_from(["", "lost", *(f"s{j}" for j in range(i))])),
            draw(st.sampled_from([frozenset[str](), frozenset({"k1"}), frozenset({"k2"})])),
            i,
            i + draw(st.integers(0, 3)),
        )
        for i in range(size)
    ]
    names = draw(
        st.lists(
            st.builds(
                Name,
                st.sampled_from([span.span_id for span in spans]),
                st.sampled_from(["A", "B", "C"]),
                st.sampled_from([JoinedBy.ATTRIBUTE, JoinedBy.LOG, JoinedBy.MESSAGE, JoinedBy.SEQUENCE]),
            ),
            max_size=5,
        )
    )
    return spans, names


@settings(max_examples=300)
@given(traces(), st.randoms(use_true_random=False))
def test_the_division_does_not_depend_on_what_came_first_or_twice(
    trace: tuple[list[SpanSight], list[Name]], chance: random.Random
) -> None:
    spans, names = trace
    shuffled, again = [*spans, *chance.sample(spans, len(spans) // 2)], [*names, *names[:2]]
    chance.shuffle(shuffled)
    chance.shuffle(again)
    assert divide(shuffled, again) == divide(spans, names)


@settings(max_examples=300)
@given(traces())
def test_no_span_is_given_to_an_order_that_nothing_names(trace: tuple[list[SpanSight], list[Name]]) -> None:
    spans, names = trace
    joined = divide(spans, names).joined
    assert {one.order_id for one in joined.values()} <= {name.order_id for name in names}
    for span_id, one in joined.items():
        if own := {name.order_id for name in names if name.span_id == span_id}:
            assert one.order_id in own


@st.composite
def jobs(draw: st.DrawFn) -> tuple[list[SpanSight], list[Name], dict[str, str]]:
    """A job that serves several orders, each in a part of its own below shared spans; and whose part each span is in."""
    depth, orders = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    spans = [SpanSight(f"shared-{i}", f"shared-{i - 1}" if i else "", frozenset(), 0, 1000) for i in range(depth)]
    names: list[Name] = []
    part_of: dict[str, str] = {}
    for order in (f"order-{i}" for i in range(orders)):
        ids: list[str] = []
        for i in range(draw(st.integers(1, 6))):
            parent = draw(st.sampled_from(ids)) if ids else draw(st.sampled_from(spans[:depth])).span_id
            ids.append(f"{order}-{i}")
            spans.append(SpanSight(ids[-1], parent, frozenset(), i, i + 1))
        part_of |= dict.fromkeys(ids, order)
        named = draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(sorted(CONFIDENCE))), max_size=3))
        names += [Name(span_id, order, by) for span_id, by in named]
    return spans, names, part_of


@settings(max_examples=300)
@given(jobs(), st.randoms(use_true_random=False))
def test_each_order_gets_only_its_own_part(
    job: tuple[list[SpanSight], list[Name], dict[str, str]], chance: random.Random
) -> None:
    spans, names, part_of = job
    chance.shuffle(spans)
    division = divide(spans, names)
    served = {name.order_id for name in names}
    for span_id, one in division.joined.items():
        if len(served) > 1 and span_id in part_of:
            assert one.order_id == part_of[span_id]
        elif len(served) > 1:  # a shared span that leads to one of them only
            assert {name.order_id for name in names if span_id in above(name.span_id, spans)} == {one.order_id}
    assert {name.span_id for name in names} <= division.joined.keys()


def above(span_id: str, spans: Sequence[SpanSight]) -> set[str]:
    parents = {span.span_id: span.parent_id for span in spans}
    found = set()
    while span_id := parents.get(span_id, ""):
        found.add(span_id)
    return found


def courses(
    seed: int, length: int = 60, channels: int = 3
) -> tuple[dict[str, list[Delivery]], dict[str, list[Consumption]]]:
    """Deliveries of channels, and spans of as many threads that process them with delays."""
    chance = random.Random(seed)
    delivered: dict[str, list[Delivery]] = {}
    consumed: dict[str, list[Consumption]] = {}
    for channel in range(channels):
        at, free = 0.0, 0.0
        for i in range(length):
            at += chance.expovariate(2)
            free = max(at, free) + chance.uniform(0.01, 0.7)
            key, order = chance.choice(KEYS), f"{channel}-{i}"
            delivered.setdefault(f"c{channel}", []).append(Delivery(at, order, key, "q", order))
            consumed.setdefault(f"t{channel}", []).append(
                Consumption(free, f"trace {order}", f"span {order}", ("x", key))
            )
    return delivered, consumed


def right(span: Consumption, delivery: Delivery) -> bool:
    return span.trace_id == f"trace {delivery.order_id}"


@pytest.mark.parametrize("seed", range(5))
def test_channels_and_threads_go_in_step(seed: int) -> None:
    matches = align(*courses(seed))
    assert len(matches) == 180
    assert all(right(match.consumption, match.delivery) for match in matches)


@settings(max_examples=40)
@given(st.integers(0, 1000), st.sampled_from([0.02, 0.05]))
def test_gaps_leave_spans_unjoined_rather_than_wrongly_joined(seed: int, lost: float) -> None:
    delivered, consumed = courses(seed, 150)
    chance = random.Random(seed)
    kept = {thread: [one for one in spans if chance.random() > lost] for thread, spans in consumed.items()}
    for spans in kept.values():
        chance.shuffle(spans)
    matches = align(delivered, kept)
    wrong = [match for match in matches if not right(match.consumption, match.delivery)]
    assert len(wrong) <= 0.01 * 450
    assert len(matches) >= (0.4 if lost < 0.05 else 0.15) * 450


@settings(max_examples=40)
@given(st.integers(0, 1000), st.sampled_from([0.05, 0.1, 0.2]))
def test_where_all_deliveries_are_known_lost_spans_cost_little(seed: int, lost: float) -> None:
    delivered, consumed = courses(seed, 150)
    chance = random.Random(seed)
    kept = {thread: [one for one in spans if chance.random() > lost] for thread, spans in consumed.items()}
    matches = align(delivered, kept, dict.fromkeys(delivered, (-WAIT_SECONDS, 1e9)))
    assert sum(right(match.consumption, match.delivery) for match in matches) >= 0.99 * len(matches)
    assert len(matches) >= (0.85 if lost < 0.1 else 0.7 if lost < 0.2 else 0.5) * sum(map(len, kept.values()))


def test_where_deliveries_turn_out_to_be_missing_blocks_speak_alone() -> None:
    delivered, consumed = courses(3, channels=1)
    all_known = {"c0": (-WAIT_SECONDS, 1e9)}
    del consumed["t0"][::9]
    assert len(align(delivered, consumed, all_known)) > len(align(delivered, consumed))
    assert align(delivered, consumed, {"c0": (1e9, 2e9)}) == align(delivered, consumed)
    del delivered["c0"][25:35]
    assert align(delivered, consumed, all_known) == align(delivered, consumed)


def test_all_is_known_until_the_newest_delivery_of_a_broker_that_was_watched() -> None:
    course = [Delivery(at, "m", "order.closed", "q", "A") for at in (5.0, 9.0)]
    channels = {"main c1": course, "main c2": course[:1], "other c1": course}
    assert complete_spans(channels, 1.0, {"other"}) == {"main c1": (1.0, 9.0), "main c2": (1.0, 9.0)}


def test_what_is_known_otherwise_is_not_contradicted() -> None:
    delivered, consumed = courses(1, channels=1)
    span = consumed["t0"][20]
    consumed["t0"][20] = Consumption(span.at, span.trace_id, span.span_id, span.words, "another")
    assert "another" not in {m.consumption.order_id for m in align(delivered, consumed)}


def test_presence_tells_whose_a_key_is_where_one_order_fits() -> None:
    runs = [Run(10.0, frozenset({"K1"})), Run(20.0, frozenset({"K1", "K2"})), Run(30.0, frozenset({"K2"}))]
    stays = [Stay("A", 5.0, 22.0), Stay("B", 15.0, None), Stay("C", 29.0, None)]
    assert match_presence(runs, stays, {}) == {"K1": {"A"}, "K2": {"B"}}
    assert match_presence(runs, stays, {"K1": frozenset({"A"})}) == {"K2": {"B"}}


def test_presence_says_nothing_where_several_fit() -> None:
    runs = [Run(10.0, frozenset({"K1"})), Run(20.0, frozenset({"K1"}))]
    assert match_presence(runs, [Stay("A", 5.0, None), Stay("B", 6.0, None)], {}) == {}


def test_keys_in_the_same_runs_belong_to_as_many_orders_together() -> None:
    runs = [Run(10.0, frozenset({"K1", "K2"})), Run(20.0, frozenset({"K1", "K2"}))]
    found = match_presence(runs, [Stay("A", 5.0, None), Stay("B", 6.0, None)], {})
    assert found == {"K1": {"A", "B"}, "K2": {"A", "B"}}
