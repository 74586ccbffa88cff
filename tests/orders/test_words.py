"""What speaks of an order holds one of its words, as real requests are written."""

from __future__ import annotations

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ordertrace.orders.words import words_of

from .events import told


@pytest.mark.parametrize("number", [0, 127, 128, 4711, 2**63 - 1])
def test_a_number_is_found_as_text_and_as_an_integer(number: int) -> None:
    as_text, as_integer = words_of(str(number), [])
    assert as_text in KeyValue(key="order.id", value=AnyValue(string_value=str(number))).SerializeToString()
    assert as_integer in KeyValue(key="order.id", value=AnyValue(int_value=number)).SerializeToString()


def test_what_is_no_number_of_a_protocol_is_text_only() -> None:
    assert list(words_of("A-1", [])) == [b"A-1"]
    assert list(words_of("№ 7", [])) == ["№ 7".encode()]
    assert list(words_of(str(2**63), [])) == [b"9223372036854775808"]


def test_a_span_of_a_known_trace_is_found() -> None:
    event = told("shop", "SUBMITTED", 0, trace_id="0af7651916cd43dd8448eb211c80319c")
    (of_trace,) = set(words_of("A-1", [event, event])) - {b"A-1"}
    assert of_trace in Span(trace_id=bytes.fromhex(event.trace_id)).SerializeToString()
