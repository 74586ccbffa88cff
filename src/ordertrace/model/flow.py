"""The expected life of an order: steps, who brings them about, and how long they may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property


@dataclass(frozen=True, slots=True)
class System:
    """A participant: Shop, MES, CRM, carrier. `closed` ones send no telemetry of their own; `follows` ones take over every
    status that others bring about, so that one that stays behind is out of step.
    """

    name: str
    title: str
    services: tuple[str, ...]
    closed: bool = False
    owner: str = ""
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One status of the flow, the system that brings it about, and what may follow.

    `deadline` is the time allowed from this status to the next one; None leaves it to the whole order's deadline.
    """

    status: str
    system: str
    next: tuple[str, ...] = ()
    deadline: timedelta | None = None


@dataclass(frozen=True)
class Flow:
    """Steps in the order in which they are expected; a step's rank is its position, from 1.

    Statuses that end an order rank above all others, `cancelled` above `closed`, so that "furthest reached"
    is the largest rank whatever the order of arrival. Rank 0 is a status that the flow does not know.
    """

    steps: tuple[Step, ...]
    systems: tuple[System, ...]
    deadline: timedelta
    closed: frozenset[str]
    cancelled: frozenset[str]
    error_grace: timedelta
    mismatch_grace: timedelta
    silence: timedelta

    @cached_property
    def _by_status(self) -> Mapping[str, Step]:
        return {step.status: step for step in self.steps}

    @cached_property
    def _by_system(self) -> Mapping[str, System]:
        return {system.name: system for system in self.systems}

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """Rank of every known status; see the class."""
        count = len(self.steps)
        ranks = {step.status: i for i, step in enumerate(self.steps, 1)}
        ranks |= dict.fromkeys(self.closed, count + 1)
        ranks |= dict.fromkeys(self.cancelled, count + 2)
        return ranks

    @cached_property
    def system_of_service(self) -> Mapping[str, str]:
        """Service name → system name; services not listed are systems of their own."""
        return {service: system.name for system in self.systems for service in system.services}

    @cached_property
    def shortest(self) -> timedelta:
        """The shortest time after which something may be held against an order."""
        deadlines = [step.deadline for step in self.steps if step.deadline]
        return min(self.deadline, self.error_grace, self.mismatch_grace, self.silence, *deadlines)

    def rank(self, status: str) -> int:
        return self.ranks.get(status, 0)

    def step(self, status: str) -> Step | None:
        return self._by_status.get(status)

    def system(self, name: str) -> System:
        """The configured system of that name, or one made up for a service nobody configured."""
        return self._by_system.get(name) or System(name=name, title=name, services=(name,))

    def is_end(self, status: str) -> bool:
        return status in self.closed or status in self.cancelled

    def successor(self, status: str) -> Step | None:
        """The step expected after `status`: the first of its `next` that does not cancel; None at the end."""
        step = self._by_status.get(status)
        for name in step.next if step else ():
            if name not in self.cancelled and (follower := self._by_status.get(name)):
                return follower
        return None

    def way(self, start: str, end: str) -> tuple[str, ...] | None:
        """The shortest way that the flow allows from one status to another, without these two; None if there is none."""
        ways: dict[str, tuple[str, ...]] = {start: ()}
        rim = [start]
        while rim:
            at = rim.pop(0)
            step = self._by_status.get(at)
            for status in step.next if step else ():
                passed = (*ways[at], at) if at != start else ()
                if status == end:
                    return passed
                if status not in ways:
                    ways[status] = passed
                    rim.append(status)
        return None

    def path_after(self, status: str) -> tuple[Step, ...]:
        """The steps still expected after `status`, in order; empty at the end or for an unknown status."""
        path: list[Step] = []
        while (follower := self.successor(status)) and follower not in path:
            path.append(follower)
            status = follower.status
        return tuple(path)
