"""Orders made by hand, as the reader would give them: what rendering is tested with.

Only values of the model are built here; nothing stands in for a store or a reader's logic beyond looking them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ordertrace.errors import Invalid, NotFound
from ordertrace.model.board import Board, Dot, Figure, StepColumn, SystemSight
from ordertrace.model.coverage import Advice, AdviceKind, Coverage, SystemCoverage
from ordertrace.model.flow import Flow
from ordertrace.model.order import (
    Deviation,
    DeviationKind,
    Diagnosis,
    DiagnosisKind,
    ErrorDetail,
    EventKind,
    JoinedBy,
    Message,
    NextStep,
    Order,
    OrderEvent,
    OrderFilter,
    OrderPage,
    OrderState,
    OrderTimeline,
    StatusView,
    TraceSummary,
)
from ordertrace.orders.changes import map_messages, name_order
from ordertrace.orders.flow import build_flow
from ordertrace.settings import Settings

NOW = datetime(2026, 3, 12, 11, 54, 40, 250_000, tzinfo=UTC)
SHOP, MES, CRM = "shop", "mes", "crm"
PATH = [
    "INITIATED",
    "SUBMITTED",
    "PRICE_CALCULATED",
    "MANUFACTURING_APPROVED",
    "MANUFACTURING_STARTED",
    "MANUFACTURING_COMPLETED",
    "PACKAGING",
    "SHIPPED",
    "CLOSED",
]
STACK = (
    "Traceback (most recent call last):\n"
    '  File "/srv/crm/app.py", line 88, in on_message\n    await self.book(order)\n'
    '  File "/srv/crm/booking.py", line 41, in book\n    raise LedgerClosed(period)\n'
    "crm.booking.LedgerClosed: period 2026-02 is closed"
)


def the_flow() -> Flow:
    """The default flow, with deadlines that make the samples late."""
    return build_flow(Settings())


def moved(events: Sequence[OrderEvent], by: timedelta) -> tuple[OrderEvent, ...]:
    return tuple(replace(event, at=event.at + by) for event in events)


class Script:
    """Writes an order's events one after the other, with ids, traces and messages that fit together."""

    def __init__(self, order_id: str, begin: datetime) -> None:
        self.order_id = order_id
        self.clock = begin
        self.events: list[OrderEvent] = []
        self._number = 0

    def wait(self, **duration: float) -> Script:
        self.clock += timedelta(**duration)
        return self

    def add(self, system: str, kind: EventKind, name: str, **more: object) -> OrderEvent:
        self._number += 1
        span = f"{self._number:016x}"
        values = {"trace_id": f"{abs(hash(self.order_id)) % 10**12:020d}{self._number:012x}", "span_id": span} | more
        event = OrderEvent(f"{values['trace_id']}-{span}", self.order_id, self.clock, system, kind, name, **values)  # type: ignore[arg-type]
        self.events.append(event)
        self.clock += timedelta(milliseconds=7)
        return event

    def request(self, system: str, name: str, status: str, code: str = "201") -> OrderEvent:
        """A request that brings a status about and publishes it."""
        done = self.add(
            system,
            EventKind.STATUS,
            name,
            status=status,
            duration_seconds=0.074,
            response_code=code,
            span_kind="Server",
        )
        return self.add(
            system,
            EventKind.SEND,
            f"order.{status.lower()} publish",
            span_kind="Producer",
            destination="alexandrite.orders",
            message_id=f"5f0c{self._number:028x}",
            duration_seconds=0.004,
            trace_id=done.trace_id,
            parent_span_id=done.span_id,
        )

    def hears(self, system: str, status: str, sent: OrderEvent | None = None, queue: str = "") -> OrderEvent:
        """A message taken from a queue; from a closed system where `sent` is missing."""
        more: dict[str, object] = {"trace_id": sent.trace_id, "parent_span_id": sent.span_id} if sent else {}
        return self.add(
            system,
            EventKind.RECEIVE,
            f"{queue or system + '.order-events'} process",
            status=status,
            span_kind="Consumer",
            queue=queue or f"{system}.order-events",
            message_id=sent.message_id if sent else f"77c2{self._number:028x}",
            duration_seconds=0.018,
            **more,
        )


def full_script(order_id: str, begin: datetime, steps: int) -> Script:
    """The first `steps` statuses of a healthy order."""
    script = Script(order_id, begin)
    for status in PATH[:steps]:
        if status in ("INITIATED", "SUBMITTED"):
            sent = script.request(SHOP, "POST /orders" + ("" if status == "INITIATED" else "/{id}/submit"), status)
            script.wait(seconds=0.02).hears(CRM, status, sent)
        elif status in ("MANUFACTURING_APPROVED", "CLOSED"):
            verb = "approve" if status != "CLOSED" else "close"
            sent = script.request(CRM, f"POST /orders/{{id}}/{verb}", status, "202")
            script.wait(seconds=0.02).hears(SHOP, status, sent)
        else:
            script.hears(CRM, status)
            script.hears(SHOP, status)
        wait = {"INITIATED": 41, "SUBMITTED": 2, "PRICE_CALCULATED": 1380}.get(status, 300)
        script.wait(seconds=wait)
    return script


def build_timeline(
    script: Script,
    state: OrderState,
    now: datetime = NOW,
    deadline: timedelta = timedelta(minutes=30),
    diagnosis: Diagnosis | None = None,
) -> OrderTimeline:
    """The timeline of a script's events, with the order's head as the reader would judge it."""
    flow = the_flow()
    events = tuple(sorted(script.events, key=lambda e: e.at))
    seen = [e for e in events if e.status]
    last = max(seen, key=lambda e: flow.rank(e.status)) if seen else None
    status = last.status if last else ""
    since = next(e.at for e in events if e.status == status) if last else events[0].at
    ended = state in (OrderState.CLOSED, OrderState.CANCELLED)
    follower = None if ended else flow.successor(status)
    views: dict[str, StatusView] = {}
    for event in seen:
        views[event.system] = StatusView(event.status, event.at)
        owner = flow.step(event.status)
        if owner and owner.system != event.system and flow.system(owner.system).closed:
            views[owner.system] = StatusView(event.status, event.at, inferred=True)
    order = Order(
        id=script.order_id,
        state=state,
        status=status,
        status_since=since,
        system=follower.system if follower else CRM,
        owner=flow.system(follower.system if follower else CRM).owner,
        started_at=events[0].at,
        last_seen_at=events[-1].at,
        closed_at=events[-1].at if ended else None,
        age_seconds=((events[-1].at if ended else now) - events[0].at).total_seconds(),
        deadline_at=None if ended else since + deadline,
        deadline_seconds=None if ended else deadline.total_seconds(),
        next=NextStep(follower.status, follower.system, since + deadline) if follower else None,
        diagnosis=diagnosis,
        statuses=views,
    )
    return OrderTimeline(order, events, _messages(events), _traces(events))


def _messages(events: Sequence[OrderEvent]) -> tuple[Message, ...]:
    found: dict[str, Message] = {}
    for event in events:
        if not event.message_id:
            continue
        old = found.get(event.message_id) or Message(event.message_id, "", "", "", None, None, None, "unseen")
        if event.kind is EventKind.SEND:
            new = replace(old, exchange=event.destination, published_at=event.at, publisher=event.system)
        else:
            new = replace(old, queue=event.queue, delivered_at=event.at, state="settled", consumer=event.system)
        found[event.message_id] = new
    return tuple(found.values())


def _traces(events: Sequence[OrderEvent]) -> tuple[TraceSummary, ...]:
    groups: dict[str, list[OrderEvent]] = {}
    for event in events:
        groups.setdefault(event.trace_id, []).append(event)
    return tuple(
        TraceSummary(
            trace_id,
            group[0].at,
            (group[-1].at - group[0].at).total_seconds() + group[-1].duration_seconds,
            tuple(dict.fromkeys(e.system for e in group)),
            len(group) * 3,
            sum(1 for e in group if e.error),
            group[0].name,
        )
        for trace_id, group in groups.items()
    )


def healthy(order_id: str = "A-24790") -> OrderTimeline:
    return build_timeline(full_script(order_id, NOW - timedelta(minutes=24), 3), OrderState.OPEN)


def fresh() -> OrderTimeline:
    return build_timeline(full_script("A-24999", NOW - timedelta(seconds=3), 1), OrderState.OPEN)


def closed() -> OrderTimeline:
    """Done, though it was submitted twice and one step was left out."""
    timeline = build_timeline(full_script("A-24001", NOW - timedelta(hours=3), 9), OrderState.CLOSED)
    submitted = next(event for event in timeline.events if event.status == PATH[1])
    shipped = next(event for event in timeline.events if event.status == PATH[7])
    deviations = (
        Deviation(DeviationKind.REPEATED, PATH[1], PATH[1], submitted.at, SHOP, 0.9, (submitted.id,)),
        Deviation(DeviationKind.SKIPPED, PATH[6], PATH[5], shipped.at, MES, 0.6, (shipped.id,)),
    )
    return replace(timeline, order=replace(timeline.order, deviations=deviations))


def stuck() -> OrderTimeline:
    """Approved, but production has not begun."""
    script = full_script("A-24803", NOW - timedelta(minutes=48), 4)
    diagnosis = Diagnosis(
        DiagnosisKind.TOO_SLOW,
        NOW - timedelta(minutes=9),
        MES,
        0.6,
        (script.events[-2].id, script.events[-1].id),
        {"status": PATH[3], "waits_for": MES, "next_status": PATH[4], "deadline_seconds": "960"},
    )
    return build_timeline(script, OrderState.STUCK, deadline=timedelta(minutes=16), diagnosis=diagnosis)


def failed() -> OrderTimeline:
    """An exception in CRM, three times, with its stack; and a call to the carrier that was refused."""
    script = full_script("A-24551", NOW - timedelta(minutes=31), 3)
    evidence = []
    for _ in range(3):
        error = ErrorDetail("crm.booking.LedgerClosed", "period 2026-02 is closed", STACK)
        event = script.add(
            CRM,
            EventKind.ERROR,
            "POST /orders/{id}/approve",
            error=error,
            response_code="500",
            duration_seconds=0.21,
            span_kind="Server",
        )
        evidence.append(event.id)
        script.add(
            CRM, EventKind.CALL, "GET /tariffs", peer="carrier", trace_id=event.trace_id, parent_span_id=event.span_id
        )
        script.wait(seconds=45)
    facts = {
        "operation": "POST /orders/{id}/approve",
        "error_type": "LedgerClosed",
        "error_message": "period 2026-02 is closed",
        "response_code": "500",
        "times": "3",
    }
    diagnosis = Diagnosis(DiagnosisKind.PROCESSING_ERROR, script.clock, CRM, 1.0, tuple(evidence), facts)
    return build_timeline(script, OrderState.FAILED, diagnosis=diagnosis)


def mismatch() -> OrderTimeline:
    """CRM is further than the shop."""
    script = full_script("A-24688", NOW - timedelta(minutes=29), 4)
    script.events = [e for e in script.events if not (e.system == SHOP and e.status == PATH[3])]
    facts = {"ahead": CRM, "ahead_status": PATH[3], "behind": SHOP, "behind_status": PATH[2]}
    evidence = (script.events[-2].id, script.events[-1].id)
    diagnosis = Diagnosis(DiagnosisKind.STATUS_MISMATCH, NOW - timedelta(minutes=4), SHOP, 0.8, evidence, facts)
    return build_timeline(script, OrderState.STUCK, diagnosis=diagnosis)


def transfer() -> OrderTimeline:
    """The shop cannot hand the order to MES."""
    script = full_script("A-24817", NOW - timedelta(minutes=18), 1)
    error = ErrorDetail("ConnectError", "connection refused")
    event = script.add(SHOP, EventKind.CALL, "POST /mes/orders", error=error, peer=MES, span_kind="Client", status="")
    facts = {
        "operation": event.name,
        "target": MES,
        "error_type": "ConnectError",
        "error_message": "connection refused",
    }
    diagnosis = Diagnosis(DiagnosisKind.TRANSFER_ERROR, event.at, SHOP, 0.9, (event.id,), facts)
    return build_timeline(script, OrderState.FAILED, deadline=timedelta(minutes=5), diagnosis=diagnosis)


def lasting() -> OrderTimeline:
    """Three days, forty traces."""
    script = Script("A-23000", NOW - timedelta(days=3, hours=2))
    script.request(SHOP, "POST /orders", PATH[0])
    for day in range(3):
        for hour in range(13):
            script.wait(minutes=97).add(
                CRM,
                EventKind.OPERATION,
                f"GET /orders/{{id}} review {day}/{hour}",
                duration_seconds=0.3 + hour,
                joined_by=JoinedBy.PATTERN,
                confidence=0.7,
            )
    script.request(SHOP, "POST /orders/{id}/submit", PATH[1])
    return build_timeline(script, OrderState.OPEN, deadline=timedelta(days=2))


def hostile() -> OrderTimeline:
    """Ids and names as an attacker or an unlucky team would choose them."""
    script = Script("<script>alert(1)</script>/../ё 1", NOW - timedelta(minutes=3))
    script.request(SHOP, "<script>alert(2)</script>", PATH[0])
    error = ErrorDetail("<b>Type</b>", '"><img src=x onerror=alert(3)> {{ 7*7 }} %(x)s %s', "<script>alert(4)</script>")
    script.add("новая <служба>", EventKind.ERROR, "x" * 300, error=error, message_id="<i>m</i>")
    facts = {"operation": "<script>", "error_message": error.message, "times": "many"}
    diagnosis = Diagnosis(DiagnosisKind.PROCESSING_ERROR, NOW, SHOP, 0.5, (script.events[-1].id, "gone"), facts)
    return build_timeline(script, OrderState.FAILED, diagnosis=diagnosis)


def every_timeline() -> tuple[OrderTimeline, ...]:
    return (failed(), stuck(), transfer(), mismatch(), hostile(), healthy(), fresh(), lasting(), closed())


def crowd(count: int) -> list[Order]:
    """Open orders spread over the flow, a few of them late."""
    base = [
        build_timeline(full_script("x", NOW - timedelta(minutes=30), steps), OrderState.OPEN).order
        for steps in range(1, 9)
    ]
    orders = []
    for i in range(count):
        used = ((i * 7919) % 1000) / 960 if i % 97 else 1.1 + (i % 7)
        order = base[i * i % 8]
        seconds = 1800.0
        state = OrderState.STUCK if used > 1 else OrderState.OPEN
        at = NOW + timedelta(seconds=seconds * (1 - used))
        orders.append(replace(order, id=f"B-{i:05d}", state=state, deadline_at=at, deadline_seconds=seconds))
    return orders


def build_board(orders: Sequence[Order], flow: Flow) -> Board:
    """A board of these orders, at most sixty dots a column."""
    open_orders = [o for o in orders if o.closed_at is None]
    columns = []
    for step in flow.steps:
        if flow.is_end(step.status):
            continue
        here = [o for o in open_orders if o.status == step.status]
        dots = sorted((_dot(o) for o in here), key=lambda d: -d.used)
        density = [0] * 16
        for dot in dots[60:]:
            density[min(15, int(dot.used * 10))] += 1
        follower = flow.successor(step.status)
        late = sum(d.used > 1 for d in dots)
        columns.append(
            StepColumn(
                step.status,
                step.system,
                follower.system if follower else "",
                follower.status if follower else "",
                len(here),
                late,
                tuple(dots[:60]),
                tuple(density),
            )
        )
    bad = [o for o in orders if o.state in (OrderState.STUCK, OrderState.FAILED)]
    figures = (
        Figure("open", float(len(open_orders)), (120, 130, 118, 133, 140, 138, float(len(open_orders)))),
        Figure("stuck", float(sum(o.state == "stuck" for o in orders)), (3, 2, 4, 2, 5, 6, 7)),
        Figure("failed", float(sum(o.state == "failed" for o in orders))),
        Figure("closed_today", 1204.0, (5, 5, 5)),
        Figure("on_time_share", 0.981, (0.98, 0.981, 0.982, 0.981)),
    )
    return Board(
        NOW,
        figures,
        tuple(sorted(bad, key=lambda o: o.diagnosis is None))[:50],
        len(bad),
        tuple(columns),
        NOW - timedelta(hours=5),
    )


def _dot(order: Order) -> Dot:
    assert order.deadline_at is not None
    assert order.deadline_seconds
    used = 1 - (order.deadline_at - NOW).total_seconds() / order.deadline_seconds
    return Dot(order.id, max(0.0, used), order.state)


class SampleReader:
    """Looks the samples up as `OrderReader` would; times are moved so that they look recent at any `now`."""

    def __init__(self, timelines: Sequence[OrderTimeline] = (), orders: Sequence[Order] = ()) -> None:
        self.flow = the_flow()
        self.timelines = {t.order.id: t for t in timelines}
        self.orders = [*(t.order for t in timelines), *orders]
        self.failure: Exception | None = None

    async def get_timeline(self, order_id: str, now: datetime) -> OrderTimeline:
        self._fail()
        if order_id not in self.timelines:
            raise NotFound(f"no order {order_id}")
        timeline = self.timelines[order_id]
        return replace(timeline, order=_shifted(timeline.order, now - NOW), events=moved(timeline.events, now - NOW))

    async def find_orders(self, query: OrderFilter, now: datetime) -> OrderPage:
        self._fail()
        fitting = [o for o in self.orders if query.q in o.id and query.status in ("", o.status)]
        counts = {str(state): sum(o.state == state for o in fitting) for state in OrderState}
        fitting = [o for o in fitting if query.state in ("", o.state)]
        if query.cursor and not query.cursor.isdigit():
            raise Invalid(f"cursor {query.cursor!r} is not one of ours")
        begin = int(query.cursor or 0)
        page = [_shifted(o, now - NOW) for o in fitting[begin : begin + query.limit]]
        end = begin + query.limit
        return OrderPage(tuple(page), str(end) if end < len(fitting) else None, counts)

    async def get_board(self, now: datetime) -> Board:
        self._fail()
        board = build_board(self.orders, self.flow)
        attention = tuple(_shifted(o, now - NOW) for o in board.attention)
        since = None if not self.orders else now - timedelta(hours=2)
        return replace(
            board, at=now, attention=attention, watching_since=since, figures=board.figures if self.orders else ()
        )

    def get_sights(self) -> tuple[SystemSight, ...]:
        self._fail()
        now = datetime.now(UTC)
        seen = {"shop": now - timedelta(seconds=1), "crm": now - timedelta(minutes=6)} if self.orders else {}
        return tuple(SystemSight(s.name, s.title, s.closed, s.owner, seen.get(s.name), 0.5) for s in self.flow.systems)

    async def get_surer(self, order: Order, now: datetime) -> SystemCoverage | None:
        why = order.diagnosis
        if why is None or why.confidence >= 0.95:
            return None
        return next((one for one in await self.get_systems(now) if one.sight.name == why.system and one.advice), None)

    async def get_systems(self, now: datetime) -> tuple[SystemCoverage, ...]:
        """One of each sort: seen well, with a clock that is off, silent, never heard, closed."""
        counts = {
            "shop": Coverage(
                3600,
                18_400,
                9_200,
                8_950,
                2_100,
                800,
                760,
                900,
                12,
                2,
                420,
                {"server": 250},
                {"server": "POST /orders"},
            ),
            "crm": Coverage(
                3600, 900, 900, 240, 0, 300, 0, 0, 40, 36, 0, {"consumer": 660}, {"consumer": "<b> process"}
            ),
            "mes": Coverage(3600, watched=1_200, watched_with_order=300, watched_with_id=0, watched_with_status=1_200),
        }
        crm = Advice(AdviceKind.ORDER_ID, 660 / 900, "<b> process", name_order("java-agent"), "code")
        mes = Advice(AdviceKind.MAP_MESSAGES, 0.75, "", map_messages(), "settings")
        advice = {"crm": crm, "mes": mes} if self.orders else {}
        return tuple(
            SystemCoverage(
                sight, {"crm": 89.7}.get(sight.name), counts.get(sight.name, Coverage()), advice.get(sight.name)
            )
            for sight in self.get_sights()
        )

    def _fail(self) -> None:
        if self.failure:
            raise self.failure


def _shifted(order: Order, by: timedelta) -> Order:
    return replace(
        order,
        status_since=order.status_since + by,
        started_at=order.started_at + by,
        last_seen_at=order.last_seen_at + by,
        closed_at=order.closed_at and order.closed_at + by,
        deadline_at=order.deadline_at and order.deadline_at + by,
        next=order.next and replace(order.next, due_at=order.next.due_at and order.next.due_at + by),
        diagnosis=order.diagnosis and replace(order.diagnosis, since=order.diagnosis.since + by),
    )
