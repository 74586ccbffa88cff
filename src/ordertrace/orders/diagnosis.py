"""Why does an order not move? Cause before symptom: an error, then a disagreement, then time alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ..model.flow import Flow
from ..model.order import Diagnosis, DiagnosisKind, NextStep, OrderEvent
from .stuck import Deadline, Mismatch
from .timeline import end_of, is_failure, is_record, is_told_by_broker

_EVIDENCE_MAX = 6
_REQUEST = re.compile(
    r"(?:http )?(?:get|head|post|put|patch|options)(?: |$)|(?:http )?delete(?: /| http|$)|http$", re.IGNORECASE
)


def unresolved_errors(events: Sequence[OrderEvent], flow: Flow) -> tuple[OrderEvent, ...]:
    """Errors that nothing made good: the order went no further afterwards, and the same operation never succeeded later."""
    last_progress = _last_progress(events, flow)
    return tuple(event for event in lasting_errors(events) if last_progress is None or end_of(event) >= last_progress)


def lasting_errors(events: Sequence[OrderEvent]) -> tuple[OrderEvent, ...]:
    """Errors after which the same operation of the same system never succeeded, whether or not the order went on.

    That a broker delivered something to the system again says nothing of its success.
    """
    done = [event for event in events if not is_failure(event) and not is_told_by_broker(event)]
    succeeded = {(event.system, event.name): event.at for event in done}
    return tuple(
        event
        for event in events
        if is_failure(event) and succeeded.get((event.system, event.name), event.at) <= event.at
    )


def diagnose_error(errors: Sequence[OrderEvent], events: Sequence[OrderEvent], flow: Flow) -> Diagnosis | None:
    """The cause among errors: the innermost failure of the trace that failed last, as a failed call or failed processing."""
    if not errors:
        return None
    last = errors[-1]
    trace = [event for event in events if is_failure(event) and event.trace_id == last.trace_id] or [last]
    cause = _innermost(trace, flow)
    same = [event for event in errors if (event.system, event.name) == (cause.system, cause.name)] or [cause]
    calls = _is_transfer(cause, flow)
    source = cause.peer if not calls and cause.peer in {system.name for system in flow.systems} else cause.system
    facts = {
        "operation": cause.name,
        "error_type": cause.error.type if cause.error else "",
        "error_message": cause.error.message if cause.error else "",
        "error_code": cause.error.code if cause.error else "",
        "response_code": cause.response_code,
        "times": str(len(same)),
        "target": _target(cause, flow) if calls else "",
    }
    return Diagnosis(
        kind=DiagnosisKind.TRANSFER_ERROR if calls else DiagnosisKind.PROCESSING_ERROR,
        since=same[0].at,
        system=source,
        confidence=min(0.95, cause.confidence),
        evidence=_ids([*same, *trace]),
        facts={name: value for name, value in facts.items() if value},
    )


def diagnose_mismatch(mismatch: Mismatch, events: Sequence[OrderEvent]) -> Diagnosis:
    """Two systems disagree; evidence is what each showed last."""
    shown = [event for event in events if event.status in (mismatch.ahead_status, mismatch.behind_status)]
    return Diagnosis(
        kind=DiagnosisKind.STATUS_MISMATCH,
        since=mismatch.since,
        system=mismatch.behind,
        confidence=0.9,
        evidence=_ids(shown),
        facts={
            "ahead": mismatch.ahead,
            "ahead_status": mismatch.ahead_status,
            "behind": mismatch.behind,
            "behind_status": mismatch.behind_status,
        },
    )


def diagnose_slowness(
    status: str, deadline: Deadline, following: NextStep | None, events: Sequence[OrderEvent], system: str
) -> Diagnosis:
    """The deadline has passed and nothing else is known to be wrong."""
    facts = {"status": status, "deadline_seconds": f"{deadline.seconds:g}"}
    if following:
        facts |= {"waits_for": following.system, "next_status": following.status}
    shown = [event for event in events if event.status == status] or list(events[-1:])
    return Diagnosis(DiagnosisKind.TOO_SLOW, deadline.at, system, 0.6, _ids(shown), facts)


def diagnose_silent_source(
    system: str,
    missed: datetime,
    events: Sequence[OrderEvent],
    flow: Flow,
    now: datetime,
    heard: Mapping[str, datetime],
) -> Diagnosis | None:
    """The system that should have acted by `missed` has sent no telemetry at all since before then: not observed is not
    undone. `heard` says when each system was last heard; one that was never heard has not fallen silent.
    """
    last = heard.get(system)
    if last is None or flow.system(system).closed or last >= missed or now - last <= flow.silence:
        return None
    shown = [event for event in events if event.system == system][-1:] or events[-1:]
    return Diagnosis(
        DiagnosisKind.SOURCE_SILENT, last, system, 0.7, _ids(shown), {"system": system, "last_seen": last.isoformat()}
    )


def _last_progress(events: Sequence[OrderEvent], flow: Flow) -> datetime | None:
    """When the order last reached a status further than all before."""
    best, at = 0, None
    for event in events:
        if flow.rank(event.status) > best:
            best, at = flow.rank(event.status), event.at
    return at


def _innermost(trace: Sequence[OrderEvent], flow: Flow) -> OrderEvent:
    """Where the failure began: a failed span that no other failed span is the child of; the earliest to end, if several.

    A failed call says most, then a span with an exception: frameworks mark spans around them as failed, too. Where the other
    side answered that it failed, and of its spans nothing but a logged exception arrived, the failure is there.
    """
    parents = {event.parent_span_id for event in trace}
    leaves = [event for event in trace if event.span_id not in parents]
    calls = [event for event in leaves if _is_transfer(event, flow)]
    answered = {event.system for event in calls if event.response_code.startswith("5")}
    behind = [event for event in trace if is_record(event) and answered - {event.system}]
    thrown = [event for event in trace if event.error and event.error.stack]
    thrown_from = {event.parent_span_id for event in thrown}
    innermost = [event for event in thrown if event.span_id not in thrown_from]
    return min(behind or calls or innermost or leaves or trace, key=lambda event: (end_of(event), event.id))


def _is_transfer(event: OrderEvent, flow: Flow) -> bool:
    """Whether a span hands something over to another system: a message, or a request by HTTP or RPC. A statement to the
    system's own database does not. Told by what semantic conventions say of names, answers and peers.
    """
    if event.span_kind != "Client":
        return event.span_kind == "Producer"
    return bool(
        event.response_code or event.peer in flow.system_of_service or _REQUEST.match(event.name) or "/" in event.name
    )


def _target(event: OrderEvent, flow: Flow) -> str:
    """The system called, where the configuration or the span names it; else the address or exchange as the span says."""
    return flow.system_of_service.get(event.peer, event.peer) or event.destination


def _ids(events: Iterable[OrderEvent]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(event.id for event in events))[:_EVIDENCE_MAX]
