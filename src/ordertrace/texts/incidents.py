"""Sentences about incidents: what is broken, said of all orders that suffer from it rather than of one."""

from __future__ import annotations

from ..model.flow import Flow
from ..model.incident import EntryKind, Incident, IncidentState
from ..model.message import Verdict
from ..model.order import DiagnosisKind
from .messages import verdict_title
from .translator import N_, Translator, get_translator
from .words import status_reached, system_title, task_words

_STATES = {
    IncidentState.OPEN: N_("nobody is on it"),
    IncidentState.ACKNOWLEDGED: N_("somebody is on it"),
    IncidentState.RESOLVED: N_("over"),
}
_ENTRIES = {
    EntryKind.OPENED: N_("noticed"),
    EntryKind.REOPENED: N_("came back"),
    EntryKind.ACKNOWLEDGED: N_("taken on"),
    EntryKind.NOTE: N_("note"),
    EntryKind.RESOLVED: N_("declared over"),
    EntryKind.RECOVERED: N_("over by itself: nothing more was wrong"),
}


def incident_state_title(incident: Incident, language: str) -> str:
    """Who is on it, in a few words."""
    t = get_translator(language)
    if incident.state is IncidentState.ACKNOWLEDGED and incident.acknowledged_by:
        return t.gettext("on it: %(name)s", name=incident.acknowledged_by)
    return t.gettext(_STATES[incident.state])


def entry_title(kind: EntryKind, language: str) -> str:
    """What a line of the history says happened."""
    return get_translator(language).gettext(_ENTRIES[kind])


def incident_sentence(incident: Incident, flow: Flow, language: str) -> str:
    """One sentence that names what is broken."""
    t, facts, cause = get_translator(language), incident.cause.facts, incident.cause

    def title(name: str) -> str:
        return system_title(flow.system(flow.system_of_service.get(name, name)), language)

    system = title(cause.system) if cause.system else t.gettext("A system")
    reason = ", ".join(facts[name] for name in ("error_type", "response_code") if facts.get(name))
    match DiagnosisKind(cause.kind):
        case DiagnosisKind.PROCESSING_ERROR:
            head = t.gettext("%(system)s fails while processing orders", system=system)
            return _sentence(head, ", ".join(part for part in (reason, facts.get("operation", "")) if part))
        case DiagnosisKind.TRANSFER_ERROR:
            if target := facts.get("target", ""):
                return _sentence(
                    t.gettext("%(system)s cannot pass orders on to %(target)s", system=system, target=title(target)),
                    reason,
                )
            return _sentence(t.gettext("%(system)s cannot pass orders on", system=system), reason)
        case DiagnosisKind.STATUS_MISMATCH:
            return _mismatch(t, incident, flow, language)
        case DiagnosisKind.TOO_SLOW:
            task = task_words(facts.get("next_status", ""), language)
            return t.gettext("%(system)s takes longer than agreed to %(task)s.", system=system, task=task)
        case DiagnosisKind.SOURCE_SILENT:
            return t.gettext("%(system)s sends no telemetry: what happens there cannot be seen.", system=system)
        case _:
            return _of_messages(t, incident, system, language)


def _of_messages(t: Translator, incident: Incident, system: str, language: str) -> str:
    facts, kind = incident.cause.facts, DiagnosisKind(incident.cause.kind)
    place = facts.get("queue", "") or facts.get("routing_key", "")
    verdict = facts.get("verdict", "")
    why = verdict_title(verdict, language) if verdict in list(Verdict) else ""
    if kind is DiagnosisKind.NEVER_PUBLISHED:
        status = status_reached(facts.get("status", ""), language)
        missing = place or (t.gettext("“%(text)s”", text=status) if status else "")
        return _sentence(t.gettext("%(system)s does not send messages that are due", system=system), missing)
    if kind is DiagnosisKind.NO_EFFECT:
        return _sentence(t.gettext("Messages are taken, but nothing follows"), place)
    if kind is DiagnosisKind.MESSAGE_STUCK:
        head = (
            t.gettext("Messages do not move in %(place)s", place=place) if place else t.gettext("Messages do not move")
        )
    else:
        head = t.gettext("Messages get lost: %(place)s", place=place) if place else t.gettext("Messages get lost")
        return f"{head} — {why}." if place and why else _sentence(head, why)
    return _sentence(head, why)


def _mismatch(t: Translator, incident: Incident, flow: Flow, language: str) -> str:
    facts = incident.cause.facts
    if not facts.get("ahead") or not facts.get("behind"):
        return t.gettext("The systems disagree about the status of orders.")
    return t.gettext(
        "%(behind)s stays at “%(behind_status)s” where %(ahead)s already says “%(ahead_status)s”.",
        ahead=system_title(flow.system(facts["ahead"]), language),
        behind=system_title(flow.system(facts["behind"]), language),
        ahead_status=status_reached(facts.get("ahead_status", ""), language),
        behind_status=status_reached(facts.get("behind_status", ""), language),
    )


def _sentence(head: str, detail: str) -> str:
    return f"{head}: {detail}." if detail else f"{head}."
