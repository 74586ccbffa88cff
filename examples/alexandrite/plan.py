"""What will happen to each order of a run: its customer, its timing and its fault, all from one seed.

Driver and services ask the same plan, so nothing about faults travels in messages or telemetry. Times are business
minutes; `speed` says how much faster than life they pass (60: a minute takes a second).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from .harm import HARMS, LOST, NEEDS_OWN_BROKER, facts_when_done, publisher_of, struck_status

FLOW = (
    "INITIATED", "SUBMITTED", "PRICE_CALCULATED", "MANUFACTURING_APPROVED", "MANUFACTURING_STARTED",
    "MANUFACTURING_COMPLETED", "PACKAGING", "SHIPPED", "CLOSED",
)  # fmt: skip
CANCELLED = "CANCELLED"

# Status → business minutes until the next one: as a rule, and where the step is slow. ordertrace.toml has the deadlines.
USUAL = {
    "INITIATED": (2.0, 5.0),
    "SUBMITTED": (2.0, 5.0),
    "PRICE_CALCULATED": (3.0, 7.0),
    "MANUFACTURING_APPROVED": (1.0, 3.0),
    "MANUFACTURING_STARTED": (7.0, 11.0),
    "MANUFACTURING_COMPLETED": (1.0, 3.0),
    "PACKAGING": (2.0, 4.0),
    "SHIPPED": (4.0, 7.0),
}
SLOW = {
    "INITIATED": (18.0, 24.0),
    "SUBMITTED": (18.0, 24.0),
    "PRICE_CALCULATED": (22.0, 30.0),
    "MANUFACTURING_APPROVED": (16.0, 22.0),
    "MANUFACTURING_STARTED": (30.0, 40.0),
    "MANUFACTURING_COMPLETED": (16.0, 22.0),
    "PACKAGING": (16.0, 22.0),
    "SHIPPED": (26.0, 34.0),
}

# Fault → share of orders, and where in the flow it may strike (one of these is drawn for each order).
COMMON_FAULTS: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "mes_error": (0.025, ("SUBMITTED", "MANUFACTURING_STARTED")),
    "crm_exception": (0.02, ("approve", "event")),
    "crm_exception_fixed": (0.015, ("approve",)),
    "status_not_synchronised": (0.02, ("MANUFACTURING_COMPLETED", "PACKAGING", "SHIPPED")),
    "transfer_error": (0.02, ("answered", "refused")),
    "abandoned": (0.015, ("INITIATED",)),
    "slow_step": (0.02, tuple(SLOW)),
    "cancelled": (0.015, ("INITIATED", "SUBMITTED", "PRICE_CALCULATED")),
}
FAULTS = {**COMMON_FAULTS, **{name: (harm.share, harm.where) for name, harm in HARMS.items()}}
# What a newcomer sees without asking: the common faults, and a few lost and stuck messages.
USUAL_FAULTS = (
    *COMMON_FAULTS, "unroutable", "expired", "maxlen", "rejected", "stuck_in_queue", "no_effect", "never_published",
)  # fmt: skip
SETS = {
    "none": (),
    "common": tuple(COMMON_FAULTS),
    "usual": USUAL_FAULTS,
    "messages": tuple(name for name in HARMS if name != NEEDS_OWN_BROKER),
    "all": tuple(name for name in FAULTS if name != NEEDS_OWN_BROKER),
}

_FIRST_NAMES = (
    "Anna",
    "Boris",
    "Clara",
    "Dmitri",
    "Elena",
    "Fyodor",
    "Galina",
    "Igor",
    "Ksenia",
    "Leonid",
    "Marina",
    "Oleg",
)
_LAST_NAMES = ("Abramova", "Belov", "Chernova", "Danilov", "Ershova", "Fomin", "Gusev", "Ivanova", "Kozlov", "Lebedeva")
_ITEMS = ("bracelet", "brooch", "cuff links", "earrings", "pendant", "ring", "tiara")
_MATERIALS = ("GOLD-585", "GOLD-750", "SILVER-925", "PLATINUM-950")
_GOLDEN = 0.6180339887498949


class PlanError(ValueError):
    """A list of faults that cannot be read; the message names the fault."""


def parse_faults(text: str) -> dict[str, float]:
    """A set's name, or `mes_error,slow_step=0.1` → share of orders by fault. Raises PlanError."""
    if (names := SETS.get(text or "none")) is not None:
        return {name: FAULTS[name][0] for name in names}
    shares: dict[str, float] = {}
    for item in text.split(","):
        name, _, share = item.strip().partition("=")
        if name not in FAULTS:
            raise PlanError(f"there is no fault {name!r}; there are {', '.join((*SETS, *FAULTS))}")
        try:
            shares[name] = float(share) if share else FAULTS[name][0]
        except ValueError:
            raise PlanError(f"fault {name}: share {share!r} is not a number such as 0.05") from None
    if not 0 <= sum(shares.values()) <= 1:
        raise PlanError(f"the shares of the faults add up to {sum(shares.values()):g}; at most 1 is possible")
    return shares


@dataclass(frozen=True, slots=True)
class Customer:
    name: str
    email: str
    phone: str
    address: str


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """One order: `fault` is empty for a healthy one, `where` says at which status or in what way the fault strikes."""

    fault: str
    where: str
    minutes: Mapping[str, float]
    customer: Customer
    item: str
    material: str
    quantity: int
    price: float

    def has(self, fault: str, *where: str) -> bool:
        return self.fault == fault and (not where or self.where in where)


@dataclass(frozen=True, slots=True)
class Expected:
    """How an order ends and what ordertrace should say then. `rests_when` are the facts after which nothing more comes."""

    state: str
    status: str
    kind: str | None
    system: str | None
    rests_when: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """All orders of a run; `first_number` is the number in the first order's id."""

    seed: int
    faults: Mapping[str, float]
    first_number: int

    def order_id(self, index: int) -> str:
        return f"ALX-26-{self.first_number + index:05d}"

    def of(self, order_id: str) -> OrderPlan:
        """The plan of the order with that id."""
        return self.at(int(order_id.rpartition("-")[2]) - self.first_number)

    def at(self, index: int) -> OrderPlan:
        """The plan of the order at that place in the run, from 0."""
        draw = random.Random(f"{self.seed}:{index}")
        fault = self._fault_at(index)
        where = draw.choice(FAULTS[fault][1]) if fault else ""
        ranges = USUAL | ({where: SLOW[where]} if fault == "slow_step" else {})
        minutes = {status: draw.uniform(*between) for status, between in ranges.items()}
        quantity = draw.choice((1, 1, 1, 2, 2, 5))
        price = round(draw.uniform(90, 2400) * quantity, 2)
        return OrderPlan(
            fault, where, minutes, _draw_customer(draw), draw.choice(_ITEMS), draw.choice(_MATERIALS), quantity, price
        )

    def _fault_at(self, index: int) -> str:
        """Evenly spread (multiples of the golden ratio): a short run, too, shows each fault as often as its share says."""
        point = (random.Random(self.seed).random() + index * _GOLDEN) % 1
        for fault, share in self.faults.items():
            if point < share:
                return fault
            point -= share
        return ""


def _draw_customer(draw: random.Random) -> Customer:
    first, last = draw.choice(_FIRST_NAMES), draw.choice(_LAST_NAMES)
    email = f"{first}.{last}{draw.randrange(100)}@example.com".lower()
    return Customer(
        f"{first} {last}", email, f"+7 9{draw.randrange(10**8, 10**9)}", f"Sadovaya {draw.randrange(1, 200)}"
    )


def expect(plan: OrderPlan) -> Expected:
    """How that order ends, in the words of ordertrace's API (state, status, diagnosis kind and its system)."""
    match plan.fault, plan.where:
        case "cancelled", _:
            return _expected("cancelled", CANCELLED, None, None, "crm applied CANCELLED")
        case "abandoned", _:
            return _expected("stuck", "INITIATED", "too_slow", "shop", "customer left")
        case "transfer_error", _:
            return _expected("failed", "INITIATED", "transfer_error", "shop", "customer gave up")
        case "mes_error", status:
            told = f"shop {'reached' if status == 'SUBMITTED' else 'applied'} {status}"
            return _expected("failed", status, "processing_error", "mes", "crm noted error", told)
        case "crm_exception", "approve":
            return _expected("failed", "PRICE_CALCULATED", "processing_error", "crm", "manager gave up")
        case "crm_exception", _:
            told = "shop applied PRICE_CALCULATED"
            return _expected("failed", "PRICE_CALCULATED", "processing_error", "crm", "crm noted error", told)
        case "status_not_synchronised", _:
            return _expected(
                "stuck", "SHIPPED", "status_mismatch", "crm", "crm ignored SHIPPED", "shop applied SHIPPED"
            )
        case fault, where if fault in HARMS:
            return _expect_harm(fault, where)
        case _:
            return _expected("closed", "CLOSED", None, None, "shop applied CLOSED")


def _expect_harm(fault: str, where: str) -> Expected:
    """What is lost or was never sent is for its publisher to send again; what stands still is with the reader, the MES."""
    status = struck_status(fault, where)
    system = publisher_of(status) if HARMS[fault].kind in (LOST, "never_published") else "mes"
    return _expected("stuck", status, HARMS[fault].kind, system, *facts_when_done(fault, where))


def _expected(state: str, status: str, kind: str | None, system: str | None, *rests_when: str) -> Expected:
    return Expected(state, status, kind, system, frozenset(rests_when))
