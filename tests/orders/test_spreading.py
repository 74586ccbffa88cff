"""Orders spread over what traces and messages have in common: the nearest counts, and what is contested is nobody's."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ordertrace.model.order import JoinedBy
from ordertrace.orders.spreading import Derived, Known, Node, Tie, spread

A, B = Known(frozenset({"A"})), Known(frozenset({"B"}))
T = [Node("trace", f"t{i}") for i in range(8)]


def link(*ends: Node) -> Tie:
    return Tie(JoinedBy.LINK, frozenset(ends))


def orders_of(derived: dict[Node, Derived]) -> dict[Node, str]:
    return {node: one.order_id for node, one in derived.items()}


def test_a_chain_is_followed_to_its_end() -> None:
    chain = [link(T[i], T[i + 1]) for i in range(7)]
    assert orders_of(spread(chain, {T[0]: A})) == dict.fromkeys(T[1:], "A")


def test_between_two_orders_the_nearer_one_counts_and_halfway_nobody() -> None:
    chain = [link(T[i], T[i + 1]) for i in range(4)]
    assert orders_of(spread(chain, {T[0]: A, T[4]: B})) == {T[1]: "A", T[3]: "B"}


def test_what_several_orders_have_in_common_says_nothing() -> None:
    shared = Tie(JoinedBy.CORRELATION, frozenset(T[:3]))
    assert spread([shared], {T[0]: A, T[1]: B}) == {}
    assert orders_of(spread([shared, link(T[2], T[3])], {T[0]: A, T[1]: B, T[3]: A})) == {T[2]: "A"}


def test_what_serves_several_orders_hands_on_nothing() -> None:
    both = Known(frozenset({"A", "B"}))
    assert spread([link(T[0], T[1])], {T[0]: both}) == {}


def test_what_is_suggested_gives_way_and_is_handed_on_where_nothing_else_is() -> None:
    suggested = Known(suggested=frozenset({"B"}))
    assert orders_of(spread([link(T[0], T[1]), link(T[1], T[2])], {T[0]: A, T[1]: suggested})) == {T[1]: "A", T[2]: "A"}
    assert orders_of(spread([link(T[1], T[2])], {T[1]: suggested})) == {T[2]: "B"}


def test_the_surest_of_what_says_so_is_told() -> None:
    ties = [link(T[0], T[1]), Tie(JoinedBy.CORRELATION, frozenset(T[:2]))]
    assert spread(ties, {T[0]: A}) == {T[1]: Derived("A", JoinedBy.CORRELATION)}


NODES = st.sampled_from(T)
TIES = st.lists(
    st.builds(
        Tie, st.sampled_from([JoinedBy.LINK, JoinedBy.CORRELATION]), st.frozensets(NODES, min_size=1, max_size=4)
    ),
    max_size=10,
)
KNOWN = st.dictionaries(
    NODES,
    st.builds(
        Known,
        st.frozensets(st.sampled_from("ABC"), max_size=2),
        st.frozensets(st.sampled_from("ABC"), max_size=2),
    ),
    max_size=5,
)


@settings(max_examples=300)
@given(TIES, KNOWN, st.randoms(use_true_random=False))
def test_the_result_is_a_function_of_the_set(ties: list[Tie], known: dict[Node, Known], chance: random.Random) -> None:
    shuffled = [*ties, *ties[:2]]
    chance.shuffle(shuffled)
    names = list(known.items())
    chance.shuffle(names)
    derived = spread(shuffled, dict(names))
    assert derived == spread(ties, known)
    assert not any(known[node].said for node in derived if node in known)
    for node, one in derived.items():
        neighbours = {end for tie in ties if node in tie.ends for end in tie.ends - {node}}
        orders = {derived[end].order_id for end in neighbours if end in derived}
        orders |= {order for end in neighbours if end in known for order in (known[end].said or known[end].suggested)}
        assert one.order_id in orders, "somebody beside it has the order"
