"""The `baggage` header that an agent was told to capture names the order, as docs/explanation/joining.md says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ordertrace.settings.sections import OrderSettings
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import request, span

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "joining.md"


def documented_rule() -> str:
    found = re.search(r"^id = \['pattern:http\.request\.header\.baggage:.+$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found
    (rule,) = tomllib.loads(found[0])["id"]
    return str(rule)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    rules = OrderSettings(id=("attribute:order.id", documented_rule()))
    async with running(settings_in(tmp_path).model_copy(update={"order": rules})) as run:
        yield run


@pytest.mark.parametrize(
    ("header", "order"),
    [
        (["order.id=A-1"], "A-1"),
        (["user=7,order.id=A-1;ttl=5,x=y"], "A-1"),
        (["user=7", "x=y, order.id = A-1 ,z=1"], "A-1"),
        (["x=y,order.id=d9f7c2de-0b1c-4a0e-9f0a-1f4f6a0c9b11"], "d9f7c2de-0b1c-4a0e-9f0a-1f4f6a0c9b11"),
        ("order.id=A-1,x=y", "A-1"),  # as one text: agents before the header conventions
        (["reorder.id=A-2"], ""),
        (["border.id=A-2,order.id=A-1"], "A-1"),
        (["order.id="], ""),
        (["order.identity=A-2"], ""),
        ([], ""),
    ],
)
async def test_the_documented_rule_finds_the_order_in_a_captured_header(
    server: Running, header: Any, order: str
) -> None:
    body = request(span("GET /", {"http.request.header.baggage": header})).SerializeToString()
    async with httpx2.AsyncClient() as client:
        headers = {"content-type": "application/x-protobuf"}
        answer = await client.post(f"http://{server.http.address}/v1/traces", content=body, headers=headers)
    assert answer.status_code == 200
    await server.intake.flush()
    assert server.rows("SELECT OrderId, OrderIdBy FROM otel_traces") == [(order, "pattern" if order else "")]
