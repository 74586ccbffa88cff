"""A handful of messages and findings whose fate is known, as rows of the real store."""

from __future__ import annotations

from datetime import datetime, timedelta

from ordertrace.model.message import CERTAIN, MessageFact, MessageFinding, Verdict
from ordertrace.model.order import Diagnosis, DiagnosisKind
from ordertrace.store.messages import MessageStore
from ordertrace.store.orders import Finding

EXCHANGE = "alexandrite.orders"


async def save_messages(store: MessageStore, now: datetime) -> None:
    """m-ok went to two queues, m/lost expired, m-stuck waits, m-fine was stuck and is not any more."""
    sent = now - timedelta(minutes=2)

    def row(key: str, queue: str, seconds: float, kind: str, system: str, order: str) -> tuple[object, ...]:
        at = sent + timedelta(seconds=seconds)
        return (
            "main",
            key,
            queue,
            at,
            kind,
            key,
            EXCHANGE,
            "order.submitted",
            order,
            "SUBMITTED",
            system,
            "",
            "",
            "",
            "",
            now,
        )

    steps = [row("m-ok", queue, 0, "published", "shop", "A-1") for queue in ("mes.orders", "crm.order-events")]
    steps += [row("m-ok", queue, 0.1, "delivered", "crm", "A-1") for queue in ("mes.orders", "crm.order-events")]
    steps += [row("m-ok", queue, 0.2, "settled", "crm", "A-1") for queue in ("mes.orders", "crm.order-events")]
    for key, order in (("m/lost", "A-3"), ("m-stuck", "A-2"), ("m-fine", "A-1")):
        steps.append(row(key, "mes.orders", 1, "published", "shop", order))
    await store.save_events(steps)

    def found(key: str, verdict: Verdict, order: str, cleared: datetime | None = None) -> MessageFinding:
        fact = MessageFact("queue_depth", {"ready": "3", "consumers": "0"})
        return MessageFinding(key, "mes.orders", verdict, CERTAIN, (fact,), sent, sent, now, cleared, order)

    findings = [
        found("m/lost", Verdict.EXPIRED, "A-3"),
        found("m-stuck", Verdict.STUCK_IN_QUEUE, "A-2"),
        found("m-fine", Verdict.STUCK_IN_QUEUE, "A-1", now),
    ]
    await store.save_findings("main", findings, now)


def known_findings() -> dict[str, Finding]:
    """One cause that two orders suffer from, another one for a third."""
    now = datetime.fromisoformat("2026-03-12T11:54:40+00:00")
    error = Diagnosis(
        DiagnosisKind.PROCESSING_ERROR, now, "mes", 0.9, (), {"error_type": "PriceError", "operation": "price"}
    )
    slow = Diagnosis(DiagnosisKind.TOO_SLOW, now, "crm", 0.6, (), {"next_status": "MANUFACTURING_APPROVED"})
    return {
        "A-4": Finding("A-4", "failed", error, now),
        "A-5": Finding("A-5", "failed", error, now),
        "A-3": Finding("A-3", "stuck", slow, now),
    }
