"""The pages of incidents: what is broken, since when, who is on it, whom it affects, what was done. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from ..model.incident import EntryKind, Incident, IncidentEntry, IncidentState, IncidentView
from ..model.message import MessageFilter
from ..model.order import DiagnosisKind
from ..texts import entry_title, incident_sentence, incident_state_title, number_words, problem_title
from .viewer import SystemMark, Viewer
from .views_messages import list_url
from .views_orders import order_url, shorten_id


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident in a list; `tone` is bad (nobody is on it), soon (somebody is) or done."""

    id: str
    url: str
    tone: str
    state: str
    sentence: str
    problem: str
    system: SystemMark | None
    owner: str
    affected: str
    affected_tone: str
    orders: str
    began: str
    began_title: str
    lasting: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One of the four times of an incident; `text` is empty until it has come."""

    name: str
    text: str
    title: str
    note: str
    tone: str


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One line of the history."""

    clock: str
    title: str
    kind: str
    by: str
    text: str
    bad: bool


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """Everything that an incident's own page shows."""

    line: IncidentLine
    moments: tuple[Moment, ...]
    entries: tuple[EntryLine, ...]
    orders: tuple[tuple[str, str, str], ...]
    more_orders: int
    facts: tuple[tuple[str, str], ...]
    messages_url: str
    over: bool
    times: str


@dataclass(frozen=True, slots=True)
class IncidentsView:
    """Everything that the list of incidents shows."""

    headline: str
    headline_tone: str
    subline: str
    running: tuple[IncidentLine, ...]
    over: tuple[IncidentLine, ...]


def incident_url(incident_id: str) -> str:
    """The address of an incident's page."""
    return "/incidents/" + quote(incident_id, safe="")


def build_incidents_view(views: Sequence[IncidentView], viewer: Viewer) -> IncidentsView:
    """The list for one reader: those that nobody is on first, then those that affect most."""
    t = viewer.t
    running = [v.incident for v in views if v.incident.state is not IncidentState.RESOLVED]
    running.sort(key=lambda i: (i.state is not IncidentState.OPEN, -i.affected, i.began_at))
    over = sorted(
        (v.incident for v in views if v.incident.state is IncidentState.RESOLVED),
        key=lambda i: i.resolved_at or i.last_at,
        reverse=True,
    )
    idle = sum(incident.state is IncidentState.OPEN for incident in running)
    affected = sum(incident.affected for incident in running)
    if idle:
        headline, tone = t.ngettext("Nobody is on %(num)s incident", "Nobody is on %(num)s incidents", idle), "bad"
    elif running:
        headline, tone = t.ngettext("%(num)s incident in work", "%(num)s incidents in work", len(running)), "soon"
    else:
        headline, tone = t.gettext("Nothing is broken"), "good"
    return IncidentsView(
        headline=headline,
        headline_tone=tone,
        subline=t.ngettext("%(num)s order affected", "%(num)s orders affected", affected) if running else "",
        running=tuple(build_incident_line(incident, viewer) for incident in running),
        over=tuple(build_incident_line(incident, viewer) for incident in over),
    )


def build_incident_line(incident: Incident, viewer: Viewer) -> IncidentLine:
    """One incident of a list."""
    t, cause = viewer.t, incident.cause
    until = incident.resolved_at or viewer.now
    owner = viewer.owner(viewer.flow.system(cause.system).owner) if cause.system else ""
    tones = {IncidentState.OPEN: "bad", IncidentState.ACKNOWLEDGED: "soon", IncidentState.RESOLVED: "done"}
    orders = t.ngettext("%(num)s order in all", "%(num)s orders in all", incident.orders)
    if not incident.orders and incident.messages:
        orders = t.ngettext("%(num)s message", "%(num)s messages", incident.messages)
    return IncidentLine(
        id=incident.id,
        url=incident_url(incident.id),
        tone=tones[incident.state],
        state=incident_state_title(incident, viewer.language),
        sentence=incident_sentence(incident, viewer.flow, viewer.language),
        problem=problem_title(DiagnosisKind(cause.kind), viewer.language),
        system=viewer.mark(cause.system) if cause.system else None,
        owner=owner,
        affected=number_words(incident.affected, viewer.language),
        affected_tone="bad" if incident.affected and incident.state is not IncidentState.RESOLVED else "calm",
        orders=orders,
        began=viewer.clock(incident.began_at),
        began_title=viewer.exact(incident.began_at),
        lasting=viewer.roughly((until - incident.began_at).total_seconds()),
        fingerprint=f"{incident.state} {incident.affected} {incident.acknowledged_by}",
    )


def build_incident_page(view: IncidentView, viewer: Viewer) -> IncidentPage:
    """One incident for one reader."""
    incident, t = view.incident, viewer.t
    facts = incident.cause.facts
    queue, verdict = facts.get("queue", ""), facts.get("verdict", "")
    return IncidentPage(
        line=build_incident_line(incident, viewer),
        moments=tuple(_moments(incident, viewer)),
        entries=tuple(_entry_line(entry, viewer) for entry in reversed(view.entries)),
        orders=tuple((shorten_id(order_id, 24), order_id, order_url(order_id)) for order_id in view.order_ids),
        more_orders=max(0, incident.affected - len(view.order_ids)),
        facts=tuple((_fact_name(name, viewer), value) for name, value in facts.items()),
        messages_url=list_url(MessageFilter(verdict=verdict, queue=queue)) if verdict or queue else "",
        over=incident.state is IncidentState.RESOLVED,
        times=t.ngettext("seen %(num)s time", "seen %(num)s times", incident.times) if incident.times > 1 else "",
    )


def _moments(incident: Incident, viewer: Viewer) -> list[Moment]:
    """Began, detected, acknowledged, resolved: what has not come yet is said to be missing."""
    t = viewer.t

    def moment(name: str, at: datetime | None, note: str = "", tone: str = "calm") -> Moment:
        return Moment(name, viewer.clock(at) if at else "", viewer.exact(at) if at else "", note, tone)

    after = (incident.detected_at - incident.began_at).total_seconds()
    found = t.gettext("after %(duration)s", duration=viewer.lasting(max(0.0, after)))
    taken, ended, over = incident.acknowledged_at, incident.resolved_at, incident.state is IncidentState.RESOLVED
    nobody = t.gettext("nobody yet") if not over else t.gettext("nobody")
    ended_by = incident.resolved_by or t.gettext("by itself")
    return [
        moment(t.gettext("Began"), incident.began_at),
        moment(t.gettext("Detected"), incident.detected_at, found),
        moment(
            t.gettext("Taken on"),
            taken,
            incident.acknowledged_by if taken else nobody,
            "calm" if taken or over else "bad",
        ),
        moment(
            t.gettext("Over"), ended, ended_by if ended else t.gettext("still going on"), "calm" if over else "soon"
        ),
    ]


def _entry_line(entry: IncidentEntry, viewer: Viewer) -> EntryLine:
    return EntryLine(
        clock=viewer.clock(entry.at),
        title=viewer.exact(entry.at),
        kind=entry_title(entry.kind, viewer.language),
        by=entry.by,
        text=entry.text,
        bad=entry.kind in (EntryKind.OPENED, EntryKind.REOPENED),
    )


def _fact_name(name: str, viewer: Viewer) -> str:
    t = viewer.t
    names = {
        "queue": t.gettext("Queue"),
        "routing_key": t.gettext("Routing key"),
        "verdict": t.gettext("Verdict"),
        "error_type": t.gettext("Kind of error"),
        "operation": t.gettext("Operation"),
        "target": t.gettext("Called system"),
        "response_code": t.gettext("Code"),
        "next_status": t.gettext("Expected status"),
        "status": t.gettext("Status"),
        "ahead": t.gettext("System ahead"),
        "behind": t.gettext("System behind"),
        "ahead_status": t.gettext("Status ahead"),
        "behind_status": t.gettext("Status behind"),
    }
    return names.get(name, name)
