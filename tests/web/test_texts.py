"""Catalogues are complete and agree with the sources; sentences cope with whatever is known."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import ordertrace
from ordertrace.model.order import Diagnosis, DiagnosisKind, Order
from ordertrace.texts import (
    LANGUAGES,
    age_words,
    diagnosis_sentence,
    duration_words,
    evidence_line,
    get_translator,
    next_sentence,
    problem_title,
    status_title,
    what_to_do,
)

from .samples import NOW, every_timeline, failed, mismatch, stuck, the_flow, transfer

HERE = Path(ordertrace.__file__).parent
FLOW = the_flow()


def sources() -> set[str | tuple[str, ...]]:
    found: set[str | tuple[str, ...]] = set()
    for path in [*HERE.glob("texts/*.py"), *HERE.glob("web/*.py"), *HERE.glob("web/templates/*.html")]:
        method = "jinja2" if path.suffix == ".html" else "python"
        for _, message, _, _ in extract(method, BytesIO(path.read_bytes()), DEFAULT_KEYWORDS):
            found.add(message)
    return found


def catalogue(language: str) -> Catalog:
    return read_po(BytesIO((HERE / f"texts/locale/{language}/LC_MESSAGES/ordertrace.po").read_bytes()), locale=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_source_string_is_in_the_catalogue_and_nothing_else(language: str) -> None:
    have = {tuple(m.id) if isinstance(m.id, (list, tuple)) else m.id for m in catalogue(language) if m.id}
    assert have == sources()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_with_the_same_placeholders(language: str) -> None:
    for message in catalogue(language):
        if not message.id:
            continue
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        strings = [message.string] if isinstance(message.string, str) else list(message.string or [])
        assert all(strings), message.id
        expected = set(re.findall(r"%\((\w+)\)", originals[-1]))
        assert all(set(re.findall(r"%\((\w+)\)", text)) == expected for text in strings), message.id


def test_russian_is_russian() -> None:
    untouched = [str(m.id) for m in catalogue("ru") if m.id and m.id == m.string]
    same = [text for text in untouched if re.search("[a-z]{3}", re.sub(r"%\(\w+\)s", "", text))]
    assert same == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 заказ требует внимания"),
        (2, "2 заказа требуют внимания"),
        (11, "11 заказов требуют внимания"),
        (21, "21 заказ требует внимания"),
    ],
)
def test_plurals(count: int, text: str) -> None:
    t = get_translator("ru")
    assert (
        t.ngettext("%(num)s order needs attention", "%(num)s orders need attention", count).replace("\xa0", " ") == text
    )


@pytest.mark.parametrize(
    ("seconds", "ru", "en"),
    [
        (0.0004, "<1 мс", "<1 ms"),
        (0.031, "31 мс", "31 ms"),
        (1.94, "1,9 с", "1.9 s"),
        (59.4, "59 с", "59 s"),
        (59.6, "1 мин", "1 min"),
        (3599, "1 ч", "1 h"),
        (7800, "2 ч 10 мин", "2 h 10 min"),
        (86399, "1 день", "1 day"),
        (3 * 86400 + 4 * 3600, "3 дня 4 ч", "3 days 4 h"),
        (5 * 86400, "5 дней", "5 days"),
    ],
)
def test_durations(seconds: float, ru: str, en: str) -> None:
    assert duration_words(seconds, "ru").replace("\xa0", " ") == ru
    assert duration_words(seconds, "en").replace("\xa0", " ") == en


def test_ages() -> None:
    assert age_words(0.4, "en") == "just now"
    assert age_words(540, "ru").replace("\xa0", " ") == "9 мин назад"


def test_unknown_status_speaks_for_itself() -> None:
    assert status_title("ENGRAVED", "ru") == "ENGRAVED"
    assert status_title("SUBMITTED", "ru") == "ждёт цены"


def test_sentences() -> None:
    said = {}
    for timeline in (failed(), stuck(), mismatch(), transfer()):
        order = timeline.order
        assert order.diagnosis
        said[order.id] = [
            diagnosis_sentence(order.diagnosis, order, FLOW, lang).replace("\xa0", " ") for lang in ("en", "ru")
        ]
    assert said["A-24551"] == [
        "CRM cannot approve the order: “period 2026-02 is closed” (LedgerClosed, 500); 3 failed attempts.",
        "CRM не может согласовать заказ: «period 2026-02 is closed» (LedgerClosed, 500); 3 неудачные попытки.",
    ]
    assert said["A-24803"] == [
        "MES has not managed to start production in time: 24 min have passed, 16 min were agreed.",
        "MES не успевает начать производство: прошло 24 мин при сроке 16 мин.",
    ]
    assert said["A-24688"] == [
        "CRM says “order approved”, but Shop is still at “price calculated”.",
        "CRM показывает «заказ согласован», а Магазин — всё ещё «цена рассчитана».",
    ]
    assert said["A-24817"] == [
        "Shop cannot pass the order on: MES cannot be reached, “connection refused” (ConnectError).",
        "Магазин не может передать заказ дальше: MES не отвечает, «connection refused» (ConnectError).",
    ]


FACTS = [
    "operation",
    "error_type",
    "error_message",
    "response_code",
    "times",
    "target",
    "ahead",
    "ahead_status",
    "behind",
]
FACTS += [
    "behind_status",
    "status",
    "waits_for",
    "next_status",
    "deadline_seconds",
    "system",
    "last_seen",
    "queue",
    "verdict",
]


@given(
    st.sampled_from(DiagnosisKind),
    st.dictionaries(st.sampled_from(FACTS), st.text(max_size=200)),
    st.sampled_from(LANGUAGES),
    st.sampled_from([t.order for t in every_timeline()]),
    st.sampled_from(["shop", "mes", "nobody's", "%(x)s"]),
)
def test_sentences_cope_with_any_facts(
    kind: DiagnosisKind, facts: dict[str, str], language: str, order: Order, system: str
) -> None:
    diagnosis = Diagnosis(kind, NOW, system, 0.5, (), facts)
    for sentence in (
        diagnosis_sentence(diagnosis, order, FLOW, language),
        what_to_do(diagnosis, order, FLOW, language),
    ):
        assert sentence.endswith((".", "…"))
        assert "None" not in sentence
        assert len(sentence) < 1500
    assert problem_title(kind, language)


def test_every_order_says_who_is_next() -> None:
    for timeline in every_timeline():
        for language in LANGUAGES:
            assert next_sentence(timeline.order, FLOW, language).endswith(".")
            assert next_sentence(replace(timeline.order, status="ODD", next=None), FLOW, language).endswith(".")
            assert all(evidence_line(event, FLOW, language) for event in timeline.events)
