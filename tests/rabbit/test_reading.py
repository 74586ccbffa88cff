"""Trace messages and dead letters become records: keys that last, mapped fields only, nothing of the body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordertrace.rabbit.identity import Identity, first_address, read_deaths, trace_context
from ordertrace.rabbit.mapping import MessageMapping, Said
from ordertrace.rabbit.peers import Peers
from ordertrace.rabbit.tap_record import RecordReader
from ordertrace.rabbit.topology import build_facts
from ordertrace.settings import Settings
from ordertrace.settings.brokers import DEFAULT_MESSAGES, BrokerMessageSettings
from ordertrace.settings.rules import parse_message_rule
from ordertrace.settings.sections import SystemSettings

IDENTITY = Identity(b"a secret")
READER = RecordReader(MessageMapping(DEFAULT_MESSAGES, ("email", "phone", "card")), IDENTITY, "ordertrace")
BODY = b'{"OrderId": "A-1", "Status": "Shipped", "Customer": "somebody"}'
DEATH = {
    "count": 1, "reason": "expired", "queue": "mes.orders", "exchange": "alexandrite.orders",
    "routing-keys": ["order.shipped"],
}  # fmt: skip
FIRST = {"x-first-death-queue": "mes.orders", "x-first-death-reason": "expired"}


def trace(**other: Any) -> dict[str, Any]:
    return {
        "exchange_name": "alexandrite.orders", "routing_keys": ["order.shipped"],
        "properties": {"delivery_mode": 2, "timestamp": 1795299641, "correlation_id": "c", "headers": {"kept": 1}},
        "vhost": "/", "connection": "a -> b", "channel": 1, "user": "mes", "routed_queues": ["mes.orders"],
    } | other  # fmt: skip


def test_a_published_message() -> None:
    record = READER.read_trace("publish.alexandrite.orders", trace(), BODY, 1.0, False, "mes")
    assert record is not None
    assert (record.kind, record.order_id, record.status, record.queues) == (
        "published",
        "A-1",
        "SHIPPED",
        ("mes.orders",),
    )
    assert (record.persistent, record.channel, record.redelivered) == (True, "a -> b (1)", False)
    assert "somebody" not in repr(record)


def test_published_delivered_dead_and_delivered_again_are_one_message() -> None:
    properties = trace()["properties"]
    seen = [READER.read_trace("publish.alexandrite.orders", trace(), BODY, 1.0, False, "mes")]
    delivered = trace(redelivered=1, properties=properties | {"headers": {"kept": 1, "x-delivery-count": 2}})
    seen.append(READER.read_trace("deliver.mes.orders", delivered, BODY, 2.0, False, "mes"))
    headers = {"kept": 1, "x-death": [DEATH], **FIRST}
    parked = trace(exchange_name="dlx", routing_keys=["mes.orders.dlq"], properties=properties | {"headers": headers})
    seen.append(READER.read_trace("deliver.mes.orders.dlq", parked, BODY, 3.0, False, "mes"))
    letter = READER.read_dead_letter(properties, headers, BODY, 4.0)
    assert letter is not None
    assert {record.key for record in seen if record} == {letter.key}
    assert (letter.queue, letter.reason, letter.count, letter.order_id) == ("mes.orders", "expired", 1, "A-1")


@given(
    st.dictionaries(st.sampled_from(["message_id", "correlation_id", "type", "timestamp"]), st.text(max_size=20)),
    st.dictionaries(st.text(st.characters(categories=["Ll"]), min_size=1, max_size=5), st.text(max_size=5)),
    st.binary(max_size=50),
)
def test_a_key_depends_on_what_stays_and_on_nothing_else(
    properties: dict[str, Any], headers: dict[str, Any], body: bytes
) -> None:
    on_its_way = {**headers, "x-death": [DEATH], **FIRST, "x-delivery-count": 3}
    key = IDENTITY.key_of("x", "k", properties, headers, body)
    assert key == IDENTITY.key_of("x", "k", properties, dict(reversed(on_its_way.items())), body)
    assert key != IDENTITY.key_of("x", "k", {**properties, "message_id": "another-id"}, headers, body)
    if key.startswith("f-"):
        assert key != IDENTITY.key_of("x", "k", properties, headers, body + b"!")
        assert key != Identity(b"another secret").key_of("x", "k", properties, headers, body)


def test_surer_identities_come_first() -> None:
    context = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    assert IDENTITY.key_of("x", "k", {"message_id": "8c7a-41"}, context, b"") != "8c7a-41"  # too short to be unique
    assert IDENTITY.key_of("x", "k", {"message_id": "8c7a-4157"}, context, b"") == "8c7a-4157"
    key = IDENTITY.key_of("x", "k", {}, context, b"")
    assert key.startswith("t-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-")
    assert key == IDENTITY.key_of("x", "k", {}, context, b"another body")
    assert key != IDENTITY.key_of("x", "another key", {}, context, b"")


def test_an_order_id_as_message_id_is_no_identity() -> None:
    keys = {IDENTITY.key_of("x", key, {"message_id": "ALX-25-00001"}, {}, b"", "ALX-25-00001") for key in ("a", "b")}
    assert len(keys) == 2


def test_contexts() -> None:
    assert trace_context({"b3": "0af7651916cd43dd-b7ad6b7169203331-1"}) == (
        "0" * 16 + "0af7651916cd43dd",
        "b7ad6b7169203331",
    )
    assert trace_context({"traceparent": "nonsense"}) == ("", "")


def test_the_first_death_gives_the_address() -> None:
    later = DEATH | {"queue": "delay", "exchange": "dlx", "routing-keys": ["again"]}
    headers = {"x-death": [later, DEATH], **FIRST}
    assert first_address(read_deaths(headers), headers) == ("alexandrite.orders", "order.shipped")
    assert read_deaths({"x-death": "nonsense"}) == ()


def read(body: object, *, order_id: tuple[str, ...] = (), status: tuple[str, ...] = (), **said: Any) -> tuple[str, str]:
    mapping = MessageMapping(
        [BrokerMessageSettings(exchange="orders*", order_id=order_id, status=status)], ("email", "phone", "card")
    )
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"exchange": "orders.x", "routing_keys": ["order.shipped.A-7"], "properties": {}, "headers": {}} | said
    reading = mapping.read(Said(body=encoded, **given))
    return reading.order_id, reading.status


def test_rules_in_order() -> None:
    assert read({"order": {"lines": [{"id": 17}]}}, order_id=("body:$.none", "body:$.order.lines[0].id"))[0] == "17"
    assert read({}, order_id=("header:x-order-id",), headers={"x-order-id": b"A-2"})[0] == "A-2"
    assert read({}, order_id=("property:correlation_id",), properties={"correlation_id": "A-3"})[0] == "A-3"
    rule = (r"routing_key:^order\.(?P<status>[a-z]+)\.",)
    assert read({}, order_id=(r"routing_key:[A-Z]+-\d+$",), status=rule) == ("A-7", "SHIPPED")
    assert read({"id": "A"}, order_id=("body:$.id",), exchange="other") == ("", "")


@pytest.mark.parametrize(
    ("baggage", "order_id"),
    [
        ("order.id=A-2", "A-2"),
        (b"user=7 , order.id = A%2D2;ttl=30,x=1", "A-2"),
        ("order.id=A-2,order.id=A-3", "A-2"),
        ("orderXid=A-2", ""),
        ("order.id", ""),
        ("", ""),
        (7, ""),
        ("order.id=" + "A" * 9000, ""),
    ],
)
def test_an_order_in_the_baggage_that_messages_carry(baggage: object, order_id: str) -> None:
    assert read({}, order_id=("baggage:order.id",), headers={"baggage": baggage})[0] == order_id


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"{", b"[" * 100_000, b'{"id": {"a": 1}}', b'{"id": true}', b"\xff\xfe"]
)
def test_bodies_that_say_nothing(body: bytes) -> None:
    assert read(body, order_id=("body:$.id",)) == ("", "")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("ALX-25-00017", "ALX-25-00017"),
        ("288599", "288599"),
        ("0b6ab7e2-6c1e-4a7e-9d1e-1c2d3e4f5a6b", "0b6ab7e2-6c1e-4a7e-9d1e-1c2d3e4f5a6b"),
        ("41111111-1111-1111-8888-0123456789ab", "41111111-1111-1111-8888-0123456789ab"),
        ("anna@example.org", "[email]"),
        ("4111 1111 1111 1111", "[card]"),
        ("4111111111111112", "4111111111111112"),
        ("+7 912 345-67-89", "[phone]"),
    ],
)
def test_personal_values_are_masked(said: str, kept: str) -> None:
    assert read({"id": said}, order_id=("body:$.id",))[0] == kept


@pytest.mark.parametrize("rule", ["attribute:x", "body:orderId", "body:$", "routing_key:(", "header:"])
def test_wrong_rules_are_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="rule"):
        parse_message_rule(rule)


def test_peers_by_user_by_connection_and_by_application() -> None:
    peers = Peers((*Settings().system, SystemSettings(name="b2b", users=("gateway",))))
    peers.name_connection("a -> b", "crm-api")
    assert [peers.find("MES", ""), peers.find("gateway", ""), peers.find("guest", "a -> b")] == ["mes", "b2b", "crm"]
    assert [peers.find("guest", "", "MES"), peers.find("guest", "c -> d"), peers.find("b2b", "")] == [
        "mes",
        "guest",
        "b2b",
    ]


def test_topology_tells_retries_from_losses() -> None:
    def queue(name: str, policy: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
        said = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        return {"name": name, "arguments": said, "effective_policy_definition": policy or {}, "durable": True}

    queues = [
        queue("work", dead_letter_exchange="later", max_length=10, overflow="reject-publish", max_priority=3),
        queue("wait", message_ttl=300, dead_letter_exchange="", dead_letter_routing_key="work"),
        queue("plain", {"dead-letter-exchange": "ordertrace.dlx", "max-length": 5}, max_length=7),
        queue("parked", dead_letter_exchange="dlx", dead_letter_routing_key="parked.dlq"),
        queue("parked.dlq"),
    ]
    bindings = [
        {"source": "later", "destination": "wait", "destination_type": "queue", "routing_key": ""},
        {"source": "dlx", "destination": "parked.dlq", "destination_type": "queue", "routing_key": "parked.dlq"},
        {"source": "dlx", "destination": "ordertrace.dlx", "destination_type": "exchange", "routing_key": "parked.dlq"},
    ]
    facts = {fact.name: fact for fact in build_facts(queues, bindings)}
    assert (facts["work"].forwards, facts["work"].rejects, facts["work"].priorities) == (True, True, True)
    assert (facts["wait"].delays, facts["wait"].ttl_seconds, facts["wait"].forwards) == (True, 0.3, False)
    assert (facts["plain"].ours, facts["plain"].length_max, facts["plain"].delays) == (True, 5, False)
    assert (facts["parked"].ours, facts["parked"].forwards, facts["parked"].parking) == (True, False, "parked.dlq")
