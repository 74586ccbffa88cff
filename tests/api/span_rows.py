"""Spans of A-1: a trace of it alone, and one that it shares with A-2."""

from __future__ import annotations

from ordertrace.store.store import Store
from tests.store.test_joiner import NOW, insert

ALONE, SHARED, ELSEWHERE = "1" * 32, "2" * 32, "3" * 32
_PATH = {
    "OrderId": "A-1",
    "OrderIdBy": "pattern",
    "SpanAttributes": {"url.path": "/orders/A-1/submit", "shop.number": "A-7"},
}


async def save_spans(store: Store) -> None:
    """Stored as the built-in rules read them; `shop.number` and `shop.state` are what other rules could read."""
    await insert(
        store,
        1,
        {"TraceId": ALONE, "SpanId": "root", "SpanName": "POST /orders", **_PATH},
        {
            "TraceId": ALONE,
            "SpanId": "child",
            "ParentSpanId": "root",
            "SpanKind": "Internal",
            "SpanAttributes": {"shop.state": "closed"},
        },
        {"TraceId": SHARED, "SpanId": "job", "SpanKind": "Internal"},
        {
            "TraceId": SHARED,
            "SpanId": "one",
            "ParentSpanId": "job",
            "OrderId": "A-1",
            "OrderIdBy": "attribute",
            "OrderStatus": "CLOSED",
            "SpanAttributes": {"order.id": "A-1", "order.status": "CLOSED"},
        },
        {
            "TraceId": SHARED,
            "SpanId": "two",
            "ParentSpanId": "job",
            "OrderId": "A-2",
            "OrderIdBy": "attribute",
            "SpanAttributes": {"order.id": "A-2"},
        },
        {
            "TraceId": SHARED,
            "SpanId": "below",
            "ParentSpanId": "two",
            "SpanKind": "Client",
            "SpanAttributes": {"db.system": "postgresql"},
        },
        {"TraceId": ELSEWHERE, "SpanId": "elsewhere", "SpanAttributes": {"shop.elsewhere": "A-3"}},
    )
    columns = ("trace_id", "order_id", "joined_by", "inserted_at")
    await store.insert(
        "trace_orders", columns, [(ALONE, "A-1", "log", NOW), (SHARED, "A-1", "log", NOW), (SHARED, "A-2", "log", NOW)]
    )
