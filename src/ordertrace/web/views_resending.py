"""The part of a message's page where people have it sent again: what was done so far, and the buttons. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.message import MessageLife, Republication
from ..texts.translator import N_
from .viewer import Viewer
from .views_messages import message_url

_RESULTS = {
    "claimed": N_("on its way; how it ended is not known yet"),
    "seen": N_("on its way; how it ended is not known yet"),
    "published": N_("sent again, the broker has confirmed it"),
    "returned": N_("came back: no queue takes it"),
    "refused": N_("the broker refused it (%(reason)s)"),
    "not_published": N_("was not sent: ordertrace or the broker was interrupted before"),
    "unknown": N_("it cannot be known whether it was sent, since the watch was interrupted"),
}


_REASONS = {
    "no rights": N_("its user may not publish there"),
    "the queue is full or does not take it": N_("the queue is full or does not take it"),
    "there is no such exchange": N_("there is no such exchange"),
}


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One attempt: when, who, to where, and how it ended."""

    clock: str
    title: str
    by: str
    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class ResendingView:
    """`queues` are those from which it was lost and to which it can be sent; '' means as it was sent at first."""

    attempts: tuple[AttemptLine, ...]
    queues: tuple[str, ...]
    url: str


def build_resending_view(
    history: Sequence[Republication], offered: Sequence[MessageLife], viewer: Viewer
) -> ResendingView:
    """What is on record, and what may be done now: nothing while an attempt is open or has succeeded since the loss."""
    queues = [life.queue for life in offered if not any(_stands_against(each, life) for each in history)]
    url = f"{message_url(offered[0].key)}/republish" if offered else ""
    return ResendingView(tuple(_line(each, viewer) for each in history), tuple(queues), url)


def _stands_against(attempt: Republication, life: MessageLife) -> bool:
    later = life.since is None or attempt.began_at >= life.since
    return attempt.queue == life.queue and later and attempt.result in ("claimed", "seen", "published", "unknown")


def _line(attempt: Republication, viewer: Viewer) -> AttemptLine:
    reason = viewer.t.gettext(_REASONS[attempt.reason]) if attempt.reason in _REASONS else attempt.reason
    text = viewer.t.gettext(_RESULTS.get(attempt.result, attempt.result), reason=reason)
    tone = {"published": "good", "claimed": "calm", "seen": "calm"}.get(attempt.result, "bad")
    return AttemptLine(viewer.clock(attempt.began_at), viewer.exact(attempt.began_at), attempt.by, text, tone)
