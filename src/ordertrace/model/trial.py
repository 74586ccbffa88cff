"""A trial of rules: which of them takes which span and log record to which order and status, and what that would change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Why(StrEnum):
    """What takes a span or log record to its order, or why it belongs to none."""

    RULE = "rule"  # a rule for order ids finds the order in itself
    LOG = "log"  # a rule finds it in a log record that was written in the span
    MESSAGE = "message"
    CORRELATION = "correlation"
    LINK = "link"
    KEY = "key"
    SEQUENCE = "sequence"
    TIME = "time"
    ABOVE = "above"  # the nearest named span above works for it, and for it alone
    BELOW = "below"  # all named spans below work for it
    TRACE = "trace"  # the trace names no other order
    NOTHING_NAMED = "nothing_named"  # nothing in the trace names an order
    SEVERAL = "several"  # the trace serves several orders, and nothing says whose part this is
    NAMES_SEVERAL = "names_several"  # it is named for several orders itself
    UNKNOWN_KEY = "unknown_key"  # it holds a key of which nobody knows whose it is
    UNKNOWN_ORDER = "unknown_order"  # the system that was asked does not know the order


class Difference(StrEnum):
    """What other rules would change."""

    NONE = ""
    GAINED = "gained"
    LOST = "lost"
    MOVED = "moved"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one set of rules says of a span or log record; texts are '' where it says nothing."""

    order_id: str = ""
    joined_by: str = ""
    confidence: float = 0.0
    why: Why = Why.NOTHING_NAMED
    rule: str = ""  # that found the order id
    from_span: str = ""  # from which the order was handed on
    status: str = ""
    status_rule: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """A span or log record under the rules tried and as it is stored; `depth` below the roots of its trace."""

    kind: str  # of the span, or 'Log'
    span_id: str
    parent_id: str
    depth: int
    at: datetime
    system: str
    name: str
    tells: bool  # whether it tells a fact about its order
    verdict: Verdict
    stored: Verdict
    facts: tuple[tuple[str, str, str, float], ...]  # in force: order, status, how, confidence

    @property
    def difference(self) -> Difference:
        """What the rules tried would change."""
        now, then = self.stored, self.verdict
        if now.order_id != then.order_id:
            if not now.order_id:
                return Difference.GAINED
            return Difference.MOVED if then.order_id else Difference.LOST
        return Difference.STATUS if now.status != then.status else Difference.NONE


@dataclass(frozen=True, slots=True)
class TriedTrace:
    """A trace: its spans, parents before children, each followed by its log records."""

    trace_id: str
    tried: tuple[Tried, ...]

    @property
    def orders(self) -> tuple[str, ...]:
        """Orders that the rules tried find in it."""
        return tuple(sorted({one.verdict.order_id for one in self.tried if one.verdict.order_id}))

    @property
    def differences(self) -> int:
        """How many of its spans and log records the rules tried would change."""
        return sum(1 for one in self.tried if one.difference)


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule, what it is for (`id` or `status`), and in how many spans and log records it is the one that found something."""

    purpose: str
    rule: str
    uses: int


@dataclass(frozen=True, slots=True)
class Trial:
    """The rules tried on what is stored of an order or a trace; `limits` names the bounds that cut it short."""

    order_id: str
    traces: tuple[TriedTrace, ...]
    rules: tuple[RuleUse, ...]
    limits: tuple[str, ...]

    @property
    def differences(self) -> int:
        """How many spans and log records the rules tried would change."""
        return sum(trace.differences for trace in self.traces)
