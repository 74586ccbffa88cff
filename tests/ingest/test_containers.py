"""Arrays and maps are found in requests of any length, both ways of looking for them agree, and nothing else passes for one."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ordertrace.ingest import check
from ordertrace.ingest.check import may_hold_containers
from tests.ingest.requests import request, span

_plain = st.one_of(
    st.text(max_size=300), st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.binary(max_size=300)
)
_containers = st.one_of(
    st.lists(_plain, max_size=40), st.dictionaries(st.text(max_size=10), _plain, max_size=30), st.just(["x" * 70_000])
)
_keys = st.text("abcdefgh", min_size=1, max_size=9)


def _payload(values: list[dict[str, Any]], padding: int) -> bytes:
    return request(*(span("work", one) for one in values), span("x" * padding)).SerializeToString()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.dictionaries(_keys, _plain, max_size=6), max_size=4),
    _containers,
    st.sampled_from([0, check._SHORT_BYTES_MAX]),
)
def test_a_container_is_found_wherever_it_is(values: list[dict[str, Any]], container: Any, padding: int) -> None:
    assert may_hold_containers(_payload([*values, {"list": container}], padding))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(_keys, _plain, max_size=6), max_size=4), st.lists(_containers, max_size=2))
def test_both_ways_of_looking_agree(values: list[dict[str, Any]], containers: list[Any]) -> None:
    payload = _payload([*values, *({"list": one} for one in containers)], 0)
    for fields in (check._IN_ATTRIBUTES, check._IN_LOGS):
        short, long = check._suspects_in_short(payload, fields), check._suspects_in_long(payload, fields)
        assert sorted(short) == sorted(long)


def test_plain_values_are_no_containers() -> None:
    values = {"text": "*2*2 \x12\x12", "number": 0x2A12, "bytes": bytes(range(20)), "long": "2" * 200, "empty": ""}
    for padding in (0, check._SHORT_BYTES_MAX):
        assert not may_hold_containers(_payload([values] * 3, padding))
