"""Arrays and maps are found wherever they are, and nothing else passes for one; all that holds none stays as it came."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from ordertrace.ingest.check import LOGS, TRACES, LogCheck, TraceCheck
from ordertrace.ingest.flattening import Flattening
from ordertrace.ingest.records import to_delimited
from ordertrace.settings.sections import PrivacySettings
from tests.ingest.requests import log_request, record, request, span

SETTINGS = PrivacySettings()
IN_TRACES, IN_LOGS = Flattening(SETTINGS, TRACES), Flattening(SETTINGS, LOGS)
_plain = st.one_of(
    st.text(max_size=300), st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.binary(max_size=300)
)
_containers = st.one_of(
    st.lists(_plain, max_size=40), st.dictionaries(st.text(max_size=10), _plain, max_size=30), st.just(["x" * 70_000])
)
_keys = st.text("abcdefgh", min_size=1, max_size=9)
_some_values = st.lists(st.dictionaries(_keys, _plain, max_size=6), max_size=4)


def finds(flattening: Flattening, message: Message) -> bool:
    readings = TRACES if flattening is IN_TRACES else LOGS
    return flattening.finds_any(readings.gist(message.SerializeToString()))


@given(_some_values, _containers, _some_values)
def test_a_container_is_found_between_others(before: list[Any], container: Any, behind: list[Any]) -> None:
    values = [*before, {"a": 1, "list": container, "z": "z"}, *behind]
    assert finds(IN_TRACES, request(*(span("work", one) for one in values)))
    assert finds(IN_LOGS, log_request(*(record("said", one) for one in values)))


@given(_some_values)
def test_plain_values_are_no_containers(values: list[Any]) -> None:
    assert not finds(IN_TRACES, request(*(span("work", one) for one in values), resource={"service.name": "shop"}))
    assert not finds(IN_LOGS, log_request(*(record("said", one) for one in values), resource={"service.name": "shop"}))


def attributes() -> list[KeyValue]:
    """A list of two values, whose kind is followed by another one's."""
    return [
        KeyValue(
            key="list",
            value=AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="a")])),
        ),
        KeyValue(key="after", value=AnyValue(string_value="plain")),
    ]


def traces() -> ExportTraceServiceRequest:
    """Two spans in each of two scopes, with an event and a link in each."""
    message = request(*(span(f"s{i}", {"n": i}) for i in range(2)), resource={"service.name": "shop"})
    message.resource_spans[0].scope_spans.add().CopyFrom(message.resource_spans[0].scope_spans[0])
    for one in message.resource_spans[0].scope_spans[1].spans:
        one.events.add(name="event").attributes.add(key="k").value.bool_value = True
        one.links.add(trace_id=b"t" * 16).attributes.add(key="k").value.double_value = 0.5
    return message


def logs() -> ExportLogsServiceRequest:
    return log_request(record("first", {"n": 1}), record("second", {"n": 2}))


PLACES_IN_TRACES = {
    "resource": lambda message: message.resource_spans[0].resource,
    "scope": lambda message: message.resource_spans[0].scope_spans[1].scope,
    "span": lambda message: message.resource_spans[0].scope_spans[1].spans[0],
    "event": lambda message: message.resource_spans[0].scope_spans[1].spans[1].events[0],
    "link": lambda message: message.resource_spans[0].scope_spans[1].spans[0].links[0],
}
PLACES_IN_LOGS = {
    "resource": lambda message: message.resource_logs[0].resource,
    "scope": lambda message: message.resource_logs[0].scope_logs[0].scope,
    "record": lambda message: message.resource_logs[0].scope_logs[0].log_records[0],
}


@pytest.mark.parametrize(
    ("check", "build", "place"),
    [(TraceCheck(SETTINGS), traces, place) for place in PLACES_IN_TRACES.values()]
    + [(LogCheck(SETTINGS), logs, place) for place in PLACES_IN_LOGS.values()],
    ids=[*PLACES_IN_TRACES, *PLACES_IN_LOGS],
)
def test_what_is_in_any_place_becomes_json_and_all_else_stays(check: Any, build: Any, place: Any) -> None:
    given = build()
    plain = check.check(given.SerializeToString())
    assert plain.request == given.SerializeToString()
    wanted = copy.deepcopy(given)
    place(given).attributes.extend(attributes())
    place(wanted).attributes.extend(attributes())
    flat = place(wanted).attributes[-2].value.array_value
    flat.ClearField("values")
    flat.values.add(string_value='[1,"a"]')
    checked = check.check(given.SerializeToString())
    assert type(given).FromString(checked.request) == wanted
    assert checked.count == plain.count


def test_a_body_becomes_json() -> None:
    message = logs()
    message.resource_logs[0].scope_logs[0].log_records[0].body.CopyFrom(
        AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(int_value=1))]))
    )
    flat = ExportLogsServiceRequest.FromString(LogCheck(SETTINGS).check(message.SerializeToString()).request)
    first, second = flat.resource_logs[0].scope_logs[0].log_records
    assert first.body.kvlist_value.values[0].key == '{"k":1}'
    assert second.body.string_value == "second"


def test_a_resource_that_comes_in_pieces_stays_whole() -> None:
    """As protobuf has it, what is said twice is merged."""
    message = traces()
    more = ExportTraceServiceRequest()
    more.resource_spans.add().resource.attributes.extend(attributes())
    inner = message.resource_spans[0].SerializeToString() + more.resource_spans[0].SerializeToString()
    payload = b"\x0a" + to_delimited(inner) + inner
    flat = ExportTraceServiceRequest.FromString(TraceCheck(SETTINGS).check(payload).request)
    read = flat.resource_spans[0].resource.attributes
    assert [one.key for one in read] == ["service.name", "list", "after"]
    assert read[1].value.array_value.values[0].string_value == '[1,"a"]'
