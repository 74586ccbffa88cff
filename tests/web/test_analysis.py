"""The pages about many orders, over the real engine and in a real browser, in both languages."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import product
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import sync_playwright

from tests.web.many_orders import AGAIN, CANCELLED, STRAIGHT, STUCK, many_orders_site
from tests.web.test_browser import ARGUMENTS, CONTRAST, FLAWS

PAGES = ("/analysis", "/analysis/funnel", "/analysis/bottlenecks", "/analysis/differences")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ORDERS = STRAIGHT + AGAIN + STUCK + CANCELLED + 1


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with many_orders_site(tmp_path_factory.mktemp("many")) as address:
        yield address


def read(site: str, path: str, language: str = "en") -> str:
    """The page's text without its tags; narrow spaces as plain ones."""
    answer = httpx2.get(site + path, headers={"accept-language": language}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert "<b>&1" not in answer.text
    assert "<i>RU" not in answer.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)).replace("\xa0", " "))


def test_ways_are_counted_and_lead_to_their_orders(site: str) -> None:
    text = read(site, "/analysis")
    assert f"86 % of the orders go the same way 4 ways · {ORDERS} orders" in text
    assert f"{STRAIGHT} done" in text
    assert f"{CANCELLED} called off" in text
    assert "2 steps again" in text
    assert "86 % заказов идут одним путём" in read(site, "/analysis", "ru")
    page = httpx2.get(f"{site}/analysis", headers={"accept-language": "en"}).text
    addresses = [html.unescape(found) for found in re.findall(r'href="(/analysis/variants/[^"]+)"', page)]
    again = next(address for address in addresses if "R-0" in (told := read(site, address)) and "R-3" in told)
    assert "X-01" not in read(site, again)
    assert "R-0" not in read(site, again + "&state=stuck")
    assert httpx2.get(f"{site}/analysis/variants/{'0' * 16}").status_code == 404


def test_the_funnel_tells_who_is_left_where(site: str) -> None:
    text = read(site, "/analysis/funnel")
    assert f"{round(100 * (STRAIGHT + AGAIN) / ORDERS)} % of the orders have reached “order closed”" in text
    assert f"Most are held up after “order submitted”: {STUCK} orders." in text
    assert f"{STUCK} stuck · {CANCELLED} called off" in text.replace("1 in progress · ", "")
    assert f"for want of a message: {STUCK}" in text
    assert f"из них без сообщения: {STUCK}" in read(site, "/analysis/funnel", "ru")


def test_bottlenecks_say_what_got_slower(site: str) -> None:
    text = read(site, "/analysis/bottlenecks")
    assert "order submitted → price calculated" in text
    assert "slower: 5 s → 11 s" in text
    assert text.count("slower: ") == 1
    assert "1 got slower lately" in text
    assert "mes.orders" in text
    assert "500 ms" in text
    assert "медленнее: 5 с → 11 с" in read(site, "/analysis/bottlenecks", "ru")


def test_differences_name_what_sets_the_stuck_apart(site: str) -> None:
    text = read(site, "/analysis/differences")
    assert f"“KZ”: 92 % of the orders in trouble, 0 % of the finished ones {STUCK} orders in trouble beside" in text
    assert "delivery.country" in text
    assert "surely" in text
    assert "thread.id" not in text
    assert "достоверно" in read(site, "/analysis/differences", "ru")
    assert "No order is in trouble like this" in read(site, "/analysis/differences?kind=processing_error")


def test_periods_and_wrong_questions(site: str) -> None:
    assert "No orders in this period" not in read(site, "/analysis?period=day")
    for wrong in ("/analysis?period=year", "/analysis/differences?kind=bad", "/analysis/differences?state=closed"):
        assert httpx2.get(site + wrong).status_code == 400, wrong


def test_pages_fit_read_well_and_have_names(site: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for language, width, scheme in product(("ru", "en"), (360, 1366), SCHEMES):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language)
            page.goto(f"{site}/analysis")
            ways = page.locator(".ways tbody th a").nth(1).get_attribute("href")
            for path in (*PAGES, ways):
                page.goto(f"{site}{path}")
                where = (path, language, width, scheme)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, where
                assert page.evaluate(FLAWS) == [], where
                assert page.evaluate(CONTRAST) == [], where
            page.close()
        browser.close()
