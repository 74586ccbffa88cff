"""Faults that strike messages: what becomes of the message, in which queue, and what ordertrace should say of its order.

A table; who does the harm is written in `sending` (publishers), `mes` (the reader) and `moments` (the broker).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

SUBMITTED, APPROVED, SHIPPED = "SUBMITTED", "MANUFACTURING_APPROVED", "SHIPPED"
LOST, STUCK = "message_lost", "message_stuck"

TTL_SECONDS = 1.5  # long enough for every reader that is there, the same at every speed: it is in a queue's arguments
DELIVERIES_MAX = 3  # what the quorum queue allows after the first delivery
LOOPS = 12  # so many redeliveries make a loop
_LANE = "alexandrite.lab."


@dataclass(frozen=True, slots=True)
class Harm:
    """One fault. `by` notices that the harm is done: a system, the `publisher`, or the `broker` (a moment of the run).

    `where` are the statuses whose message is struck, or ways to strike the message of the approval.
    """

    share: float
    kind: str
    by: str
    where: tuple[str, ...] = (APPROVED,)


HARMS: Mapping[str, Harm] = {
    "unroutable": Harm(0.008, LOST, "publisher", (SUBMITTED, APPROVED, SHIPPED)),
    "expired": Harm(0.008, LOST, "crm", ("message", "queue")),
    "maxlen": Harm(0.008, LOST, "crm"),
    "overflow_rejected": Harm(0.008, LOST, "crm"),
    "rejected": Harm(0.008, LOST, "mes", (SUBMITTED, APPROVED)),
    "delivery_limit": Harm(0.008, LOST, "mes"),
    "queue_deleted": Harm(0.008, LOST, "broker"),
    "removed": Harm(0.008, LOST, "broker"),
    "broker_restart": Harm(0.008, LOST, "broker"),
    "stuck_in_queue": Harm(0.008, STUCK, "crm"),
    "unacked": Harm(0.008, STUCK, "mes"),
    "redelivery_loop": Harm(0.008, STUCK, "mes"),
    "no_effect": Harm(0.008, "no_effect", "mes"),
    "never_published": Harm(0.008, "never_published", "publisher", (SUBMITTED, APPROVED)),
}
NEEDS_OWN_BROKER = "broker_restart"
# What the whole company suffers at a moment of the run, rather than one message when it is sent or read.
MOMENTS = ("queue_deleted", "removed", NEEDS_OWN_BROKER)

# Queues for approvals that need arguments of their own, or that the MES reads in its own way. Name → arguments.
LANES: Mapping[str, Mapping[str, int | str]] = {
    "expired": {},
    "expired_ttl": {"x-message-ttl": round(TTL_SECONDS * 1000)},
    "maxlen": {"x-max-length": 1},
    "overflow_rejected": {"x-max-length": 1, "x-overflow": "reject-publish"},
    "delivery_limit": {"x-queue-type": "quorum", "x-delivery-limit": DELIVERIES_MAX},
    "queue_deleted": {},
    "removed": {},
    "broker_restart": {},
    "stuck_in_queue": {},
    "unacked": {},
    "redelivery_loop": {},
    "no_effect": {},
}
READ_BY_MES = ("delivery_limit", "stuck_in_queue", "unacked", "redelivery_loop", "no_effect")


def struck_status(fault: str, where: str) -> str:
    """The status whose message is struck; empty where the fault does not strike messages."""
    return "" if fault not in HARMS else where if where in (SUBMITTED, APPROVED, SHIPPED) else APPROVED


def lane_of(fault: str, where: str) -> str:
    """The lane that the approval takes, or nothing where it goes the usual way."""
    return "expired_ttl" if (fault, where) == ("expired", "queue") else fault if fault in LANES else ""


def lane_queue(lane: str) -> str:
    return f"{_LANE}{lane}"


def lanes_for(faults: Collection[str]) -> tuple[str, ...]:
    """The lanes that these faults need."""
    return tuple(lane for lane in LANES if lane in faults or (lane == "expired_ttl" and "expired" in faults))


def struck_queue(fault: str, where: str) -> str:
    """The queue from which the message is missed; empty where it never came to one."""
    if lane := lane_of(fault, where):
        return lane_queue(lane)
    return "mes.orders" if fault == "rejected" else ""


def publisher_of(status: str) -> str:
    return {SUBMITTED: "shop", APPROVED: "crm", SHIPPED: "mes"}[status]


def facts_when_done(fault: str, where: str) -> tuple[str, ...]:
    """The facts after which the order rests: the harm is done and everybody else has heard of the status."""
    status = struck_status(fault, where)
    if fault == "never_published":
        return (f"{publisher_of(status)} harmed {status}",)
    by = publisher_of(status) if HARMS[fault].by == "publisher" else HARMS[fault].by
    done = (f"{publisher_of(status)} sent {status}", f"{by} harmed {status}")
    others = {SUBMITTED: ("crm applied SUBMITTED",), APPROVED: ("shop applied MANUFACTURING_APPROVED",)}.get(status, ())
    return done if fault == "unroutable" else (*done, *others)
