"""Sentences about an order: what is wrong, what to do, who is next, what a fact says.

Written for somebody with a customer on the phone. Russian catalogues keep system names in the nominative and
verbs in the present, since titles are configured and their gender is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from ..model.flow import Flow
from ..model.order import Diagnosis, DiagnosisKind, EventKind, Order, OrderEvent
from .messages import lost_sentence
from .translator import N_, Translator, get_translator
from .words import duration_words, owner_title, status_reached, system_title, task_words

_TITLES = {
    DiagnosisKind.PROCESSING_ERROR: N_("error while processing"),
    DiagnosisKind.MESSAGE_LOST: N_("message lost"),
    DiagnosisKind.MESSAGE_STUCK: N_("message stuck in a queue"),
    DiagnosisKind.NEVER_PUBLISHED: N_("message never sent"),
    DiagnosisKind.NO_EFFECT: N_("message without effect"),
    DiagnosisKind.STATUS_MISMATCH: N_("systems disagree"),
    DiagnosisKind.TRANSFER_ERROR: N_("transfer failed"),
    DiagnosisKind.TOO_SLOW: N_("slower than agreed"),
    DiagnosisKind.SOURCE_SILENT: N_("system not heard"),
}
_MESSAGE_CHARACTERS = 140


class _Speech:
    """What every sentence needs at hand: the order, its diagnosis, titles in the reader's language."""

    def __init__(self, diagnosis: Diagnosis, order: Order, flow: Flow, language: str) -> None:
        self.t: Translator = get_translator(language)
        self.order, self.flow, self.language = order, flow, language
        self.facts: Mapping[str, str] = diagnosis.facts
        self.system = self.title(diagnosis.system)
        next_is_here = order.next is not None and order.next.system == diagnosis.system
        self.task = task_words(order.next.status if order.next and next_is_here else "", language)
        # The order is a snapshot: its age tells the moment at which it was taken.
        self.now = order.started_at + timedelta(seconds=order.age_seconds)

    def title(self, name: str) -> str:
        return system_title(self.flow.system(self.flow.system_of_service.get(name, name)), self.language)

    def reached(self, key: str) -> str:
        return status_reached(self.facts.get(key, ""), self.language)

    def lasting(self, seconds: float) -> str:
        return duration_words(seconds, self.language)

    def reason(self) -> str:
        """The error as the system put it, its type or code in brackets; empty if nothing is known."""
        message = _shorten(self.facts.get("error_message", ""))
        labels = [self.facts.get("error_type", ""), self.facts.get("response_code", "")]
        behind = ", ".join(dict.fromkeys(label for label in labels if label and label not in message))
        quoted = self.t.gettext("“%(text)s”", text=message) if message else ""
        return f"{quoted} ({behind})" if quoted and behind else quoted or behind

    def attempts(self) -> str:
        times = self.facts.get("times", "")
        count = int(times) if times.isdigit() else 0
        return self.t.ngettext("%(num)s failed attempt", "%(num)s failed attempts", count) if count > 1 else ""

    def sentence(self, head: str, *details: str) -> str:
        rest = "; ".join(detail for detail in details if detail)
        return f"{head}: {rest}." if rest else f"{head}."


def diagnosis_sentence(diagnosis: Diagnosis, order: Order, flow: Flow, language: str) -> str:
    """One sentence that says why the order does not move. Facts that are missing leave their part out."""
    return _SENTENCES[diagnosis.kind](_Speech(diagnosis, order, flow, language))


def what_to_do(diagnosis: Diagnosis, order: Order, flow: Flow, language: str) -> str:
    """What to do about it, and who can."""
    speech = _Speech(diagnosis, order, flow, language)
    owner = owner_title(flow.system(diagnosis.system).owner, language) or speech.system
    return speech.t.gettext(_TO_DO[diagnosis.kind], owner=owner, system=speech.system)


def next_sentence(order: Order, flow: Flow, language: str) -> str:
    """Who has to act next and how; what ended the order where nobody has to."""
    t = get_translator(language)
    if order.next is None:
        if flow.is_end(order.status):
            return t.gettext("Nobody: the order has ended.")
        return t.gettext("Not known: the flow does not say what follows %(status)s.", status=order.status or "—")
    system = flow.system(order.next.system)
    words = {"system": system_title(system, language), "task": task_words(order.next.status, language)}
    if system.owner:
        return t.gettext(
            "%(system)s has to %(task)s; in charge: %(owner)s.", owner=owner_title(system.owner, language), **words
        )
    return t.gettext("%(system)s has to %(task)s.", **words)


def problem_title(kind: DiagnosisKind, language: str) -> str:
    """The kind of problem in two or three words."""
    return get_translator(language).gettext(_TITLES[kind])


def certainty_words(confidence: float, language: str) -> str:
    """How sure we are of a finding or a fact: certain, likely or possible."""
    t = get_translator(language)
    if confidence >= 0.95:
        return t.gettext("certain")
    return t.gettext("likely") if confidence >= 0.6 else t.gettext("possible")


def event_words(event: OrderEvent, flow: Flow, language: str) -> str:
    """What a fact says, without its time and system: "price calculated", "message sent to crm.order-events"."""
    t = get_translator(language)
    if event.kind is EventKind.ERROR or event.error:
        return t.gettext("failed: %(name)s", name=event.name)
    if event.status:
        return status_reached(event.status, language)
    where = event.queue or event.destination
    if event.kind is EventKind.SEND:
        return t.gettext("message sent to %(where)s", where=where) if where else t.gettext("message sent")
    if event.kind is EventKind.RECEIVE:
        return t.gettext("message received from %(where)s", where=where) if where else t.gettext("message received")
    if event.kind is EventKind.CALL and event.peer:
        peer = system_title(flow.system(flow.system_of_service.get(event.peer, event.peer)), language)
        return t.gettext("call to %(peer)s: %(name)s", peer=peer, name=event.name)
    return event.name


def evidence_line(event: OrderEvent, flow: Flow, language: str) -> str:
    """A fact as a line of evidence: system, what it says, technical name, code, error."""
    said = event_words(event, flow, language)
    error = f"{event.error.type}: {_shorten(event.error.message)}".strip(": ") if event.error else ""
    parts = [
        system_title(flow.system(event.system), language),
        said,
        event.name if event.name not in said else "",
        event.response_code if event.response_code not in error else "",
        error,
    ]
    return " · ".join(part for part in parts if part)


def _processing_error(s: _Speech) -> str:
    head = s.t.gettext("%(system)s cannot %(task)s", system=s.system, task=s.task)
    operation = s.facts.get("operation", "")
    reason = s.reason() or (s.t.gettext("“%(operation)s” fails", operation=operation) if operation else "")
    return s.sentence(head, reason, s.attempts())


def _transfer_error(s: _Speech) -> str:
    head = s.t.gettext("%(system)s cannot pass the order on", system=s.system)
    target, code = s.facts.get("target", ""), s.facts.get("response_code", "")
    message = _shorten(s.facts.get("error_message", ""))
    if not target:
        return s.sentence(head, s.reason(), s.attempts())
    if not code:
        fails = s.t.gettext("%(target)s cannot be reached", target=s.title(target))
        return s.sentence(head, f"{fails}, {s.reason()}" if s.reason() else fails, s.attempts())
    answers = s.t.gettext("%(target)s answers %(code)s", target=s.title(target), code=code)
    quoted = ", " + s.t.gettext("“%(text)s”", text=message) if message and message != code else ""
    return s.sentence(head, answers + quoted, s.attempts())


def _status_mismatch(s: _Speech) -> str:
    ahead, behind = s.facts.get("ahead", ""), s.facts.get("behind", "")
    if not ahead or not behind:
        return s.t.gettext("The systems disagree about the status of this order.")
    return s.t.gettext(
        "%(ahead)s says “%(ahead_status)s”, but %(behind)s is still at “%(behind_status)s”.",
        ahead=s.title(ahead),
        ahead_status=s.reached("ahead_status"),
        behind=s.title(behind),
        behind_status=s.reached("behind_status"),
    )


def _too_slow(s: _Speech) -> str:
    system = s.title(s.facts.get("waits_for", "")) or s.system
    task = task_words(s.facts.get("next_status", ""), s.language)
    head = s.t.gettext("%(system)s has not managed to %(task)s in time", system=system, task=task)
    passed = s.lasting((s.now - s.order.status_since).total_seconds())
    allowed = _number(s.facts.get("deadline_seconds", "")) or s.order.deadline_seconds
    if not allowed:
        return s.sentence(head, s.t.gettext("%(passed)s have passed", passed=passed))
    return s.sentence(
        head, s.t.gettext("%(passed)s have passed, %(allowed)s were agreed", passed=passed, allowed=s.lasting(allowed))
    )


def _source_silent(s: _Speech) -> str:
    system = s.title(s.facts.get("system", "")) or s.system
    seen = _moment(s.facts.get("last_seen", ""))
    if seen is None:
        return s.t.gettext("%(system)s is silent: what happens to the order cannot be seen now.", system=system)
    lasting = s.lasting((s.now - seen).total_seconds())
    return s.t.gettext(
        "%(system)s has been silent for %(lasting)s: what happens to the order cannot be seen now.",
        system=system,
        lasting=lasting,
    )


def _message_lost(s: _Speech) -> str:
    if said := lost_sentence(s.facts, s.flow, s.language):
        return said
    head = s.t.gettext("A message from %(system)s was lost on its way", system=s.system)
    return s.sentence(head, _route(s), s.facts.get("verdict", ""))


def _message_stuck(s: _Speech) -> str:
    if said := lost_sentence(s.facts, s.flow, s.language):
        return said
    head = s.t.gettext("A message is waiting in a queue and nobody takes it")
    return s.sentence(head, s.facts.get("queue", "") or _route(s))


def _never_published(s: _Speech) -> str:
    return s.t.gettext("%(system)s did its work, but sent no message about it.", system=s.system)


def _no_effect(s: _Speech) -> str:
    return s.t.gettext("%(system)s took the message, but nothing followed.", system=s.system)


_SENTENCES: Mapping[DiagnosisKind, Callable[[_Speech], str]] = {
    DiagnosisKind.PROCESSING_ERROR: _processing_error,
    DiagnosisKind.MESSAGE_LOST: _message_lost,
    DiagnosisKind.MESSAGE_STUCK: _message_stuck,
    DiagnosisKind.NEVER_PUBLISHED: _never_published,
    DiagnosisKind.NO_EFFECT: _no_effect,
    DiagnosisKind.STATUS_MISMATCH: _status_mismatch,
    DiagnosisKind.TRANSFER_ERROR: _transfer_error,
    DiagnosisKind.TOO_SLOW: _too_slow,
    DiagnosisKind.SOURCE_SILENT: _source_silent,
}

_TO_DO = {
    DiagnosisKind.PROCESSING_ERROR: N_(
        "Pass the error below on to %(owner)s. Once the cause is removed, the step has to be repeated in %(system)s."
    ),
    DiagnosisKind.MESSAGE_LOST: N_("Ask %(owner)s to send the message again and to check why it was lost."),
    DiagnosisKind.MESSAGE_STUCK: N_("Ask %(owner)s whether the receiver of the queue is running."),
    DiagnosisKind.NEVER_PUBLISHED: N_("Ask %(owner)s to send the message about this order again."),
    DiagnosisKind.NO_EFFECT: N_("Ask %(owner)s what became of the message; the step has to be repeated in %(system)s."),
    DiagnosisKind.STATUS_MISMATCH: N_(
        "Ask %(owner)s to compare the order in both systems and to send its status again."
    ),
    DiagnosisKind.TRANSFER_ERROR: N_(
        "Find out whether the receiving system works, then ask %(owner)s to send the order again."
    ),
    DiagnosisKind.TOO_SLOW: N_("Ask %(owner)s whether somebody is working on it. No error has been seen."),
    DiagnosisKind.SOURCE_SILENT: N_(
        "Look the order up in %(system)s itself, and tell %(owner)s that its telemetry stays away."
    ),
}


def _route(s: _Speech) -> str:
    return " → ".join(part for part in (s.facts.get("routing_key", ""), s.facts.get("queue", "")) if part)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_CHARACTERS else line[: _MESSAGE_CHARACTERS - 1].rstrip() + "…"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    """A time given as RFC 3339 or as seconds since 1970; None if it is neither."""
    seconds = _number(text)
    try:
        found = datetime.fromtimestamp(seconds, UTC) if seconds is not None else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
