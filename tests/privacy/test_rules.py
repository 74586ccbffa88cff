"""What the rules replace and, as important, what they leave alone; run by the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ordertrace.privacy.rules import build_rules
from ordertrace.settings.sections import PrivacySettings

RULES = build_rules(PrivacySettings())
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    client = clickhouse_connect.get_client(dsn=f"chdb://{tmp_path_factory.mktemp('rules')}")
    yield client
    client.close()


def scrub(engine: Any, texts: list[str]) -> list[str]:
    """What the insert makes of these texts: scrubbed where they are suspect, as they are otherwise."""
    cleaned = f"if(arrayMap(value -> {RULES.suspects}, [said[1]])[1], {RULES.scrub_all('said')}, said)[1]"
    sql = f"SELECT {cleaned} FROM (SELECT [arrayJoin({{texts:Array(String)}})] AS said)"
    return [row[0] for row in engine.query(sql, parameters={"texts": texts}).result_rows]


FORBIDDEN = {
    "ivan@example.com": "[email]",
    "to ivan.p+x%40mail.example.co.uk now": "to [email] now",
    "Иван@почта.рф": "[email]",
    "/orders/4711?mail=a_b@c.ru&x=1": "/orders/4711?mail=[email]&x=1",
    "+7 (916) 123-45-67": "[phone]",
    "tel=%2B79161234567&x": "tel=[phone]&x",
    "+49 30 901820-12": "[phone]",
    "call 8 916 123 45 67!": "call [phone]!",
    "89161234567": "[phone]",
    "8(916)123-45-67": "[phone]",
    "q=8%20916%20123%2045%2067": "q=[phone]",
    "7-916-123-45-67": "[phone]",
    "card 4111 1111 1111 1111 ok": "card [card] ok",
    "4111111111111111": "[card]",
    "2200-0000-0000-0053": "[card]",
    "378282246310005": "[card]",
    '["+79161234567","q@w.er"]': '["[phone]","[email]"]',
    "4111111111111111 and a@b.ru and +79161234567": "[card] and [email] and [phone]",
}

HARMLESS = [
    "ALX-00001500",
    "ALX-25-4RFLY",
    "4711",
    "ORD-79161234567",
    "5f3c1c9e-8912-3456-7890-123456789012",
    "1763790000000000000",
    "1763790000000",
    "2025-11-22T10:00:00.123456+03:00",
    "2025-11-22T10:00:00+0300",
    "10.2.3.4:18080",
    "::1",
    "fe80::1ff:fe23:4567:890a",
    "http-nio-8080-exec-27",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "4111111111111112",
    "lib@1.2.3",
    "select * from t where a = $1",
    "192.168.100.200",
    "/api/orders/{id}/submit",
    "Mozilla/5.0 (X11; Linux x86_64)",
    "3.14159265358979",
    "order.submitted",
]


def test_forbidden_texts_are_marked(engine: Any) -> None:
    assert dict(zip(FORBIDDEN, scrub(engine, list(FORBIDDEN)), strict=True)) == FORBIDDEN


def test_harmless_texts_stay(engine: Any) -> None:
    assert scrub(engine, HARMLESS) == HARMLESS


IDS = st.one_of(
    st.uuids().map(str),
    st.binary(min_size=16, max_size=16).map(bytes.hex).filter(lambda text: not text.isdigit()),
    st.binary(min_size=8, max_size=8).map(bytes.hex).filter(lambda text: not text.isdigit()),
    st.integers(1_600_000_000_000_000_000, 1_999_999_999_999_999_999).map(str),
    st.ip_addresses().map(str),
    st.integers(1, 99_999).map(str),
    st.from_regex(r"ALX-[0-9]{2}-[A-Z0-9]{5}", fullmatch=True),
    st.from_regex(r"ALX-[0-9]{8}", fullmatch=True),
)


@QUICK
@given(st.lists(IDS, min_size=50, max_size=200))
def test_ids_addresses_and_times_stay(engine: Any, texts: list[str]) -> None:
    assert scrub(engine, texts) == texts


SECRETS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9._]{0,10}[a-z0-9]@[a-z]{2,10}\.(ru|com|org)", fullmatch=True),
    st.from_regex(r"\+7 ?\(?9[0-9]{2}\)?[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}", fullmatch=True),
    st.from_regex(r"8[ -]?9[0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}", fullmatch=True),
)
AROUND = st.text(alphabet=" ,;:\"'()<>=&?/\n\tяЖ", max_size=10)


@QUICK
@given(st.lists(st.tuples(AROUND, SECRETS, AROUND), min_size=50, max_size=200))
def test_planted_secrets_never_stay(engine: Any, parts: list[tuple[str, str, str]]) -> None:
    for (_, secret, _), text in zip(parts, scrub(engine, ["".join(part) for part in parts]), strict=True):
        assert secret not in text


def test_keys_are_dropped_whole_or_by_their_last_part(engine: Any) -> None:
    keys = [
        "email",
        "customer.email",
        "Customer.Address",
        "server.address",
        "http.request.header.Authorization",
        "order.id",
        "x.emails",
        "CARD_NUMBER",
    ]
    rows = engine.query(
        f"SELECT {RULES.drops} FROM (SELECT arrayJoin({{keys:Array(String)}}) AS key)", parameters={"keys": keys}
    ).result_rows
    assert [bool(row[0]) for row in rows] == [True, True, True, False, True, False, False, True]


def test_no_rules_change_nothing(engine: Any, tmp_path: Path) -> None:
    none = build_rules(PrivacySettings(drop_keys=(), patterns=()))
    assert (none.drops, none.suspects, none.scrub_all("said")) == ("0", "0", "said")
