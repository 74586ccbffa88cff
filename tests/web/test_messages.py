"""Pages of messages, queues and incidents as HTML: what they say first, how they hold up, what they never let through."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ordertrace.model.message import MessageFact, MessageState, Verdict, WatchGap
from ordertrace.model.order import Diagnosis, DiagnosisKind
from ordertrace.texts import (
    LANGUAGES,
    diagnosis_sentence,
    fact_words,
    incident_sentence,
    message_sentence,
    message_to_do,
    verdict_title,
)

from .conftest import build_site
from .message_samples import RecordingIncidents, SampleIncidents, SampleMessages, build_life, every_incident, every_life
from .samples import NOW, SampleReader, every_timeline, stuck, the_flow
from .test_pages import Outline

FLOW = the_flow()
LIVES = every_life()
INCIDENT = every_incident()[0].incident.id
HOSTILE = "/messages/%3Cscript%3Ealert(1)%3C%2Fscript%3E%2F..%2F%D1%91%20%25(x)s"
PAGES = [
    "/messages", "/messages?state=lost", "/messages?verdict=expired&queue=mes.orders", "/messages?order=A-24001",
    "/messages?queue=none", "/messages/fan", "/messages/bare", "/messages/unheard", HOSTILE, "/queues", "/incidents",
    f"/incidents/{INCIDENT}", "/incidents/none", "/messages?state=odd",
]  # fmt: skip
PAGES += [f"/messages/{life.key}" for life in LIVES if life.verdict and life.key.startswith("5f0c")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_well_formed_in_both_languages(client: TestClient, language: str) -> None:
    for path in PAGES:
        response = client.get(path, headers={"accept-language": language})
        page = Outline(response.text)
        assert len(page.ids) == len(set(page.ids)), path
        assert all(link[1:] in page.ids for link in page.links if link.startswith("#")), path
        assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
        assert "None" not in page.text, path
        assert "%(" not in page.text.replace("%(x)s", ""), path
        assert "<script>alert" not in response.text
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        if language == "ru" and "odd" not in path:  # the possible values stand there as they are written
            words = re.sub(r"\S*[_/.:]\S*", "", page.text)
            assert not re.search(r"\b(message|queue|lost|the|since|ago|not|broker)\b", words), path


def test_lost_and_stuck_come_first_with_verdict_certainty_and_order(client: TestClient) -> None:
    text = client.get("/messages").text.replace("\xa0", " ")
    assert re.search(r"<h1[^>]*>14 messages lost, 9 messages stuck</h1>", text)
    assert text.index('id="groups"') < text.index('id="troubled"') < text.index('id="messages"')
    table = text[text.index('id="troubled"') : text.index('id="messages"')]
    assert "no queue takes “order.submited” from the exchange alexandrite.orders." in table
    assert "<small>certain</small>" in table
    assert "<small>likely</small>" in table
    assert 'href="/orders/A-24000"' in table
    assert table.count("<tr data-key") == 20
    assert "All lost messages" in table


def test_groups_count_messages_and_name_orders(client: TestClient) -> None:
    text = client.get("/messages").text.replace("\xa0", " ")
    groups = text[text.index('id="groups"') : text.index('id="troubled"')]
    assert (
        '<a href="/messages?verdict=stuck_in_queue&amp;queue=mes.orders#messages" data-item class="soon">nobody takes it'
        in groups
    )
    assert "and 3 more" in groups
    assert "before any queue" in groups


def test_filter_stands_in_the_address_and_in_the_form(client: TestClient) -> None:
    text = client.get("/messages?state=lost&verdict=expired&queue=mes.orders&order=A-24001").text
    assert '<option value="expired" selected>' in text
    assert '<option value="mes.orders" selected>' in text
    assert 'name="order" value="A-24001"' in text
    assert 'id="troubled"' not in text
    rows = text[text.index('id="rows"') :]
    assert rows.count("<tr data-key") == 1


@pytest.mark.parametrize("query", ["state=odd", "verdict=odd", "cursor=x", "queue=" + "q" * 256, "order=%00"])
def test_bad_parameters_get_a_clear_page(client: TestClient, query: str) -> None:
    assert client.get(f"/messages?{query}").status_code == 400


def test_a_message_tells_its_way_and_what_to_do(client: TestClient) -> None:
    text = client.get("/messages/fan").text
    assert text.index("its time ran out and the broker dropped it") < text.index('id="way"') < text.index('id="steps"')
    assert "Ask administrators of the broker why messages were not taken in time" in text
    assert 'class="leg cut"' in text
    assert text.count('class="station ') == 6
    assert "The content of messages is never kept." in text
    recovered = client.get(f"/messages/{build_life(70).key}").text
    assert "That has proved wrong or is over." in recovered
    missing = client.get("/messages/unheard")
    assert missing.status_code == 404
    assert "Message unheard is not known" in missing.text


@pytest.mark.parametrize("verdict", Verdict)
def test_the_picture_cuts_the_way_where_the_message_was_lost(client: TestClient, verdict: Verdict) -> None:
    key = next(life.key for life in LIVES if life.verdict is verdict and life.key.startswith("5f0c"))
    text = client.get(f"/messages/{key}").text
    assert 'class="leg cut"' in text or 'class="station bad' in text
    assert 'class="call bad"' in text


def test_queues_show_depth_course_and_gaps(client: TestClient) -> None:
    text = client.get("/queues").text
    assert "Trouble in 1 queue" in text.replace("\xa0", " ")
    assert text.index(">mes.orders<") < text.index(">nobody.listens<") < text.index(">shop.order-events<")
    assert "nobody takes messages from it" in text
    assert 'class="blank"' in text
    assert "was not watched between" in text
    assert "The last hour as a table" in text
    assert text.count("<polyline") == 5 * 2 * 2  # two courses a queue, each broken once by the gap


def test_what_is_not_watched_is_said(reader: SampleReader) -> None:
    without = TestClient(build_site(reader), headers={"accept-language": "en"})
    for path in ("/messages", "/queues"):
        assert (
            "What is lost or stuck between systems shows only when ordertrace watches the broker."
            in without.get(path).text
        )
    assert without.get("/messages/any").status_code == 404
    assert "Nothing is broken" in without.get("/incidents").text
    blind = TestClient(build_site(reader, SampleMessages(), up=False), headers={"accept-language": "en"})
    text = blind.get("/messages").text
    assert "What happens to messages cannot be seen now" in text
    assert "Nothing is known to be lost, but the broker is not watched now." in text
    assert "not watched since" in text
    quiet = TestClient(build_site(reader, SampleMessages(gaps=False)), headers={"accept-language": "en"})
    assert "No message is lost or stuck" in quiet.get("/messages").text
    assert "No queue has been seen yet" in quiet.get("/queues").text
    assert "events of the broker: the broker user has no right to it" in quiet.get("/messages").text


def test_order_page_shows_messages_gaps_and_incidents(reader: SampleReader) -> None:
    order_id = stuck().order.id
    lives = tuple(replace(life, order_id=order_id) for life in LIVES[:2])
    gap = WatchGap("main", NOW - timedelta(minutes=20), NOW - timedelta(minutes=19), "tap_overflow")
    reader.timelines[order_id] = replace(reader.timelines[order_id], lives=lives, gaps=(gap,))
    site = build_site(reader, SampleMessages(LIVES), SampleIncidents(every_incident()))
    text = TestClient(site, headers={"accept-language": "en"}).get(f"/orders/{order_id}").text
    assert "more came than could be read. Messages of that time may be missing here." in text
    assert f'href="/messages/{LIVES[0].key}"' in text
    assert "no queue takes “order.submited”" in text
    assert f'<a href="/incidents/{INCIDENT}">Incident</a>' in text


def test_incidents_name_who_is_on_it(client: TestClient) -> None:
    text = client.get("/incidents").text
    assert "Nobody is on 6 incidents" in text.replace("\xa0", " ")
    assert "Messages do not move in mes.orders: nobody takes it." in text
    assert "on it: Анна" in text
    page = client.get(f"/incidents/{INCIDENT}").text
    assert "nobody yet" in page
    assert f'<form method="post" action="/incidents/{INCIDENT}/note"' in page
    assert f'formaction="/incidents/{INCIDENT}/acknowledge"' in page


@pytest.fixture
def kept() -> RecordingIncidents:
    return RecordingIncidents()


@pytest.fixture
def speaking(kept: RecordingIncidents) -> TestClient:
    site: Starlette = build_site(SampleReader(every_timeline()), None, kept)
    return TestClient(site, follow_redirects=False, headers={"accept-language": "en"})


@pytest.mark.parametrize("step", ["acknowledge", "note", "resolve"])
@pytest.mark.parametrize("proof", [{"sec-fetch-site": "same-origin"}, {"origin": "http://testserver"}])
def test_forms_work_from_our_own_pages(
    speaking: TestClient, kept: RecordingIncidents, step: str, proof: dict[str, str]
) -> None:
    path = f"/incidents/{INCIDENT}/{step}"
    response = speaking.post(path, data={"by": "Анна", "text": "смотрю\r\nлог"}, headers=proof)
    assert (response.status_code, response.headers["location"]) == (303, f"/incidents/{INCIDENT}#history")
    assert kept.said == [(step, INCIDENT, "Анна", "смотрю\r\nлог")]
    assert 'name="by" value="Анна"' in speaking.get(f"/incidents/{INCIDENT}").text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin", "content-type": "text/plain"}, 400),
    ],
)
def test_forms_of_other_pages_are_refused(
    speaking: TestClient, kept: RecordingIncidents, headers: dict[str, str], status: int
) -> None:
    response = speaking.post(f"/incidents/{INCIDENT}/resolve", data={"by": "Mallory"}, headers=headers)
    assert response.status_code == status
    assert kept.said == []


def test_forms_that_cannot_be_taken(speaking: TestClient, kept: RecordingIncidents) -> None:
    ours = {"sec-fetch-site": "same-origin"}
    path = f"/incidents/{INCIDENT}"
    assert speaking.post(f"{path}/note", data={"by": ""}, headers=ours).status_code == 400
    assert speaking.post(f"{path}/note", data={"by": "x" * 40_000}, headers=ours).status_code == 400
    assert speaking.post(f"{path}/delete", data={"by": "A"}, headers=ours).status_code == 404
    assert speaking.post("/incidents/none/note", data={"by": "A"}, headers=ours).status_code == 404
    assert speaking.get(f"{path}/note").status_code == 404
    assert len(kept.said) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("life", LIVES, ids=lambda life: f"{life.verdict or life.state}-{life.queue[:9]}")
def test_every_message_has_a_sentence(life: object, language: str) -> None:
    found = cast("type(LIVES[0])", life)  # type: ignore[valid-type]
    sentence = message_sentence(found, FLOW, language, NOW)
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    to_do = message_to_do(found, FLOW, language)
    assert bool(to_do) is (found.verdict is not None and found.cleared_at is None)


NAMES = ["exchange", "routing_key", "queue", "reason", "times", "ready", "verdict", "status", "consumer", "publisher"]
TEXT = st.text(max_size=50) | st.sampled_from(list(Verdict)) | st.sampled_from(["shop", "mes", "%(x)s", "SUBMITTED"])


@given(st.dictionaries(st.sampled_from(NAMES), TEXT), st.sampled_from(LANGUAGES), st.sampled_from(DiagnosisKind))
def test_words_cope_with_any_facts(facts: dict[str, str], language: str, kind: DiagnosisKind) -> None:
    for name in ("queue_depth", "dead_letter", "published_to_no_queue", "something_new"):
        assert fact_words(MessageFact(name, facts), language)
    order = stuck().order
    assert diagnosis_sentence(Diagnosis(kind, NOW, "mes", 1.0, (), facts), order, FLOW, language).endswith((".", "…"))
    view = every_incident()[0].incident
    cause = replace(view.cause, kind=kind.value, facts=facts)
    assert incident_sentence(replace(view, cause=cause), FLOW, language).endswith(".")


def test_words_for_all_verdicts_and_states() -> None:
    assert len({verdict_title(verdict, "ru") for verdict in Verdict}) == len(Verdict)
    life = build_life(1, Verdict.EXPIRED)
    russian = message_sentence(life, FLOW, "ru", NOW)
    assert russian == (
        "Сообщение «заказ оформлен» от системы Магазин слишком долго пролежало в очереди mes.orders: "
        "срок хранения истёк, и брокер его удалил."
    )
    unseen = build_life(1, state=MessageState.UNSEEN)
    assert "не значит, что оно потеряно" in message_sentence(unseen, FLOW, "ru", NOW)
