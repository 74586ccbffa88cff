"""What the board shows beside the list of orders: key figures and the open orders by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .order import Order


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure now and its course over the last hours, oldest first; `value` None means not known yet."""

    name: str
    value: float | None
    trend: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Dot:
    """One open order in the flow strip; `used` is the share of its deadline that has gone (1.0 = due now)."""

    order_id: str
    used: float
    state: str


@dataclass(frozen=True, slots=True)
class StepColumn:
    """The open orders that have reached `status` and wait for `waits_for` (a system).

    `dots` holds single orders, the most urgent first, bounded; `density` counts the rest by tenths of the deadline
    (index 0 = 0…10 %, the last one = later than drawn).
    """

    status: str
    system: str
    waits_for: str
    next_status: str
    count: int
    late: int
    dots: tuple[Dot, ...]
    density: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The whole board at one moment. `attention` are stuck, failed and soon-late orders, most harmful first."""

    at: datetime
    figures: tuple[Figure, ...]
    attention: tuple[Order, ...]
    attention_count: int
    columns: tuple[StepColumn, ...]
    watching_since: datetime | None


@dataclass(frozen=True, slots=True)
class SystemSight:
    """How fresh the view of a system is: when it was last heard, and how late its telemetry usually is."""

    name: str
    title: str
    closed: bool
    owner: str
    last_seen_at: datetime | None
    lag_seconds: float | None
