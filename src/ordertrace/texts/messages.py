"""Sentences about messages: what became of one, how that is known, what to do. For support agents, not for brokers' admins.

Russian catalogues rely on "сообщение" being the subject, so that verbs agree with it whatever system it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..model.flow import Flow
from ..model.message import MessageFact, MessageLife, MessageState, Verdict
from .translator import N_, Translator, get_translator
from .words import duration_words, owner_title, status_reached, system_title

_VERDICTS = {
    Verdict.UNROUTABLE: N_("nobody subscribed"),
    Verdict.EXPIRED: N_("expired in the queue"),
    Verdict.MAXLEN: N_("pushed out of a full queue"),
    Verdict.OVERFLOW_REJECTED: N_("turned away by a full queue"),
    Verdict.REJECTED: N_("refused by the receiver"),
    Verdict.DELIVERY_LIMIT: N_("given up after several tries"),
    Verdict.DEAD_LETTERED: N_("taken out by the broker"),
    Verdict.QUEUE_DELETED: N_("queue deleted"),
    Verdict.REMOVED: N_("vanished from the queue"),
    Verdict.BROKER_RESTART: N_("lost in a restart of the broker"),
    Verdict.STUCK_IN_QUEUE: N_("nobody takes it"),
    Verdict.UNACKED: N_("receiver hangs"),
    Verdict.REDELIVERY_LOOP: N_("goes round in circles"),
    Verdict.NO_EFFECT: N_("delivered without effect"),
    Verdict.NEVER_PUBLISHED: N_("never sent"),
}
_STATES = {
    MessageState.PUBLISHED: N_("sent"),
    MessageState.QUEUED: N_("in the queue"),
    MessageState.DELIVERED: N_("delivered"),
    MessageState.SETTLED: N_("processed"),
    MessageState.LOST: N_("lost"),
    MessageState.UNSEEN: N_("arrival not seen"),
}
_SENTENCES = {
    Verdict.UNROUTABLE: N_("%(what)s reached nobody: no queue takes “%(key)s” from the exchange %(exchange)s."),
    Verdict.EXPIRED: N_(
        "%(what)s lay in the queue %(queue)s for too long: its time ran out and the broker dropped it."
    ),
    Verdict.MAXLEN: N_("%(what)s was pushed out of the queue %(queue)s, because the queue was full."),
    Verdict.OVERFLOW_REJECTED: N_("%(what)s was turned away by the queue %(queue)s, because the queue was full."),
    Verdict.REJECTED: N_("%(what)s was refused: %(consumer)s did not accept it from the queue %(queue)s."),
    Verdict.DELIVERY_LIMIT: N_(
        "%(what)s was given up: %(consumer)s failed to process it again and again, and the queue %(queue)s dropped it."
    ),
    Verdict.DEAD_LETTERED: N_("%(what)s was taken out of the queue %(queue)s by the broker; why is not known."),
    Verdict.QUEUE_DELETED: N_("%(what)s is gone together with the queue %(queue)s, which was deleted."),
    Verdict.REMOVED: N_("%(what)s vanished from the queue %(queue)s undelivered: the queue was probably purged."),
    Verdict.BROKER_RESTART: N_("%(what)s was in the queue %(queue)s and did not survive a restart of the broker."),
    Verdict.STUCK_IN_QUEUE: N_(
        "%(what)s has been waiting in the queue %(queue)s for %(lasting)s, and nobody takes it."
    ),
    Verdict.UNACKED: N_(
        "%(what)s was handed over %(lasting)s ago, but %(consumer)s has not said that it is processed (queue %(queue)s)."
    ),
    Verdict.REDELIVERY_LOOP: N_(
        "%(what)s goes round in circles: %(consumer)s returns it to the queue %(queue)s again and again."
    ),
    Verdict.NO_EFFECT: N_("%(what)s was delivered and %(consumer)s confirmed it, but nothing followed."),
    Verdict.NEVER_PUBLISHED: N_("%(what)s was never sent, although the work before it was done."),
}
_STATE_SENTENCES = {
    MessageState.PUBLISHED: N_("%(what)s was sent; which queue took it has not been seen."),
    MessageState.QUEUED: N_("%(what)s is waiting in the queue %(queue)s."),
    MessageState.DELIVERED: N_("%(what)s was handed over: %(consumer)s is working on it."),
    MessageState.SETTLED: N_("%(what)s was delivered and processed."),
    MessageState.LOST: N_("%(what)s was lost; why is not known."),
    MessageState.UNSEEN: N_(
        "%(what)s was not seen to arrive: the broker was not watched all the time. That does not mean that it is lost."
    ),
}
_TO_DO = {
    Verdict.UNROUTABLE: N_(
        "Ask %(publisher_owner)s to send the message again once a queue takes “%(key)s”; the binding is missing or misspelt."
    ),
    Verdict.EXPIRED: N_(
        "Ask %(consumer_owner)s why messages were not taken in time, then %(publisher_owner)s to send this one again."
    ),
    Verdict.MAXLEN: N_(
        "Ask %(consumer_owner)s why the queue fills up, then %(publisher_owner)s to send the message again."
    ),
    Verdict.OVERFLOW_REJECTED: N_(
        "Ask %(consumer_owner)s why the queue fills up, then %(publisher_owner)s to send the message again."
    ),
    Verdict.REJECTED: N_(
        "Ask %(consumer_owner)s why the message was refused; its copy or a new one has to be processed."
    ),
    Verdict.DELIVERY_LIMIT: N_(
        "Ask %(consumer_owner)s for the error behind the failed tries; then the message has to be sent again."
    ),
    Verdict.DEAD_LETTERED: N_("Ask %(consumer_owner)s what became of the message; it may have to be sent again."),
    Verdict.QUEUE_DELETED: N_(
        "Ask %(consumer_owner)s who deleted the queue, then %(publisher_owner)s to send the message again."
    ),
    Verdict.REMOVED: N_(
        "Ask %(consumer_owner)s whether the queue was purged on purpose; if not, the message has to be sent again."
    ),
    Verdict.BROKER_RESTART: N_(
        "Ask %(publisher_owner)s to send the message again, and to make such messages and their queue durable."
    ),
    Verdict.STUCK_IN_QUEUE: N_(
        "Ask %(consumer_owner)s whether the receiver of the queue is running. The message itself is safe in the queue."
    ),
    Verdict.UNACKED: N_(
        "Ask %(consumer_owner)s to look at the receiver: it hangs. After its restart the message comes again."
    ),
    Verdict.REDELIVERY_LOOP: N_(
        "Ask %(consumer_owner)s for the error that returns the message; it blocks others as well."
    ),
    Verdict.NO_EFFECT: N_("Ask %(consumer_owner)s what became of the message; the step probably has to be repeated."),
    Verdict.NEVER_PUBLISHED: N_("Ask %(publisher_owner)s to send the message about this order again."),
}
_DIAGNOSES = {
    Verdict.STUCK_IN_QUEUE: N_("%(what)s is waiting in the queue %(queue)s, and nobody takes it."),
    Verdict.UNACKED: N_(
        "%(what)s was handed over, but %(consumer)s does not say that it is processed (queue %(queue)s)."
    ),
}
_FACT_VALUES = (
    "exchange",
    "routing_key",
    "reason",
    "queue",
    "times",
    "ready",
    "consumers",
    "expected",
    "unacked",
    "messages",
)
_FACTS = {
    "published_to_no_queue": N_(
        "The broker put the message into no queue (exchange %(exchange)s, key “%(routing_key)s”)."
    ),
    "no_such_queue": N_("There is no queue named “%(routing_key)s”."),
    "dead_letter": N_(
        "The broker handed over a copy of the message with the reason “%(reason)s” from the queue %(queue)s."
    ),
    "redelivered": N_("Delivered again %(times)s times."),
    "dead_lettered_again": N_("Came back from the dead-letter queue %(times)s times."),
    "queue_deleted": N_("The broker reported that the queue %(queue)s was deleted."),
    "queue_depth": N_("In the queue: %(ready)s waiting, receivers: %(consumers)s."),
    "parking_grew": N_("The queue %(queue)s, which takes dead letters, got %(messages)s more meanwhile."),
    "missing_in_queue": N_("The queue holds %(ready)s messages, but %(expected)s should be there."),
    "overtaken": N_("Later messages of the queue %(queue)s have been delivered, this one has not."),
    "unacked": N_("The queue has %(unacked)s delivered messages that are not confirmed."),
    "broker_restarted": N_("The broker was restarted while the message lay there and was not kept on disk."),
}


def verdict_title(verdict: Verdict | str, language: str) -> str:
    """A verdict in two to five words."""
    return get_translator(language).gettext(_VERDICTS[Verdict(verdict)])


def message_state_title(state: MessageState | str, language: str) -> str:
    """Where a message is, in one or two words. States that are not known stay as they are."""
    return get_translator(language).gettext(_STATES[MessageState(state)]) if state in list(MessageState) else state


def message_sentence(life: MessageLife, flow: Flow, language: str, now: datetime) -> str:
    """One sentence that says what became of a message. A verdict that was cleared counts no longer."""
    t = get_translator(language)
    since = life.since or life.published_at or now
    words = {
        "what": _subject(life.publisher, life.status, flow, language),
        "exchange": _exchange(life.exchange, t),
        "key": life.routing_key,
        "queue": life.queue or "—",
        "consumer": _title(life.consumer, flow, language) or t.gettext("the receiver"),
        "lasting": duration_words(max(1, round((now - since).total_seconds())), language),
    }
    if life.verdict and life.cleared_at is None:
        return t.gettext(_SENTENCES[life.verdict], **words)
    return t.gettext(_STATE_SENTENCES[life.state], **words)


def message_to_do(life: MessageLife, flow: Flow, language: str) -> str:
    """What to do about a message and who can; empty where nothing has to be done."""
    if life.verdict is None or life.cleared_at is not None:
        return ""
    t = get_translator(language)
    return t.gettext(
        _TO_DO[life.verdict],
        publisher_owner=_owner(life.publisher, flow, language),
        consumer_owner=_owner(life.consumer, flow, language),
        key=life.routing_key,
    )


def lost_sentence(facts: Mapping[str, str], flow: Flow, language: str) -> str:
    """The same from the facts of a diagnosis: verdict, queue, exchange, routing_key, status, publisher and consumer.

    Empty where no verdict is among them.
    """
    verdict = facts.get("verdict", "")
    if verdict not in list(Verdict):
        return ""
    t = get_translator(language)
    return t.gettext(
        _DIAGNOSES.get(Verdict(verdict)) or _SENTENCES[Verdict(verdict)],
        what=_subject(facts.get("publisher", ""), facts.get("status", ""), flow, language),
        exchange=_exchange(facts.get("exchange", ""), t),
        key=facts.get("routing_key", ""),
        queue=facts.get("queue", "") or "—",
        consumer=_title(facts.get("consumer", ""), flow, language) or t.gettext("the receiver"),
    )


def fact_words(fact: MessageFact, language: str) -> str:
    """A piece of evidence as a sentence; kinds that have no words are shown by their name and values."""
    t = get_translator(language)
    if text := _FACTS.get(fact.kind):
        return t.gettext(text, **{name: fact.values.get(name, "") or "—" for name in _FACT_VALUES})
    values = ", ".join(f"{name} = {value}" for name, value in fact.values.items())
    return ": ".join(part for part in (fact.kind.replace("_", " "), values) if part)


def _subject(publisher: str, status: str, flow: Flow, language: str) -> str:
    t, system, said = get_translator(language), _title(publisher, flow, language), status_reached(status, language)
    if said and system:
        return t.gettext("The message “%(status)s” from %(system)s", status=said, system=system)
    if said:
        return t.gettext("The message “%(status)s”", status=said)
    return t.gettext("A message from %(system)s", system=system) if system else t.gettext("A message")


def _exchange(name: str, t: Translator) -> str:
    return name or t.gettext("(default)")


def _title(name: str, flow: Flow, language: str) -> str:
    return system_title(flow.system(flow.system_of_service.get(name, name)), language) if name else ""


def _owner(name: str, flow: Flow, language: str) -> str:
    system = flow.system(flow.system_of_service.get(name, name)) if name else None
    owner = owner_title(system.owner, language) if system else ""
    return owner or _title(name, flow, language) or get_translator(language).gettext("administrators of the broker")
