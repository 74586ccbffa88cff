"""Messages, queues and incidents made by hand, as the store would give them: what their pages are tested with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ordertrace.errors import Invalid, NotFound
from ordertrace.model.incident import EntryKind, Incident, IncidentEntry, IncidentState, IncidentView
from ordertrace.model.message import (
    CERTAIN,
    INFERRED,
    LIKELY,
    STUCK,
    BrokerSight,
    FailedGroup,
    MessageEvent,
    MessageFact,
    MessageFilter,
    MessageLife,
    MessagePage,
    MessageState,
    QueueSight,
    SourceSight,
    Verdict,
    WatchGap,
)
from ordertrace.model.order import Diagnosis, DiagnosisKind
from ordertrace.orders import incidents as rules
from ordertrace.orders.incidents import build_cause

from .samples import NOW

EXCHANGE = "alexandrite.orders"
EVIDENCE = {
    Verdict.UNROUTABLE: MessageFact("published_to_no_queue", {"exchange": EXCHANGE, "routing_key": "order.submited"}),
    Verdict.STUCK_IN_QUEUE: MessageFact("queue_depth", {"ready": "14", "consumers": "0"}),
    Verdict.UNACKED: MessageFact("unacked", {"unacked": "1", "consumer": "mes"}),
    Verdict.REDELIVERY_LOOP: MessageFact("redelivered", {"times": "23", "consumer": "crm"}),
    Verdict.REMOVED: MessageFact("missing_in_queue", {"ready": "0", "consumers": "1", "expected": "3"}),
    Verdict.QUEUE_DELETED: MessageFact("queue_deleted", {"queue": "mes.orders"}),
    Verdict.BROKER_RESTART: MessageFact("broker_restarted", {"kept": "transient"}),
    Verdict.OVERFLOW_REJECTED: MessageFact("overtaken", {"queue": "mes.orders"}),
}


def build_life(number: int, verdict: Verdict | None = None, **more: object) -> MessageLife:
    """A message about an order, on its way from the shop to MES; with a verdict as the detector would leave it."""
    sent = NOW - timedelta(minutes=4, seconds=7 * number)
    lost = verdict is not None and verdict not in STUCK
    evidence = (
        EVIDENCE.get(verdict, MessageFact("dead_letter", {"reason": str(verdict), "queue": "mes.orders"}))
        if verdict
        else None
    )
    life = MessageLife(
        broker="main",
        key=f"5f0c{number:028x}",
        message_id=f"5f0c{number:028x}",
        exchange=EXCHANGE,
        routing_key="order.submitted",
        queue="mes.orders",
        order_id=f"A-24{number:03d}",
        status="SUBMITTED",
        published_at=sent,
        delivered_at=sent + timedelta(milliseconds=12),
        settled_at=sent + timedelta(seconds=1),
        publisher="shop",
        consumer="mes",
        redeliveries=0,
        state=MessageState.SETTLED,
    )
    if verdict:
        waits = verdict in (
            Verdict.STUCK_IN_QUEUE,
            *(v for v in Verdict if v not in STUCK and v is not Verdict.NO_EFFECT),
        )
        life = replace(
            life,
            state=MessageState.LOST if lost else MessageState.QUEUED if waits else MessageState.DELIVERED,
            delivered_at=None if waits else life.delivered_at,
            settled_at=None,
            consumer="" if waits else "mes",
            verdict=verdict,
            confidence=CERTAIN if verdict in (Verdict.UNROUTABLE, Verdict.EXPIRED) else LIKELY if lost else INFERRED,
            since=sent + timedelta(seconds=1),
            detected_at=sent + timedelta(seconds=1, milliseconds=40),
            evidence=(evidence,) if evidence else (),
        )
    if verdict is Verdict.UNROUTABLE:
        life = replace(life, queue="", routing_key="order.submited")
    if verdict is Verdict.NEVER_PUBLISHED:
        life = replace(life, queue="", published_at=None)
    if verdict is Verdict.REDELIVERY_LOOP:
        life = replace(life, redeliveries=23, consumer="crm", queue="crm.order-events")
    return replace(life, **more)  # type: ignore[arg-type]


def every_life() -> tuple[MessageLife, ...]:
    """One for each verdict, one for each state, a recovered one, a fan-out, a hostile one."""
    judged = [build_life(i, verdict) for i, verdict in enumerate(Verdict)]
    stuck = [build_life(40 + i, Verdict.STUCK_IN_QUEUE) for i in range(6)]
    states = [
        build_life(60 + i, state=state, **({"delivered_at": None, "settled_at": None} if i < 2 else {}))
        for i, state in enumerate(MessageState)
    ]
    recovered = build_life(70, Verdict.STUCK_IN_QUEUE, cleared_at=NOW, state=MessageState.SETTLED, consumer="mes",
                           delivered_at=NOW, settled_at=NOW)  # fmt: skip
    fan_out = build_life(0, key="fan", queue="crm.order-events", consumer="crm")
    other = build_life(1, Verdict.EXPIRED, key="fan", queue="a-very-long-queue-name-that-goes.on.and.on-for-ever")
    text = "<script>alert(1)</script>/../ё %(x)s"
    hostile = build_life(80, Verdict.REJECTED, key=text, message_id=text, queue=text, order_id=text, publisher=text,
                         routing_key=text, exchange=text, evidence=(MessageFact(text, {text: text}),))  # fmt: skip
    bare = MessageLife("main", "bare", "", "", "", "", "", "", None, None, None, "", "", 0, MessageState.UNSEEN)
    return (*judged, *stuck, *states, recovered, fan_out, other, hostile, bare)


class SampleMessages:
    """Looks messages up as `MessageStore` would; times are moved so that they look recent at any `now`."""

    def __init__(self, lives: Sequence[MessageLife] = (), gaps: bool = True) -> None:
        self.lives = list(lives)
        self.has_gaps = gaps

    async def find_messages(self, query: MessageFilter, now: datetime) -> MessagePage:
        if query.cursor and not query.cursor.isdigit():
            raise Invalid(f"cursor {query.cursor!r} is not one of ours")
        fitting = [
            moved(life, now - NOW)
            for life in self.lives
            if query.queue in ("", life.queue)
            and query.order in ("", life.order_id)
            and query.state in ("", life.state)
            and query.verdict in ("", life.verdict if life.cleared_at is None else None)
        ]
        begin = int(query.cursor or 0)
        end = begin + query.limit
        return MessagePage(tuple(fitting[begin:end]), str(end) if end < len(fitting) else None)

    async def get_message(self, message: str) -> tuple[MessageLife, ...]:
        found = tuple(life for life in self.lives if message in (life.key, life.message_id))
        if not found:
            raise NotFound(f"no message {message[:80]!r} was seen")
        return tuple(moved(life, datetime.now(UTC) - NOW) for life in found)

    async def steps(self, key: str) -> tuple[MessageEvent, ...]:
        life = (await self.get_message(key))[0]
        sent = life.published_at
        return (MessageEvent(sent, "published", life.queue, life.publisher),) if sent else ()

    async def queues(self, now: datetime) -> tuple[QueueSight, ...]:
        def sight(
            name: str, ready: int, consumers: int | None, oldest: float | None, stuck: int = 0, lost: int = 0
        ) -> QueueSight:
            at = None if oldest is None else now - timedelta(seconds=oldest)
            return QueueSight("main", name, now, ready, 1 if consumers else None, consumers, at, 2.5, 2.4, stuck, lost)

        if not self.lives:
            return ()
        return (
            sight("shop.order-events", 0, 2, None),
            sight("mes.orders", 14, 0, 260, 7, 3),
            sight("crm.order-events", 3, 1, 90),
            sight("nobody.listens", 5, 0, 130),
            sight("unknown", 1, None, 4),
        )

    async def queue_courses(self, since: datetime, until: datetime, spans: int) -> Sequence[tuple[object, ...]]:
        step = (until - since) / spans
        seen = [i for i in range(spans) if not (self.has_gaps and 20 <= i < 26)]
        return [
            ("main", queue.queue, since + i * step, (i * 7) % 11, 2.0 + i % 3, 2.0 + i % 2)
            for queue in await self.queues(until)
            for i in seen
        ]

    async def gaps(self, since: datetime, broker: str = "") -> tuple[WatchGap, ...]:
        if not self.has_gaps:
            return ()
        now = datetime.now(UTC)
        found = (
            WatchGap("main", now - timedelta(minutes=40), now - timedelta(minutes=34), "broker_restarted"),
            WatchGap("main", now - timedelta(hours=5), now - timedelta(hours=4, minutes=58), "tap_overflow"),
        )
        return tuple(gap for gap in found if gap.until and gap.until > since)

    async def failed_groups(self, now: datetime) -> tuple[FailedGroup, ...]:
        groups: dict[tuple[str, Verdict], list[MessageLife]] = defaultdict(list)
        for life in self.lives:
            if life.verdict and life.cleared_at is None:
                groups[life.queue, life.verdict].append(moved(life, now - NOW))
        found = []
        for (queue, verdict), lives in groups.items():
            orders = sorted({life.order_id for life in lives if life.order_id})
            times = [life.since for life in lives if life.since]
            found.append(
                FailedGroup("main", queue, verdict, len(lives), len(orders), min(times), max(times), tuple(orders[:20]))
            )
        return tuple(found)

    async def failed_groups_by_error(self, now: datetime) -> tuple[FailedGroup, ...]:
        return tuple(replace(each, error_type="ValueError") for each in await self.failed_groups(now))

    async def messages_of_orders(self, order_ids: Sequence[str]) -> dict[str, list[MessageLife]]:
        return {name: [life for life in self.lives if life.order_id == name] for name in order_ids}


def moved(life: MessageLife, by: timedelta) -> MessageLife:
    names = ("published_at", "delivered_at", "settled_at", "since", "detected_at", "cleared_at")
    return replace(life, **{name: at + by for name in names if (at := getattr(life, name))})


def sights(connected: bool = True) -> tuple[BrokerSight, ...]:
    """A broker that is watched except for its events, or one that is not connected."""
    off = "" if connected else "not_connected"
    sources = (
        SourceSight("tap", connected, off),
        SourceSight("dead_letters", connected, off),
        SourceSight("events", False, "no_rights"),
        SourceSight("queues", connected, off),
        SourceSight("management", connected, off or "not_configured"),
    )
    return (BrokerSight("main", connected, NOW - timedelta(hours=2), sources, NOW, 0.2),)


def every_incident() -> list[IncidentView]:
    """One of each kind of cause, in each state, with a history."""
    mismatch = {
        "ahead": "crm",
        "ahead_status": "MANUFACTURING_APPROVED",
        "behind": "shop",
        "behind_status": "PRICE_CALCULATED",
    }
    told: list[tuple[DiagnosisKind, str, dict[str, str]]] = [
        (DiagnosisKind.MESSAGE_STUCK, "mes", {"verdict": "stuck_in_queue", "queue": "mes.orders"}),
        (DiagnosisKind.MESSAGE_LOST, "shop", {"verdict": "unroutable", "routing_key": "order.submited"}),
        (
            DiagnosisKind.PROCESSING_ERROR,
            "crm",
            {"error_type": "LedgerClosed", "operation": "POST /orders/{id}/approve"},
        ),
        (DiagnosisKind.TRANSFER_ERROR, "shop", {"target": "mes", "error_type": "ConnectError"}),
        (DiagnosisKind.TOO_SLOW, "mes", {"next_status": "MANUFACTURING_STARTED"}),
        (DiagnosisKind.STATUS_MISMATCH, "shop", mismatch),
        (DiagnosisKind.NO_EFFECT, "mes", {"queue": "mes.orders"}),
        (DiagnosisKind.NEVER_PUBLISHED, "crm", {"status": "CLOSED"}),
        (DiagnosisKind.SOURCE_SILENT, "crm", {}),
        (DiagnosisKind.PROCESSING_ERROR, "<script>alert(1)</script>", {"error_type": "<b>x</b>"}),
    ]
    causes = [Diagnosis(kind, NOW, system, 0.9, (), facts) for kind, system, facts in told]
    views = []
    for i, diagnosis in enumerate(causes):
        began = NOW - timedelta(minutes=7 * i + 3)
        incident = Incident(
            build_cause(diagnosis), IncidentState.OPEN, began, began + timedelta(seconds=1.4), NOW, orders=31 * i + 2,
            affected=7 * i + 1, messages=3,
        )  # fmt: skip
        entries = [IncidentEntry(incident.id, incident.detected_at, EntryKind.OPENED)]
        if i % 3 == 1:
            incident, entry = rules.acknowledge(incident, "Анна", "<b>restarting</b>\nMES", NOW)
            entries.append(entry)
        if i % 4 == 3:
            incident, entry = rules.resolve(incident, "Olga", "", NOW)
            entries.append(entry)
        views.append(IncidentView(incident, tuple(entries), ("A-24551", "A-24803", "<script>/ё")))
    return views


class SampleIncidents:
    """Keeps incidents in a list as `IncidentKeeper` would keep them in the store."""

    def __init__(self, views: Sequence[IncidentView] = ()) -> None:
        self.views = {view.incident.id: view for view in views}

    async def find(self, now: datetime) -> list[IncidentView]:
        return [recent(view, now) for view in self.views.values()]

    async def get(self, incident_id: str) -> IncidentView:
        if incident_id not in self.views:
            raise NotFound(f"there is no incident {incident_id!r}")
        return recent(self.views[incident_id], datetime.now(UTC))

    async def of_order(self, order_id: str) -> list[Incident]:
        return [view.incident for view in self.views.values() if order_id in view.order_ids][:2]


class RecordingIncidents(SampleIncidents):
    """Also takes down what was said."""

    def __init__(self) -> None:
        super().__init__(every_incident())
        self.said: list[tuple[str, ...]] = []

    async def acknowledge(self, incident_id: str, by: str, text: str, now: object) -> IncidentView:
        return await self._take("acknowledge", incident_id, by, text)

    async def note(self, incident_id: str, by: str, text: str, now: object) -> IncidentView:
        return await self._take("note", incident_id, by, text)

    async def resolve(self, incident_id: str, by: str, text: str, now: object) -> IncidentView:
        return await self._take("resolve", incident_id, by, text)

    async def _take(self, *said: str) -> IncidentView:
        if not said[2]:
            raise Invalid("by: say who you are")
        self.said.append(said)
        return await self.get(said[1])


def recent(view: IncidentView, now: datetime) -> IncidentView:
    """The same, as if it had happened lately."""
    by, incident = now - NOW, view.incident
    names = ("began_at", "detected_at", "last_at", "acknowledged_at", "resolved_at")
    later = replace(incident, **{name: at + by for name in names if (at := getattr(incident, name))})
    return replace(view, incident=later, entries=tuple(replace(entry, at=entry.at + by) for entry in view.entries))
