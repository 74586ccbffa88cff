"""The page of all messages: what is in flight, stuck or lost, groups of the same failure, filter and list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from ..model.message import (
    STUCK,
    FailedGroup,
    MessageFilter,
    MessageLife,
    MessagePage,
    MessageState,
    QueueSight,
    Verdict,
)
from ..texts import certainty_words, message_sentence, message_state_title, number_words, verdict_title
from .viewer import SystemMark, Viewer
from .views_board import Choice, FigureCard
from .views_orders import order_url, shorten_id
from .views_watch import WatchView

GROUP_ORDERS_SHOWN = 4
TROUBLED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A message in a list. `fingerprint` changes when something happened to it."""

    key: str
    brief: str
    url: str
    tone: str
    state: str
    problem: str
    certainty: str
    sentence: str
    order_id: str
    order_brief: str
    order_url: str
    route: str
    queue: str
    clock: str
    title: str
    age: str
    publisher: SystemMark | None
    consumer: SystemMark | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class GroupLine:
    """Messages with the same fate in the same queue; `url` lists them."""

    key: str
    tone: str
    problem: str
    place: str
    routing_key: str
    error: str
    count: str
    orders: tuple[tuple[str, str], ...]
    more_orders: int
    first: str
    first_title: str
    last: str
    last_title: str
    url: str


@dataclass(frozen=True, slots=True)
class MessageFilterView:
    """The filter as it stands in the URL."""

    states: tuple[Choice, ...]
    verdicts: tuple[Choice, ...]
    queues: tuple[Choice, ...]
    state: str
    verdict: str
    order: str
    active: bool


@dataclass(frozen=True, slots=True)
class MessagesView:
    """Everything that the page of messages shows."""

    headline: str
    headline_tone: str
    watch: WatchView
    figures: tuple[FigureCard, ...]
    troubled: tuple[MessageLine, ...]
    troubled_count: int
    groups: tuple[GroupLine, ...]
    filter: MessageFilterView
    rows: tuple[MessageLine, ...]
    next_url: str
    first_url: str
    empty: bool


def build_messages_view(
    page: MessagePage,
    troubled: Sequence[MessageLife],
    groups: Sequence[FailedGroup],
    queues: Sequence[QueueSight],
    wanted: MessageFilter,
    watch: WatchView,
    viewer: Viewer,
) -> MessagesView:
    """The page for one reader; `troubled` are lost and stuck messages, the newest first."""
    stuck = sum(group.messages for group in groups if group.verdict in STUCK)
    lost = sum(group.messages for group in groups if group.verdict not in STUCK)
    headline, tone = _headline(lost, stuck, watch, viewer)
    return MessagesView(
        headline=headline,
        headline_tone=tone,
        watch=watch,
        figures=_figures(lost, stuck, groups, queues, viewer),
        troubled=tuple(build_message_line(life, viewer) for life in troubled[:TROUBLED_SHOWN]),
        troubled_count=len(troubled) if wanted.queue or wanted.order else lost + stuck,
        groups=tuple(_group_line(group, viewer) for group in groups),
        filter=_filter(wanted, queues, groups, viewer),
        rows=tuple(build_message_line(life, viewer) for life in page.messages),
        next_url=list_url(wanted, cursor=page.next_cursor) if page.next_cursor else "",
        first_url=list_url(wanted) if wanted.cursor else "",
        empty=not (page.messages or groups or queues),
    )


def message_url(key: str) -> str:
    """The address of a message's page, whatever characters its key has."""
    return "/messages/" + quote(key, safe="")


def list_url(wanted: MessageFilter, **changes: str | None) -> str:
    """The list's address with this filter and some of it changed; a changed filter begins at its first page."""
    have = {name: getattr(wanted, name) for name in ("state", "verdict", "queue", "order")} | {"cursor": ""}
    given = {name: value for name, value in (have | changes).items() if value}
    return "/messages" + ("?" + urlencode(given) if given else "") + "#messages"


def in_force(life: MessageLife) -> Verdict | None:
    """The verdict that holds now."""
    return life.verdict if life.cleared_at is None else None


def message_tone(life: MessageLife) -> str:
    """bad: lost or stuck; soon: not known; done; calm."""
    if in_force(life) or life.state is MessageState.LOST:
        return "bad"
    return {MessageState.UNSEEN: "soon", MessageState.SETTLED: "done"}.get(life.state, "calm")


def build_message_line(life: MessageLife, viewer: Viewer) -> MessageLine:
    """One message of a list."""
    verdict, language = in_force(life), viewer.language
    at = (life.since if verdict else None) or life.published_at or life.delivered_at or life.settled_at
    name = life.message_id or life.key
    return MessageLine(
        key=f"{life.key} {life.queue}",
        brief=shorten_id(name, 18),
        url=message_url(life.key),
        tone=message_tone(life),
        state=message_state_title(life.state, language),
        problem=verdict_title(verdict, language) if verdict else "",
        certainty=certainty_words(life.confidence, language) if verdict else "",
        sentence=message_sentence(life, viewer.flow, language, viewer.now),
        order_id=life.order_id,
        order_brief=shorten_id(life.order_id, 18),
        order_url=order_url(life.order_id) if life.order_id else "",
        route=route_words(life),
        queue=life.queue,
        clock=viewer.clock(at) if at else "",
        title=viewer.exact(at) if at else "",
        age=viewer.ago(at) if at else "",
        publisher=viewer.mark(life.publisher) if life.publisher else None,
        consumer=viewer.mark(life.consumer) if life.consumer else None,
        fingerprint=f"{life.state} {verdict or ''}",
    )


def route_words(life: MessageLife) -> str:
    """Exchange, key and queue as far as they differ: the same word twice says nothing."""
    return " → ".join(dict.fromkeys(part for part in (life.exchange, life.routing_key, life.queue) if part))


def _headline(lost: int, stuck: int, watch: WatchView, viewer: Viewer) -> tuple[str, str]:
    t = viewer.t
    if not watch.watched:
        return t.gettext("No broker is watched"), "calm"
    words = []
    if lost:
        words.append(t.ngettext("%(num)s message lost", "%(num)s messages lost", lost))
    if stuck:
        words.append(t.ngettext("%(num)s message stuck", "%(num)s messages stuck", stuck))
    if words:
        return ", ".join(words), "bad"
    if watch.blind:
        return t.gettext("What happens to messages cannot be seen now"), "soon"
    return t.gettext("No message is lost or stuck"), "good"


def _figures(
    lost: int, stuck: int, groups: Sequence[FailedGroup], queues: Sequence[QueueSight], viewer: Viewer
) -> tuple[FigureCard, ...]:
    t = viewer.t
    waiting = sum(queue.ready for queue in queues)
    unacked = sum(queue.unacked or 0 for queue in queues)
    orders = len({order_id for group in groups for order_id in group.order_ids})
    rate = sum(queue.published_rate for queue in queues)
    cards = [
        ("lost", float(lost), t.gettext("lost"), "bad" if lost else "calm"),
        ("stuck", float(stuck), t.gettext("stuck"), "bad" if stuck else "calm"),
        ("orders", float(orders), t.gettext("orders affected"), "bad" if orders else "calm"),
        ("waiting", float(waiting), t.gettext("waiting in queues"), "calm"),
        ("unacked", float(unacked), t.gettext("handed over, not confirmed"), "calm"),
    ]
    found = [
        FigureCard(name, number_words(value, viewer.language), title, tone, "", "")
        for name, value, title, tone in cards
    ]
    text = number_words(rate, viewer.language, 1)
    return (*found, FigureCard("rate", text, t.gettext("messages a second"), "calm", "", ""))


def _group_line(group: FailedGroup, viewer: Viewer) -> GroupLine:
    t = viewer.t
    orders = tuple((shorten_id(order_id, 18), order_url(order_id)) for order_id in group.order_ids[:GROUP_ORDERS_SHOWN])
    return GroupLine(
        key=f"{group.broker} {group.queue} {group.routing_key} {group.error_type} {group.verdict}",
        tone="soon" if group.verdict in STUCK else "bad",
        problem=verdict_title(group.verdict, viewer.language),
        place=group.queue or t.gettext("before any queue"),
        routing_key=group.routing_key,
        error=group.error_type,
        count=number_words(group.messages, viewer.language),
        orders=orders,
        more_orders=max(0, group.orders - len(orders)),
        first=viewer.clock(group.first_since),
        first_title=viewer.exact(group.first_since),
        last=viewer.ago(group.last_since),
        last_title=viewer.exact(group.last_since),
        url=list_url(MessageFilter(verdict=group.verdict, queue=group.queue)),
    )


def _filter(
    wanted: MessageFilter, queues: Sequence[QueueSight], groups: Sequence[FailedGroup], viewer: Viewer
) -> MessageFilterView:
    t, language = viewer.t, viewer.language
    states = [Choice("", t.gettext("all"), not wanted.state, list_url(wanted, state=""))]
    for state in (
        MessageState.LOST,
        MessageState.QUEUED,
        MessageState.DELIVERED,
        MessageState.SETTLED,
        MessageState.UNSEEN,
    ):
        title = message_state_title(state, language)
        states.append(Choice(state, title, wanted.state == state, list_url(wanted, state=state)))
    names = sorted(
        {queue.queue for queue in queues} | {group.queue for group in groups if group.queue} | {wanted.queue}
    )
    return MessageFilterView(
        states=tuple(states),
        verdicts=tuple(Choice(v, verdict_title(v, language), wanted.verdict == v) for v in Verdict),
        queues=tuple(Choice(name, name, name == wanted.queue) for name in names if name),
        state=wanted.state,
        verdict=wanted.verdict,
        order=wanted.order,
        active=bool(wanted.state or wanted.verdict or wanted.queue or wanted.order),
    )
