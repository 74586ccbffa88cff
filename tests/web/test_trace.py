"""The page of a trace over the real engine: a tree of spans with all that their sender said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from ordertrace.orders.clock import EventClock
from ordertrace.orders.flow import build_flow
from ordertrace.orders.reader import OrderReader
from ordertrace.store.traces import TraceStore
from ordertrace.web.app import build_fallback, build_web
from tests.api.test_traces import TRACE, sent
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import request, span


@dataclass
class Site:
    run: Running
    http: httpx2.AsyncClient


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    settings = settings_in(tmp_path)
    async with running(settings) as run:
        reader = OrderReader(run.store, build_flow(settings), EventClock(settings.sweep.lag_max), None)
        routes = build_web(reader, settings, run.metrics, traces=TraceStore(run.store))
        transport = httpx2.ASGITransport(Starlette(routes=[*routes, build_fallback(reader, settings, run.metrics)]))
        async with httpx2.AsyncClient(transport=transport, base_url="http://ordertrace") as http:
            yield Site(run, http)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "3 attributes were dropped by the sender",
                "2 events were dropped",
                "1 link was dropped",
                "parent elsewhere",
            ),
        ),
        (
            "ru",
            (
                "3 атрибута отброшены отправителем",
                "2 события отброшены",
                "1 связь отброшена",
                "родитель в другом процессе",
            ),
        ),
    ],
)
async def test_all_that_was_said_of_a_span_is_shown(site: Site, language: str, words: tuple[str, ...]) -> None:
    await site.run.intake.admit(sent().SerializeToString(), "grpc")
    await site.run.intake.flush()
    page = await site.http.get(f"/traces/{TRACE.hex()}", params={"lang": language})
    assert page.status_code == 200
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for word in (*words, "flags 0x301" if language == "en" else "флаги 0x301", "[&#34;a&#34;, 2]", "retry", "level"):
        assert word in text


async def test_children_follow_their_parents_and_rings_end(site: Site) -> None:
    ids = [bytes([n]) * 8 for n in range(1, 6)]
    parents = [b"", ids[0], ids[1], ids[4], ids[3]]
    spans = [
        span(f"span-{place}", trace_id=TRACE, span_id=one, parent_span_id=parent)
        for place, (one, parent) in enumerate(zip(ids, parents, strict=True))
    ]
    await site.run.intake.admit(request(*reversed(spans)).SerializeToString(), "grpc")
    await site.run.intake.flush()
    text = (await site.http.get(f"/traces/{TRACE.hex()}")).text
    places = [text.index(f">span-{place}<") for place in range(3)]
    assert places == sorted(places)
    assert all(f">span-{place}<" in text for place in (3, 4))


async def test_an_unknown_trace_is_not_found(site: Site) -> None:
    assert (await site.http.get("/traces/" + "0" * 31 + "1")).status_code == 404
