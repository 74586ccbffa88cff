"""The page that explains rules and tries others, without JavaScript."""

from __future__ import annotations

from starlette.testclient import TestClient


def test_every_way_to_an_order_and_every_reason_is_said(client: TestClient) -> None:
    page = client.get("/rules?q=A-24551").text
    for text in (
        "a rule finds it", "a message names the order", "handed on from span 12345678", "the trace names no other order",
        "the trace serves several orders", "it is named for several orders", "nobody knows whose it is",
    ):  # fmt: skip
        assert text in page
    assert "work &lt;b&gt;0&lt;/b&gt;" in page
    assert "There are more spans than are shown" in page
    assert "Nothing of it is stored any more." in page
    assert "These rules" not in page


def test_other_rules_are_tried_and_kept_in_the_form(client: TestClient) -> None:
    page = client.get(
        "/rules", params={"q": "a" * 32, "id": "attribute:shop.order\n\nlog:order (?P<id>.+)"}
    ).text.replace("\xa0", " ")
    assert "These rules would change 3 spans and log records." in page
    assert "now of order A-1" in page
    assert "now says" in page
    assert "now of no order" in page
    assert "attribute:shop.order\nlog:order (?P&lt;id&gt;.+)</textarea>" in page


def test_a_rule_that_is_none_is_named(client: TestClient) -> None:
    answer = client.get("/rules", params={"q": "A-24551", "id": "nonsense"})
    assert answer.status_code == 400
    assert "rule &#39;nonsense&#39;: write attribute:KEY" in answer.text


def test_what_nobody_knows_is_said(client: TestClient) -> None:
    assert "Neither an order nor a trace" in client.get("/rules?q=nothing").text


def test_the_order_page_leads_there(client: TestClient) -> None:
    assert 'href="/rules?q=A-24551"' in client.get("/orders/A-24551").text
