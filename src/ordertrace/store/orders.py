"""Reading and writing what is known of orders: rows ↔ model. Judges nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from ..model.flow import Flow
from ..model.order import (
    Diagnosis,
    DiagnosisKind,
    ErrorDetail,
    EventKind,
    JoinedBy,
    OrderEvent,
    OrderFilter,
    OrderState,
    TraceSummary,
)
from .cursor import offset_of
from .store import Row, Store

_EVENTS_AN_ORDER_MAX, _EVENTS_A_QUERY_MAX = 2_000, 400_000
_TROUBLE = frozenset({OrderState.STUCK.value, OrderState.FAILED.value})


class OrderGlance(NamedTuple):
    """What is known of an order without reading its events; times in ns (insertion in ms) since 1970.

    A tuple as the store gives it, since very many pass: `apart` is whether systems that follow statuses disagree.
    """

    order_id: str
    started_ns: int
    seen_ns: int
    inserted_ms: int
    rank: int
    since_ns: int
    status: str
    apart: bool
    error_ns: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What the sweep holds against an order; `state` empty clears it."""

    order_id: str
    state: str
    diagnosis: Diagnosis | None
    detected_at: datetime


class OrderStore:
    """Orders in the store, for one flow."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store = store
        self._flow = flow
        self._followers = [system.name for system in flow.systems if system.follows and not system.closed]

    async def find_ids(self, query: OrderFilter, now: datetime) -> tuple[list[str], str | None]:
        """One page of order ids and the cursor of the next one. Raises Invalid for a cursor that is not ours."""
        offset = offset_of(query.cursor)
        states = [query.state] if query.state else []
        parameters = self._states(now, states) | _filters(query) | {"states": states}
        rows = await self._store.query("find_orders", parameters | {"limit": query.limit + 1, "offset": offset})
        ids = [row[0] for row in rows[: query.limit]]
        return ids, str(offset + query.limit) if len(rows) > query.limit else None

    async def count_by_state(self, query: OrderFilter, now: datetime) -> dict[str, int]:
        """How many orders the filter lets through in each state, whatever state it asks for."""
        rows = await self._store.query("count_orders", self._states(now) | _filters(query))
        return {state.value: 0 for state in OrderState} | {row[0]: row[1] for row in rows}

    async def columns(self, now: datetime, dots: int) -> Sequence[Row]:
        """(state, status, tenth of the deadline, orders, late, [(used, order id)…]) over all orders.

        By name the most urgent `dots` of each row, of those that have not ended.
        """
        return await self._store.query("board_columns", self._states(now) | {"dots": dots})

    def states(self, now: datetime) -> dict[str, object]:
        """The parameters of `order_states`, for statements of others that build on it."""
        return self._states(now)

    async def figures(self, now: datetime, hours: int) -> Sequence[Row]:
        """(hour back, started, closed, closed in time, in trouble), newest first."""
        return await self._store.query("board_figures", self._states(now) | {"hours": hours})

    async def find_events(self, order_ids: Sequence[str]) -> dict[str, list[OrderEvent]]:
        """The facts about each of these orders, earliest first; orders that nobody has heard of are left out.

        Of an order with more than 2,000 facts (400, where a thousand orders are asked for), rather statuses and errors.
        """
        if not order_ids:
            return {}
        limit = min(_EVENTS_AN_ORDER_MAX, max(1, _EVENTS_A_QUERY_MAX // len(order_ids)))
        rows = await self._store.query("order_events", {"orders": list(order_ids), "limit": limit})
        events: dict[str, list[OrderEvent]] = defaultdict(list)
        for row in rows:
            events[row[1]].append(_event(row))
        for found in events.values():
            found.sort(key=lambda event: (event.at, event.id))
        return dict(events)

    async def find_trace_ids(self, order_id: str) -> list[str]:
        """Traces that the order may have no events in: something else names them for it."""
        rows = await self._store.query("order_trace_ids", {"order": order_id, "limit": _EVENTS_AN_ORDER_MAX})
        return [row[0] for row in rows]

    async def find_traces(self, events: Sequence[OrderEvent], further: Sequence[str]) -> tuple[TraceSummary, ...]:
        """The traces that these events came in, and further ones, earliest first.

        Spans that retention has dropped are not counted.
        """
        traces = {*further, *(event.trace_id for event in events if event.trace_id)}
        if not traces:
            return ()
        rows = await self._store.query("order_traces", {"traces": sorted(traces)})
        system = self._flow.system_of_service
        return tuple(
            TraceSummary(
                row[0], row[1], row[2] / 1e9, tuple(sorted(system.get(s, s) for s in row[3])), row[4], row[5], row[6]
            )
            for row in rows
        )

    async def changed(self, groups: Sequence[datetime]) -> list[OrderGlance]:
        """Orders about which the groups with these times of insertion said something."""
        rows = await self._store.query("changed_orders", {"groups": list(groups), "followers": self._followers})
        return list(map(OrderGlance._make, rows))

    async def unfinished(self, limit: int) -> list[OrderGlance]:
        """Orders that have not ended."""
        parameters = {"closed_rank": len(self._flow.steps) + 1, "followers": self._followers, "limit": limit}
        return list(map(OrderGlance._make, await self._store.query("unfinished_orders", parameters)))

    async def deviating(self, order_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Kinds of deviation of those of the orders that are known to have any."""
        rows = await self._store.query("deviating_orders", {"orders": list(order_ids)})
        return {row[0]: tuple(row[1]) for row in rows}

    async def save_deviations(self, kinds: Mapping[str, Sequence[str]], now: datetime) -> None:
        """Puts the kinds of deviation of these orders in force; none clear what was said before."""
        rows = [(order_id, list(of_order), now) for order_id, of_order in kinds.items()]
        await self._store.insert("deviations", ["order_id", "kinds", "inserted_at"], rows)

    async def findings(self) -> dict[str, Finding]:
        """What is held against orders now, by order id."""
        return {row[0]: _finding(row) for row in await self._store.query("findings")}

    async def save_findings(self, findings: Sequence[Finding], now: datetime) -> None:
        """Puts these findings in force, in place of earlier ones about the same orders."""
        columns = [
            "order_id",
            "state",
            "kind",
            "system",
            "since",
            "confidence",
            "evidence",
            "facts",
            "detected_at",
            "inserted_at",
        ]
        await self._store.insert("findings", columns, [_finding_row(finding, now) for finding in findings])

    def _states(self, now: datetime, states: Sequence[str] = ()) -> dict[str, object]:
        flow = self._flow
        successors = {step.status: flow.successor(step.status) for step in flow.steps}
        return {
            "first_status": flow.steps[0].status if flow.steps else "",
            "statuses": [step.status for step in flow.steps],
            "waits_for": [(successors[step.status] or step).system for step in flow.steps],
            "step_deadlines": [_ns(step.deadline) if step.deadline else 0 for step in flow.steps],
            "flow_deadline": _ns(flow.deadline),
            "closed_rank": len(flow.steps) + 1,
            "cancelled_rank": len(flow.steps) + 2,
            "in_trouble": bool(states) and set(states) <= _TROUBLE,
            "now": int(now.timestamp() * 1e9),
            "systems": [system.name for system in flow.systems],
            "owners": [system.owner for system in flow.systems],
        }


def _filters(query: OrderFilter) -> dict[str, object]:
    return {
        "status": query.status,
        "system": query.system,
        "owner": query.owner,
        "q": query.q,
        "deviation": query.deviation,
        "since": int(query.since.timestamp() * 1e9) if query.since else 0,
        "until": int(query.until.timestamp() * 1e9) if query.until else 0,
        "sort": query.sort,
    }


def _ns(length: timedelta) -> int:
    return int(length.total_seconds() * 1e9)


def _event(row: Row) -> OrderEvent:
    return OrderEvent(
        id=row[0],
        order_id=row[1],
        at=row[2],
        system=row[3],
        kind=EventKind(row[4]),
        name=row[5],
        span_kind=row[6],
        status=row[7],
        duration_seconds=row[8] / 1e9,
        response_code=row[9],
        trace_id=row[10],
        span_id=row[11],
        parent_span_id=row[12],
        message_id=row[13],
        destination=row[14],
        queue=row[15],
        peer=row[16],
        error=ErrorDetail(row[17], row[18], row[19], row[20]) if row[4] == EventKind.ERROR or row[18] else None,
        joined_by=JoinedBy(row[21]),
        confidence=round(row[22], 3),
    )


def _finding(row: Row) -> Finding:
    order_id, state, kind, system, since, confidence, evidence, facts, detected_at = row
    diagnosis = (
        Diagnosis(DiagnosisKind(kind), since, system, round(confidence, 3), tuple(evidence), facts) if kind else None
    )
    return Finding(order_id, state, diagnosis, detected_at)


def _finding_row(finding: Finding, now: datetime) -> Row:
    why = finding.diagnosis
    return (
        finding.order_id,
        finding.state,
        why.kind.value if why else "",
        why.system if why else "",
        why.since if why else now,
        why.confidence if why else 0.0,
        list(why.evidence) if why else [],
        dict(why.facts) if why else {},
        finding.detected_at,
        now,
    )
