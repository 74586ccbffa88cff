"""What a request's check says of its spans: the same, whether it can tell at once or has to look at each."""

from __future__ import annotations

import itertools
import time
from typing import Any

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as some
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ordertrace.errors import Invalid
from ordertrace.ingest.check import TRACES, TraceCheck, are_all_good
from ordertrace.settings.sections import PrivacySettings

CHECK = TraceCheck(PrivacySettings())
DAY_NS = 86_400 * 10**9
NOW_NS = time.time_ns()
BAD = (
    ("trace_id", {"trace_id": b""}),
    ("trace_id", {"trace_id": bytes(16)}),
    ("trace_id", {"trace_id": b"\x01" * 15}),
    ("span_id", {"span_id": b""}),
    ("span_id", {"span_id": bytes(8)}),
    ("span_id", {"span_id": b"\x01" * 9}),
    ("time", {"start_time_unix_nano": 0}),
    ("time", {"start_time_unix_nano": 1}),
    ("time", {"start_time_unix_nano": time.time_ns() + 3 * DAY_NS}),
)
USUAL: dict[str, Any] = {
    "trace_id": b"\x01" * 16,
    "span_id": b"\x01" * 8,
    "name": "GET /",
    "kind": Span.SPAN_KIND_SERVER,
    "start_time_unix_nano": NOW_NS,
}
# What looks like the beginning of a span.
DECOY = "\n\x10" + "a" * 16 + "\x12\x08" + "b" * 8


@some.composite
def spans(draw: some.DrawFn) -> Span:
    return Span(
        trace_id=draw(some.binary(min_size=16, max_size=16).filter(any)),
        span_id=draw(some.binary(min_size=8, max_size=8).filter(any)),
        parent_span_id=draw(some.sampled_from((b"", b"\x02" * 8))),
        trace_state=draw(some.sampled_from(("", "a=b", "x=" + "y" * 126))),
        name=draw(some.sampled_from(("", "POST /orders", "n" * 127, "n" * 128, "n" * 300, DECOY))),
        kind=draw(some.sampled_from((Span.SPAN_KIND_UNSPECIFIED, Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CONSUMER))),
        start_time_unix_nano=draw(some.integers(NOW_NS - 400 * DAY_NS, NOW_NS)),
        end_time_unix_nano=draw(some.sampled_from((0, NOW_NS))),
    )


def request_of(*parts: list[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    for some_spans in parts:
        request.resource_spans.add().scope_spans.add().spans.extend(some_spans)
    return request.SerializeToString()


@given(some.lists(some.lists(spans(), max_size=4), max_size=3))
def test_good_spans_are_all_counted(parts: list[list[Span]]) -> None:
    checked = CHECK.check(request_of(*parts))
    assert (checked.count, checked.refused) == (sum(map(len, parts)), {})


@given(some.lists(spans(), max_size=4), some.lists(some.sampled_from(BAD), min_size=1, max_size=4))
def test_each_bad_span_is_refused_for_what_is_wrong_with_it(
    good: list[Span], faults: list[tuple[str, dict[str, Any]]]
) -> None:
    bad = [Span(**(USUAL | wrong)) for _, wrong in faults]
    checked = CHECK.check(request_of([*good, *bad]))
    reasons = [reason for reason, _ in faults]
    assert checked.count == len(good)
    assert checked.refused == {reason: reasons.count(reason) for reason in set(reasons)}


def test_what_encoders_write_is_told_at_once() -> None:
    """Otherwise each span of each request would be looked at, and the tests above would not notice."""
    usual = Span(**USUAL)
    child = Span(parent_span_id=b"\x02" * 8, trace_state="a=b")
    child.MergeFrom(usual)
    from_b3 = Span(**USUAL | {"trace_id": bytes(8) + b"\x01" * 8})
    assert told_at_once(request_of([usual] * 40, [child] * 9), 49)
    assert told_at_once(request_of([usual, from_b3, child]), 3)
    assert told_at_once(b"", 0)
    assert not told_at_once(request_of([usual] * 40, [child] * 9), 50)
    assert not told_at_once(request_of([usual]), 1, 10**18)
    assert not told_at_once(request_of([usual, Span(name=DECOY, start_time_unix_nano=1)]), 2)
    for _, wrong in BAD:
        assert not told_at_once(request_of([usual, Span(**(USUAL | wrong)), child]), 3)


def told_at_once(payload: bytes, count: int, latest: int = NOW_NS + DAY_NS) -> bool:
    gist = TRACES.gist(payload)
    return gist is not None and are_all_good(gist.resources.scopes.records, count, latest)


def test_whatever_byte_is_another_the_check_says_what_a_look_at_each_span_says() -> None:
    usual = Span(**USUAL | {"trace_id": bytes(range(1, 17)), "span_id": bytes(range(20, 28))})
    usual.attributes.add(key="k").value.string_value = "é"
    whole = request_of([usual, Span(**USUAL)])
    for at, byte in itertools.product(range(len(whole)), range(256)):
        payload = whole[:at] + bytes([byte]) + whole[at + 1 :]
        assert outcome(payload) == wanted(payload), (at, byte)


def outcome(payload: bytes) -> tuple[int, dict[str, int]] | None:
    try:
        checked = CHECK.check(payload)
    except Invalid:
        return None
    return checked.count, checked.refused


def wanted(payload: bytes) -> tuple[int, dict[str, int]] | None:
    try:
        request = ExportTraceServiceRequest.FromString(payload)
    except DecodeError:
        return None
    faults = [fault(span) for part in request.resource_spans for scope in part.scope_spans for span in scope.spans]
    return faults.count(""), {reason: faults.count(reason) for reason in faults if reason}


def fault(span: Span) -> str:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return "trace_id"
    if len(span.span_id) != 8 or not any(span.span_id):
        return "span_id"
    return "" if 946_684_800 * 10**9 <= span.start_time_unix_nano <= time.time_ns() + DAY_NS else "time"
