"""The messages of one order: what the watch of the brokers saw of them, and what only spans tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.message import MessageLife, Verdict
from ..model.order import Message, OrderTimeline
from ..texts import message_state_title, verdict_title
from .viewer import Viewer
from .views_messages import build_message_line


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message of the order; where the watch of a broker saw it, with its own page and, if need be, a sentence."""

    message_id: str
    route: str
    state: str
    tone: str
    clock: str
    title: str
    url: str = ""
    sentence: str = ""
    certainty: str = ""


def message_rows(timeline: OrderTimeline, viewer: Viewer) -> list[MessageRow]:
    """What the watch of a broker saw, and what only spans tell of; lost and stuck ones first."""
    watched = {name for life in timeline.lives for name in (life.message_id, life.key) if name}
    rows = [_life_row(life, viewer) for life in timeline.lives]
    rows += [_message_row(message, viewer) for message in timeline.messages if message.message_id not in watched]
    return sorted(rows, key=lambda row: row.tone != "bad")


def _life_row(life: MessageLife, viewer: Viewer) -> MessageRow:
    line = build_message_line(life, viewer)
    tone = "calm" if line.tone == "done" else line.tone
    return MessageRow(
        message_id=life.message_id or life.key,
        route=line.route,
        state=line.problem or line.state,
        tone=tone,
        clock=line.clock,
        title=line.title,
        url=line.url,
        sentence=line.sentence if line.problem else "",
        certainty=line.certainty,
    )


def _message_row(message: Message, viewer: Viewer) -> MessageRow:
    at = message.published_at or message.delivered_at or message.settled_at
    # The same word twice says nothing: exchange, key and queue are shown as far as they differ.
    route = list(dict.fromkeys(p for p in (message.exchange, message.routing_key, message.queue) if p))
    problem = verdict_title(message.verdict, viewer.language) if message.verdict in list(Verdict) else message.verdict
    return MessageRow(
        message_id=message.message_id,
        route=" → ".join(route),
        state=problem or message_state_title(message.state, viewer.language),
        tone="bad" if message.state == "lost" or message.verdict else "soon" if message.state == "unseen" else "calm",
        clock=viewer.clock(at) if at else "",
        title=viewer.exact(at) if at else "",
    )
