"""How well systems are seen, and the one change that would help most at each. Pure, but for `CoverageReader`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.board import SystemSight
from ..model.coverage import Advice, AdviceKind, Coverage, SystemCoverage
from ..model.flow import Flow, System
from ..store.coverage import CoverageStore, ServiceRows
from . import changes
from .clock import EventClock
from .recent import Recent
from .skew import Skews, is_off

_AGE_MAX = timedelta(seconds=15)
_SHARE_MIN = 0.05  # what gains less is not worth a change
_MANY = 20  # from so many spans, messages or errors on a share means something
_SERVICES_SHOWN_MAX = 50
_RUNTIMES = {"java": "java", "python": "python", "nodejs": "nodejs", "dotnet": "dotnet", "go": "go", "": "zipkin"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides which advice can be followed: is a broker watched, and where is telemetry taken."""

    watches_brokers: bool
    otlp_http: str


def advise(
    system: System,
    coverage: Coverage,
    skew_seconds: float | None,
    silent_seconds: float | None,
    flow: Flow,
    around: Surroundings,
) -> Advice | None:
    """The change by which most of the system's telemetry would gain; None where nothing is worth it.

    `silent_seconds` is how long nothing was heard of it; None: never anything.
    """
    known = any(system.name == one.name for one in flow.systems)
    every = [*(_of_closed(coverage, around) if system.closed else _of_open(system, coverage, known, flow))]
    if not system.closed and silent_seconds is None:
        lines = changes.connect((system.services or (system.name,))[0], around.otlp_http)
        every.append((2.0, Advice(AdviceKind.CONNECT, 1.0, change=lines, change_in="environment")))
    elif not system.closed and silent_seconds is not None and silent_seconds > flow.silence.total_seconds():
        every.append((2.0, Advice(AdviceKind.RECONNECT, 1.0)))
    if skew_seconds is not None and abs(skew_seconds) >= 1.0:
        lines = changes.set_clock()
        every.append((0.1, Advice(AdviceKind.CLOCK, 1.0, f"{skew_seconds:+.1f}", lines, "shell")))
    gain, best = max(every, key=lambda each: each[0], default=(0.0, None))
    return best if gain >= _SHARE_MIN else None


def _of_open(system: System, coverage: Coverage, known: bool, flow: Flow) -> Iterator[tuple[float, Advice]]:
    """(gain, advice) for a system that sends telemetry; gains are shares of it, weighed by what they do for judgement."""
    c, runtime = coverage, coverage.runtime
    if not c.spans:
        return
    if not known:
        service = (system.services or (system.name,))[0]
        yield 1.5, Advice(AdviceKind.NAME_SERVICE, 1.0, service, changes.list_service(service), "settings")
    entry = max(c.stray, key=lambda name: (c.stray[name], name), default="")
    stray = sum(c.stray.values()) / c.spans
    if entry:
        weight = 0.5 if entry == "other" else 1.0  # jobs and starts need no order
        example = c.examples.get(entry, "")
        share = c.stray[entry] / c.spans
        yield weight * share, Advice(AdviceKind.ORDER_ID, share, example, changes.name_order(runtime), "code")
    if not c.logs and (lines := changes.send_logs(runtime)):
        yield 0.3 * stray + 0.05, Advice(AdviceKind.LOGS, stray, change=lines, change_in="environment")
    brings_about = any(step.system == system.name for step in flow.steps)
    if brings_about and not c.with_status and c.joined >= _MANY:
        yield 0.6, Advice(AdviceKind.STATUS, 1.0, change=changes.name_status(runtime), change_in="code")
    if c.messages >= _MANY:
        bare = 1 - c.with_message_id / c.messages
        yield (
            0.3 * bare,
            Advice(AdviceKind.MESSAGE_ID, bare, change=changes.give_message_ids(runtime), change_in="code"),
        )
    if c.errors_without_stack:
        bare, much = c.errors_without_stack / c.errors, min(1.0, c.errors / _MANY)
        yield 0.4 * bare * much, Advice(AdviceKind.STACK, bare, change=changes.record_errors(runtime), change_in="code")


def _of_closed(coverage: Coverage, around: Surroundings) -> Iterator[tuple[float, Advice]]:
    """(gain, advice) for a system that is seen through its messages only."""
    if not around.watches_brokers:
        yield 1.0, Advice(AdviceKind.WATCH_BROKER, 1.0, change=changes.watch_broker(), change_in="settings")
    elif coverage.watched >= _MANY:
        unread = 1 - coverage.watched_with_order / coverage.watched
        yield unread, Advice(AdviceKind.MAP_MESSAGES, unread, change=changes.map_messages(), change_in="settings")
        bare = 1 - coverage.watched_with_id / coverage.watched
        lines = changes.give_message_ids("other")
        yield 0.3 * bare, Advice(AdviceKind.MESSAGE_ID, bare, change=lines, change_in="code")


def build_coverage(rows: ServiceRows, flow: Flow) -> dict[str, Coverage]:
    """Coverage by system: that of its services together."""
    services: dict[str, list[str]] = {}
    for service in sorted(rows.received):
        services.setdefault(flow.system_of_service.get(service, service), []).append(service)
    names = [*services, *(name for name in rows.messages if name and name not in services)]
    return {name: _coverage(services.get(name, []), rows.messages.get(name, (0, 0, 0, 0)), rows) for name in names}


def _coverage(services: Sequence[str], watched: tuple[int, int, int, int], rows: ServiceRows) -> Coverage:
    parts = [rows.spans[service] for service in services if service in rows.spans]
    spans, joined, naming, messages, with_id, with_status, errors, bare = (
        sum(part[i] for part in parts) for i in range(8)
    )
    stray = {kind: sum(part[8].get(kind, 0) for part in parts) for kind in ("consumer", "server", "other")}
    examples = {kind: next((part[9][kind] for part in parts if part[9].get(kind)), "") for kind in stray}
    return Coverage(
        window_seconds=rows.window.total_seconds(),
        received=sum(rows.received[service][0] for service in services),
        spans=spans,
        joined=joined,
        naming=naming,
        messages=messages,
        with_message_id=with_id,
        with_status=with_status,
        errors=errors,
        errors_without_stack=bare,
        logs=sum(rows.logs.get(service, 0) for service in services),
        stray={kind: count for kind, count in stray.items() if count},
        examples={kind: example for kind, example in examples.items() if example},
        runtime=_runtime(parts[0][10], parts[0][11]) if parts else "",
        watched=watched[0],
        watched_with_order=watched[1],
        watched_with_id=watched[2],
        watched_with_status=watched[3],
    )


def _runtime(language: str, distribution: str) -> str:
    """By the resource's `telemetry.sdk.language` and `telemetry.distro.name`; senders of Zipkin spans say neither."""
    if language == "java" and distribution:
        return "java-agent"
    return _RUNTIMES.get(language, "other")


class CoverageReader:
    """Coverage of all systems as of lately: however many ask, the store is asked every quarter of a minute at most."""

    def __init__(self, store: CoverageStore, flow: Flow, clock: EventClock, skews: Skews, around: Surroundings) -> None:
        self._store = store
        self._flow = flow
        self._clock = clock
        self._skews = skews
        self._around = around
        self._found: Recent[tuple[SystemCoverage, ...]] = Recent(_AGE_MAX)

    async def find(self, now: datetime) -> tuple[SystemCoverage, ...]:
        """Every system of the flow, then others that were heard. Raises as `Store.query` does."""
        return await self._found.get("all", now, lambda: self._build(now))

    async def _build(self, now: datetime) -> tuple[SystemCoverage, ...]:
        rows, skews = await self._store.read(now), await self._skews.now(now)
        coverage = build_coverage(rows, self._flow)
        latest: dict[str, datetime] = {}
        for service, (_, at) in rows.received.items():
            name = self._flow.system_of_service.get(service, service)
            latest[name] = max(at, latest.get(name, at))
        expected = [system.name for system in self._flow.systems]
        strangers = sorted(name for name in latest if name not in expected)[:_SERVICES_SHOWN_MAX]
        found = []
        for name in [*expected, *strangers]:
            sight = build_sight(self._flow.system(name), self._clock, latest.get(name))
            skew = skews.get(name)
            seconds = skew.seconds if skew else None
            silent = (now - sight.last_seen_at).total_seconds() if sight.last_seen_at else None
            seen = coverage.get(name, Coverage(rows.window.total_seconds()))
            off = seconds if skew and is_off(skew) else None
            advice = advise(self._flow.system(name), seen, off, silent, self._flow, self._around)
            found.append(SystemCoverage(sight, seconds, seen, advice))
        return tuple(found)


def build_sight(system: System, clock: EventClock, latest: datetime | None = None) -> SystemSight:
    """How fresh the view of a system is; `latest` is what the store knows, which outlives a restart."""
    heard = [at for at in (clock.last_heard(system.name), latest) if at]
    return SystemSight(
        system.name, system.title, system.closed, system.owner, max(heard, default=None), clock.lag_seconds(system.name)
    )
