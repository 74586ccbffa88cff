"""How well each system is seen: what its telemetry holds, and the one change that would help most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .board import SystemSight


class AdviceKind(StrEnum):
    """What to change at a system so that more is known of its orders."""

    CONNECT = "connect"  # nothing was ever heard of it
    RECONNECT = "reconnect"  # it was heard, and has been silent since
    NAME_SERVICE = "name_service"  # its services belong to no system of the flow
    ORDER_ID = "order_id"  # its spans do not name their order
    STATUS = "status"  # it brings about statuses and says none
    MESSAGE_ID = "message_id"  # its messages cannot be told apart by an id
    STACK = "stack"  # its errors do not say where they come from
    LOGS = "logs"  # its log records would name orders that its spans do not
    CLOCK = "clock"  # its clock is off
    WATCH_BROKER = "watch_broker"  # it sends nothing itself, and nobody watches its messages
    MAP_MESSAGES = "map_messages"  # its messages are seen, and no rule finds the order in them


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a system sent in the last `window_seconds`: `received` spans in all, the rest counted over a sample of `spans`.

    `joined` spans work for a known order, `naming` of them say so themselves; `messages` are sent or received. An error is
    without stack if no span of its trace in the system has one. `stray` are spans that belong to no order, by what their trace
    enters the system with (consumer, server, other), and `examples` the most frequent names of such entries.
    """

    window_seconds: float = 0.0
    received: int = 0
    spans: int = 0
    joined: int = 0
    naming: int = 0
    messages: int = 0
    with_message_id: int = 0
    with_status: int = 0
    errors: int = 0
    errors_without_stack: int = 0
    logs: int = 0
    stray: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""  # java-agent, java, python, nodejs, dotnet, go, zipkin or other; '' where nothing was sent
    watched: int = 0  # messages that the broker took from it
    watched_with_order: int = 0
    watched_with_id: int = 0
    watched_with_status: int = 0


@dataclass(frozen=True, slots=True)
class Advice:
    """One change; `change` are its exact lines, as they stand in code or settings. `share` of the telemetry gains by it."""

    kind: AdviceKind
    share: float
    example: str = ""
    change: tuple[str, ...] = ()
    change_in: str = ""  # code, environment, settings or shell


@dataclass(frozen=True, slots=True)
class SystemCoverage:
    """A system, how far its clock is ahead of ours (None: not known), what it sends, and what would help most."""

    sight: SystemSight
    skew_seconds: float | None
    coverage: Coverage
    advice: Advice | None
