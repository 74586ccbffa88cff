"""Board and order page in a real browser: layout, keyboard, refresh, no script at all, contrast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from ordertrace.model.order import OrderState

from .message_samples import RecordingIncidents, every_incident
from .samples import SampleReader

PAGES = [
    "/",
    "/orders/A-24551",
    "/orders/A-23000",
    "/orders/%3Cscript%3Ealert(1)%3C%2Fscript%3E%2F..%2F%D1%91%201",
    "/search?q=A-24",
    "/nowhere",
    "/messages",
    "/messages/fan",
    "/queues",
    "/systems",
    "/rules?q=A-24551&id=attribute:shop.order",
    "/incidents",
    f"/incidents/{every_incident()[1].incident.id}",
]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]

# What a reader of the page's structure would trip over, found in the page itself.
FLAWS = (Path(__file__).parent / "flaws.js").read_text()

# Contrast of every visible text with what is behind it, by WCAG's formula; drawings are checked by their colours.
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
TOUCHING = (Path(__file__).parent / "touching.js").read_text()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[object]:
    """Opens pages with the given context options; complaints of the console fail the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_at(address: str, **options: object) -> Page:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if "404" not in message.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize(("width", "scheme"), list(product([360, 1366], ["light", "dark"])))
@pytest.mark.parametrize("language", ["ru", "en"])
def test_pages_fit_read_well_and_have_names(open_page, site: str, language: str, width: int, scheme: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(site, viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language)
    for path in PAGES:
        page.goto(site + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(FLAWS) == [], path
        assert page.evaluate(CONTRAST) == [], path


def test_labels_of_the_picture_do_not_touch(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    for language, order in product(["ru", "en"], ["A-24551", "A-24803", "A-24001", "A-24688", "A-24817", "A-23000"]):
        page = open_page(f"{site}/orders/{order}?lang={language}", viewport={"width": 1366, "height": 800})
        touching = page.evaluate(TOUCHING)
        assert touching == [], (language, order)


def test_search_and_lists_by_keyboard(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(site + "/?lang=en")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == "A-24551"
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/A-24551")
    page.keyboard.press("/")
    page.keyboard.type("A-24803")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/A-24803")


def test_focus_is_visible(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(site)
    for _ in range(12):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth; })()"
        )
        assert style == "solid2px"


def test_a_bar_leads_to_its_event(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(site + "/orders/A-24551")
    bar = page.locator(".chart g a:has(.bar.error)").first
    target = bar.get_attribute("href")
    bar.click()
    assert page.url.endswith(target)
    row = page.locator(f"[id='{target[1:]}']")
    assert "failed" in row.get_attribute("class")
    row.locator("summary").click()
    assert "LedgerClosed(period)" in row.locator("pre").inner_text()


def test_board_refreshes_in_place(open_page, changing_site: str, reader: SampleReader) -> None:  # type: ignore[no-untyped-def]
    page = open_page(changing_site + "/?lang=en", viewport={"width": 1366, "height": 500})
    page.locator("#strip-table summary").click()
    page.locator("#rows a[data-item]").nth(8).focus()
    focused = page.evaluate("document.activeElement.textContent")
    page.evaluate("window.kept = true; document.activeElement.scrollIntoView({block: 'center'})")
    top = page.evaluate("document.activeElement.getBoundingClientRect().top")
    reader.orders = [
        replace(o, state=OrderState.STUCK) if o.id == "B-00001" else o for o in reader.orders if o.id != "A-24817"
    ]
    page.wait_for_selector("#attention tr.changed:has-text('B-00001')", state="attached")
    assert page.evaluate("window.kept")
    assert page.locator("#strip-table").get_attribute("open") is not None
    assert page.evaluate("document.activeElement.textContent") == focused
    assert abs(page.evaluate("document.activeElement.getBoundingClientRect().top") - top) < 60
    assert "A-24817" not in page.locator("#attention").inner_text()


def test_updates_can_be_paused(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(site + "/?lang=en")
    page.locator("#pause").click()
    assert page.locator("#freshness").inner_text() == "paused"
    page.locator("#pause").click()
    expect(page.locator("#freshness")).to_have_text(re.compile(r"updated \d\d:\d\d:\d\d"))


def test_lost_connection(chromium: Browser, site: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(site + "/?lang=en")
    context.set_offline(True)
    page.wait_for_selector("#freshness.lost")
    assert re.fullmatch(r"no connection, as of \d\d:\d\d:\d\d", page.locator("#freshness").inner_text())
    context.set_offline(False)
    page.wait_for_selector("#freshness:not(.lost)")
    context.close()


def test_messages_by_keyboard_and_without_javascript(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(site + "/messages?lang=en", java_script_enabled=False)
    page.locator("select[name=verdict]").select_option("expired")
    page.locator("form.filter button").click()
    assert "verdict=expired" in page.url
    page.locator("#rows a[data-item]").first.click()
    assert page.locator(".station").count() >= 4
    page.goto(site + "/incidents")
    page.locator("#running a[data-item]").first.click()
    assert page.locator("form.say button").count() == 3
    assert page.locator("form.say input[name=by]").is_visible()


@pytest.mark.parametrize("script", [True, False])
def test_an_incident_is_taken_on_in_the_browser(  # type: ignore[no-untyped-def]
    open_page, speaking_site: tuple[str, RecordingIncidents], script: bool
) -> None:
    address, kept = speaking_site
    incident = every_incident()[0].incident.id
    page = open_page(f"{address}/incidents/{incident}?lang=en", java_script_enabled=script)
    page.locator("input[name=by]").fill("Анна")
    page.locator("textarea[name=text]").fill("looking")
    page.locator("button", has_text="I am on it").click()
    page.wait_for_url("**#history")
    assert kept.said == [("acknowledge", incident, "Анна", "looking")]
    assert page.locator("input[name=by]").input_value() == "Анна"


def test_what_is_typed_stays_while_an_incident_refreshes(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(f"{site}/incidents/{every_incident()[0].incident.id}?lang=en")
    page.locator("textarea[name=text]").fill("half a sen")
    before = page.locator("#freshness").inner_text()
    expect(page.locator("#freshness")).not_to_have_text(before)
    assert page.locator("textarea[name=text]").input_value() == "half a sen"


def test_everything_is_there_without_javascript(open_page, site: str) -> None:  # type: ignore[no-untyped-def]
    page = open_page(site + "/?lang=en", java_script_enabled=False)
    page.locator("select[name=status]").select_option("SUBMITTED")
    page.locator("form.filter button").click()
    assert "status=SUBMITTED" in page.url
    page.locator("#rows a[data-item]").first.click()
    assert page.locator("h1").inner_text()
    assert page.locator(".chart .bar").count() > 0
    assert not page.locator("#pause").is_visible()
