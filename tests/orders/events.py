"""Short ways to write evidence: `told("shop", "SUBMITTED", 5)` is a status fact five seconds after the start of the story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ordertrace.model.flow import Flow
from ordertrace.model.order import ErrorDetail, EventKind, OrderEvent
from ordertrace.orders.flow import build_flow
from ordertrace.settings import Settings
from ordertrace.settings.sections import FlowSettings, StepSettings

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def told(system: str, status: str, seconds: float, **fields: Any) -> OrderEvent:
    values: dict[str, Any] = {
        "id": f"{system}-{status}-{seconds}",
        "order_id": "A-1",
        "at": at(seconds),
        "system": system,
        "kind": EventKind.STATUS,
        "name": f"{status.lower()} process",
        "status": status,
        "span_kind": "Consumer",
        "trace_id": f"trace-{seconds}",
        "span_id": f"span-{system}-{seconds}",
    }
    return OrderEvent(**(values | fields))


def failed(system: str, name: str, seconds: float, **fields: Any) -> OrderEvent:
    values: dict[str, Any] = {
        "id": f"failed-{system}-{name}-{seconds}",
        "kind": EventKind.ERROR,
        "name": name,
        "span_kind": "Server",
        "error": ErrorDetail("java.lang.IllegalStateException", "country is missing", "at Crm.approve"),
        "response_code": "500",
    }
    return told(system, "", seconds, **(values | fields))


def default_flow(**flow: Any) -> Flow:
    return build_flow(Settings(flow=FlowSettings(**flow)))


def flow_with_step_deadline(status: str, deadline: timedelta) -> Flow:
    steps = tuple(
        StepSettings(**(step.model_dump() | ({"deadline": deadline} if step.status == status else {})))
        for step in Settings().step
    )
    return build_flow(Settings(step=steps))


def whole_life() -> list[OrderEvent]:
    """A healthy order: each status by its own system, the others following a second later."""
    path = ["INITIATED", "SUBMITTED", "PRICE_CALCULATED", "MANUFACTURING_APPROVED", "MANUFACTURING_STARTED"]
    path += ["MANUFACTURING_COMPLETED", "PACKAGING", "SHIPPED", "CLOSED"]
    events = [told("shop", "INITIATED", 0)]
    for i, status in enumerate(path[1:], 1):
        events += [told("shop", status, i * 60), told("crm", status, i * 60 + 1)]
    return events
