"""Pages as HTML: what they say, how they fail, what they never let through."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from ordertrace.errors import Overloaded, Unavailable

from .conftest import build_site
from .samples import SampleReader, crowd, every_timeline, hostile

HOSTILE = "/orders/%3Cscript%3Ealert(1)%3C%2Fscript%3E%2F..%2F%D1%91%201"
VOID = {"meta", "link", "input", "br"}


class Outline(HTMLParser):
    """Collects what matters about a page and checks that its elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.attributes |= set(found)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= set(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


ORDER_PAGES = [f"/orders/{t.order.id}" for t in every_timeline() if t.order.id.startswith("A-")]
PAGES = ["/", "/systems", *ORDER_PAGES, HOSTILE, "/search?q=A-24", "/search?q=none", "/nowhere", "/?state=odd"]


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_well_formed_and_carry_nothing_inline(client: TestClient, path: str, language: str) -> None:
    response = client.get(path, headers={"accept-language": language})
    page = Outline(response.text)
    assert len(page.ids) == len(set(page.ids))
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
    assert "None" not in page.text
    assert "&amp;lt;" not in response.text
    assert f'<html lang="{language}">' in response.text
    if language == "ru":
        words = re.sub(r"\S*[_/.:]\S*", "", Outline(re.sub("<pre.*?</pre>", "", response.text, flags=re.DOTALL)).text)
        assert not re.search(r"\b(order|orders|the|deadline|next|since|ago|min)\b", words), path


@pytest.mark.parametrize("path", [*PAGES, "/static/style.css", "/static/none.css"])
def test_security_headers_are_on_every_answer(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


def test_board_says_first_what_needs_a_person(client: TestClient) -> None:
    text = client.get("/").text
    assert "orders need attention" in re.search(r"<h1.*?</h1>", text, re.DOTALL)[0]  # type: ignore[index]
    assert "CRM cannot approve the order: “period 2026-02 is closed” (LedgerClosed, 500)" in text
    assert text.index('id="attention"') < text.index('id="strip"') < text.index('id="orders"')


def test_every_open_order_of_the_strip_is_a_link(client: TestClient) -> None:
    page = Outline(client.get("/").text)
    assert "/orders/B-00007" in page.links
    assert "/?status=SUBMITTED#orders" in page.links


def test_filter_stands_in_the_address_and_in_the_form(client: TestClient) -> None:
    text = client.get("/?status=SUBMITTED&state=open&q=B-0&sort=deadline").text
    assert '<option value="SUBMITTED" selected>' in text
    assert '<option value="deadline" selected>' in text
    assert 'name="q" value="B-0"' in text
    assert "/?state=stuck&amp;status=SUBMITTED&amp;q=B-0&amp;sort=deadline#orders" in text


def test_pages_of_the_list_follow_each_other(client: TestClient) -> None:
    seen: list[str] = []
    path: str | None = "/?limit=50&sort=id"
    while path:
        text = client.get(path).text
        table = text[text.index('id="rows"') :]
        seen += re.findall(r'<a href="/orders/(B-\d+)" data-item', table)
        found = re.search(r'<a href="([^"#]+)#orders" rel="next"', text)
        path = found[1].replace("&amp;", "&") if found else None
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize(
    "query",
    [
        "state=odd",
        "sort=colour",
        "limit=0",
        "limit=x",
        "limit=1000",
        "cursor=foreign",
        "q=" + "x" * 201,
        "status=%00",
        "limit=%D9%A3",
    ],
)
def test_bad_parameters_get_a_clear_page(client: TestClient, query: str) -> None:
    response = client.get(f"/?{query}")
    assert response.status_code == 400
    assert "This address does not work" in response.text


def test_search_goes_straight_to_an_exact_number(client: TestClient) -> None:
    response = client.get("/search", params={"q": " №A-24551 "})
    assert response.status_code == 303
    assert response.headers["location"] == "/orders/A-24551"


def test_search_for_a_hostile_number_leads_to_its_page(client: TestClient) -> None:
    response = client.get("/search", params={"q": hostile().order.id})
    assert response.status_code == 303
    assert client.get(response.headers["location"]).status_code == 200


def test_search_lists_what_fits(client: TestClient) -> None:
    text = client.get("/search?q=A-24").text
    assert "7 orders with “A-24”" in text.replace("\xa0", " ")
    assert "/orders/A-24551" in text
    nothing = client.get("/search", params={"q": "<b>"}).text
    assert "No order with “&lt;b&gt;”" in nothing
    assert client.get("/search?q=").headers["location"] == "/"


def test_unknown_order_and_unknown_page(client: TestClient) -> None:
    response = client.get("/orders/Z-1")
    assert response.status_code == 404
    assert "Order Z-1 is not known" in response.text
    assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (RuntimeError("secret=hunter2"), 500, "Something broke here"),
        (Unavailable("engine text"), 503, "Not available at the moment"),
        (Overloaded("full", 4.2), 429, "Too much at once"),
    ],
)
def test_failures_are_pages_and_tell_no_secrets(
    client: TestClient, reader: SampleReader, failure: Exception, status: int, words: str
) -> None:
    reader.failure = failure
    response = client.get("/")
    assert response.status_code == status
    assert words in response.text
    assert "hunter2" not in response.text
    assert "engine text" not in response.text
    assert response.headers.get("retry-after") == ("4" if status == 429 else None)


def test_names_of_others_render_harmlessly(client: TestClient) -> None:
    for path in ("/", HOSTILE, "/search?q=script"):
        text = client.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "&lt;script&gt;alert(1)" in text
    text = client.get(HOSTILE).text
    assert "{{ 7*7 }} %(x)s %s" in text


def test_order_page_tells_the_story(client: TestClient) -> None:
    text = client.get("/orders/A-24551").text
    assert text.index("CRM cannot approve the order") < text.index('id="timeline"') < text.index('id="events"')
    assert "Pass the error below on to managers." in text
    assert "LedgerClosed(period)" in text
    assert "<details" in text
    assert 'class="bar ghost"' in text
    assert 'class="bar inferred"' in text


def test_language_is_chosen_by_address_then_cookie_then_browser_then_company(reader: SampleReader) -> None:
    client = TestClient(build_site(reader))
    assert '<html lang="ru">' in client.get("/").text
    assert '<html lang="en">' in client.get("/", headers={"accept-language": "de, en-GB;q=0.8, ru;q=0.5"}).text
    assert '<html lang="ru">' in client.get("/", headers={"accept-language": "de;q=x,,;q=2"}).text
    assert '<html lang="en">' in client.get("/?lang=en").text
    assert '<html lang="en">' in client.get("/", headers={"accept-language": "ru"}).text
    assert '<html lang="ru">' in client.get("/?lang=ru").text
    assert '<html lang="ru">' in client.get("/?lang=xx").text


def test_fragment_is_the_changing_part_alone(client: TestClient) -> None:
    response = client.get("/", headers={"x-fragment": "1"})
    assert "<html" not in response.text
    assert 'id="attention"' in response.text
    assert re.fullmatch(r"\d\d:\d\d:\d\d", response.headers["x-clock"])
    assert "X-Fragment" in response.headers["vary"]


def test_pages_are_not_kept_and_static_files_are(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == "no-store"
    style = re.search(r'href="(/static/style\.css\?v=\w+)"', page.text)
    assert style
    response = client.get(style[1])
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-type"].startswith("text/css")
    again = client.get("/static/style.css", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/static/../app.py").status_code == 404


def test_empty_board_says_how_to_begin() -> None:
    text = TestClient(build_site(SampleReader()), headers={"accept-language": "en"}).get("/").text
    assert "No orders yet" in text
    assert "127.0.0.1:4317" in text
    assert "nothing received yet" in text
    assert 'id="strip"' not in text


def test_thousands_of_orders_stay_a_small_page() -> None:
    response = TestClient(build_site(SampleReader((), crowd(5000)))).get("/")
    assert len(response.content) < 400_000


def test_works_without_javascript(client: TestClient) -> None:
    text = client.get("/").text
    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in text
    assert '<button type="button" id="pause" aria-pressed="false" hidden>' in text


def test_systems_say_how_well_they_are_seen_and_what_would_help_most(client: TestClient) -> None:
    text = client.get("/systems").text
    assert "2 systems could tell more" in text.replace("\xa0", " ")
    assert "73\xa0% of the spans belong to no order, most often from “&lt;b&gt; process”" in text
    assert "OTEL_JAVA_EXPERIMENTAL_SPAN_ATTRIBUTES_COPY_FROM_BAGGAGE_INCLUDE=order.id" in text
    assert "clock 89.7\xa0s ahead, corrected here" in text
    assert "not heard yet" not in text
    assert "order_id = &#34;body:$.orderId&#34;" in text


def test_an_order_whose_diagnosis_is_not_certain_says_what_would_make_it_surer(client: TestClient) -> None:
    unsure = [t.order for t in every_timeline() if t.order.diagnosis and t.order.diagnosis.confidence < 0.95]
    systems = {order.id: order.diagnosis.system for order in unsure if order.diagnosis}
    told = {name: 'id="surer"' in client.get(f"/orders/{name}").text for name in systems}
    assert told == {name: system in ("crm", "mes") for name, system in systems.items()}
    assert True in told.values()


def test_an_order_says_where_it_left_its_flow(client: TestClient) -> None:
    text = client.get("/orders/A-24001").text
    assert "“order submitted” happened again: Shop brought it about more than once." in text
    assert "“packing” was skipped after “production finished”: MES never showed it." in text
    assert text.count('class="rule deviation"') == 2
    assert text.count('<span class="word soon">step repeated</span>') == 1
    assert "step repeated, step skipped" in client.get("/?q=A-24001&deviation=any").text
    assert client.get("/?deviation=odd").status_code == 400
