"""The truth about every order, beside all telemetry: for tests that compare what ordertrace found.

Services report facts through a pipe (`Facts`); the run gathers them (`Ledger`) and writes one line for an order when
it rests, that is when it is closed, cancelled or stuck for good, and one for each of the others at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from .harm import struck_queue
from .plan import Expected, OrderPlan, Plan, expect


@dataclass(frozen=True, slots=True)
class Fact:
    """What one participant did with an order: `what` is `reached`, `applied`, `ignored` (a status), `noted error`, …

    About the message that a fault strikes: `sent` or `rejected` (text: its id), then `harmed`.
    """

    order_id: str
    system: str
    what: str
    status: str = ""
    text: str = ""
    at: float = field(default_factory=time.time)

    def __str__(self) -> str:
        return f"{self.system} {self.what} {self.status}".rstrip()


class Facts:
    """Where a service reports facts; `descriptor` None (a service started by hand) drops them."""

    def __init__(self, system: str, descriptor: int | None) -> None:
        self._system = system
        self._descriptor = descriptor

    def add(self, order_id: str, what: str, status: str = "", text: str = "") -> None:
        fact = Fact(order_id, self._system, what, status, text[:500])
        if self._descriptor is not None:
            line = json.dumps({name: getattr(fact, name) for name in Fact.__slots__}) + "\n"
            os.write(self._descriptor, line.encode())  # below PIPE_BUF, so lines of several services do not mix


@dataclass(slots=True)
class OrderTruth:
    """What is known of one order so far."""

    id: str
    plan: OrderPlan
    expected: Expected
    facts: list[Fact] = field(default_factory=list)
    rests: bool = False

    @property
    def path(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.what == "reached"]

    @property
    def did(self) -> frozenset[str]:
        """The kinds of facts known so far."""
        return frozenset(fact.what for fact in self.facts)

    @property
    def message(self) -> dict[str, Any] | None:
        """The message that the order's fault strikes, once it is struck; without an id if it was never published."""
        if rejected := self._first("rejected"):
            known = {"verdict": "rejected", "queue": f"{rejected.system}.order-events", "message_id": rejected.text}
            return known | {"at": rejected.at}
        if not (harmed := self._first("harmed")):
            return None
        sent = self._first("sent")
        return {
            "verdict": self.plan.fault,
            "queue": struck_queue(self.plan.fault, self.plan.where),
            "message_id": sent.text if sent else None,
            "at": harmed.at,
        }

    def add(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.rests = self.rests or self.expected.rests_when <= {str(each) for each in self.facts}

    def _first(self, what: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.what == what), None)

    def to_json(self) -> dict[str, Any]:
        """One line of the truth file; times are Unix seconds."""
        views = {fact.system: fact.status for fact in self.facts if fact.what in ("reached", "applied")}
        return {
            "order": self.id,
            "fault": self.plan.fault or None,
            "where": self.plan.where or None,
            "path": [{"status": fact.status, "system": fact.system, "at": fact.at} for fact in self.path],
            "applied": [
                {"status": fact.status, "system": fact.system, "at": fact.at}
                for fact in self.facts
                if fact.what == "applied"
            ],
            "errors": [
                {"system": fact.system, "what": fact.text, "at": fact.at}
                for fact in self.facts
                if fact.what == "noted error"
            ],
            "message": self.message,
            "views": views,
            "rests": self.rests,
            "ended_at": self.facts[-1].at if self.facts else None,
            "expected": {
                "state": self.expected.state if self.rests else "open",
                "status": self.expected.status if self.rests else (self.path[-1].status if self.path else None),
                "kind": self.expected.kind if self.rests else None,
                "system": self.expected.system if self.rests else None,
            },
        }


class Ledger:
    """Gathers facts of all services; `file` takes the truth as JSON lines (None: nothing is written)."""

    def __init__(self, plan: Plan, file: TextIO | None) -> None:
        self.orders: dict[str, OrderTruth] = {}
        self._plan = plan
        self._file = file
        self._changed = asyncio.Event()
        self._awaited: dict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)

    def add(self, fact: Fact) -> None:
        order = self.orders.get(fact.order_id)
        if order is None:
            plan = self._plan.of(fact.order_id)
            order = self.orders[fact.order_id] = OrderTruth(fact.order_id, plan, expect(plan))
        rested = order.rests
        order.add(fact)
        if order.rests and not rested:
            self._write(order)
        self._changed.set()
        self._changed = asyncio.Event()
        if awaited := self._awaited.pop((fact.order_id, str(fact)), None):
            awaited.set()

    async def rest(self, count: int) -> None:
        """Returns when so many orders have come to rest."""
        await self.until(lambda: sum(order.rests for order in self.orders.values()) >= count)

    async def until(self, true: Callable[[], bool]) -> None:
        """Returns when that is true; asked again after each fact."""
        while not true():
            await self._changed.wait()

    async def happened(self, order_id: str, fact: str) -> None:
        """Returns when that fact, such as `crm applied PRICE_CALCULATED`, is known; perhaps never."""
        if not any(str(known) == fact for known in self.orders[order_id].facts):
            await self._awaited[order_id, fact].wait()

    def finish(self) -> None:
        """Writes the orders that had not come to rest."""
        for order in self.orders.values():
            if not order.rests:
                self._write(order)

    def _write(self, order: OrderTruth) -> None:
        if self._file:
            self._file.write(json.dumps(order.to_json()) + "\n")
            self._file.flush()
