"""An order as a row or a headline: words, accent and the bar of its deadline. Shared by board, search and order page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from ..model.order import Order, OrderState
from ..texts import deviation_title, diagnosis_sentence, problem_title, state_title
from .viewer import SystemMark, Viewer

SOON = 0.8  # share of the deadline from which an order is about to be late
DUE_WIDTH = 100
REMARKS_MAX = 20


@dataclass(frozen=True, slots=True)
class Due:
    """The bar of a deadline: `filled` of DUE_WIDTH, `tone` calm, soon or over, and the same in words."""

    filled: float
    tone: str
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One line of a list. `fingerprint` changes when something happened, not merely because time went on."""

    id: str
    brief: str
    url: str
    state: str
    state_title: str
    tone: str
    status: str
    status_title: str
    sentence: str
    problem: str
    remark: str
    next: SystemMark | None
    owner: str
    due: Due | None
    age: str
    since: str
    since_title: str
    fingerprint: str


def order_url(order_id: str) -> str:
    """The address of an order's page, whatever characters its id has."""
    return "/orders/" + quote(order_id, safe="")


def shorten_id(order_id: str, characters: int = 24) -> str:
    """A long id with its middle left out, since ids differ at their ends."""
    if len(order_id) <= characters:
        return order_id
    tail = (characters - 1) // 2
    return f"{order_id[: characters - 1 - tail]}…{order_id[-tail:]}"


def build_row(order: Order, viewer: Viewer) -> OrderRow:
    """One line of a list about the order."""
    diagnosis = order.diagnosis
    return OrderRow(
        id=order.id,
        brief=shorten_id(order.id, 18),
        url=order_url(order.id),
        state=order.state,
        state_title=state_title(order.state, viewer.language),
        tone=state_tone(order, viewer),
        status=order.status,
        status_title=viewer.status(order.status) or viewer.t.gettext("status not known"),
        sentence=_sentence(order, viewer),
        problem=problem_title(diagnosis.kind, viewer.language) if diagnosis else "",
        remark=", ".join(
            dict.fromkeys(deviation_title(one.kind, viewer.language) for one in order.deviations[:REMARKS_MAX])
        ),
        next=viewer.mark(order.next.system) if order.next else None,
        owner=viewer.owner(order.owner),
        due=build_due(order, viewer),
        age=viewer.roughly(order.age_seconds),
        since=viewer.ago(order.status_since),
        since_title=viewer.exact(order.status_since),
        fingerprint=f"{order.state} {order.status} {diagnosis.kind if diagnosis else ''} {len(order.deviations)}",
    )


def state_tone(order: Order, viewer: Viewer) -> str:
    """bad: a person is needed; soon: nearly late; done; calm."""
    if order.state in (OrderState.STUCK, OrderState.FAILED):
        return "bad"
    if order.state is not OrderState.OPEN:
        return "done"
    return "soon" if (used := used_share(order, viewer)) is not None and used >= SOON else "calm"


def used_share(order: Order, viewer: Viewer) -> float | None:
    """Share of the time allowed that has gone; None without a deadline."""
    if order.deadline_at is None or not order.deadline_seconds or order.closed_at is not None:
        return None
    return max(0.0, 1 - (order.deadline_at - viewer.now).total_seconds() / order.deadline_seconds)


def build_due(order: Order, viewer: Viewer) -> Due | None:
    """Time left or overdue; None for orders that have ended or have no deadline."""
    used = used_share(order, viewer)
    if used is None or order.deadline_at is None:
        return None
    left = (order.deadline_at - viewer.now).total_seconds()
    title = viewer.t.gettext("deadline %(clock)s", clock=viewer.exact(order.deadline_at))
    if left < 0:
        return Due(DUE_WIDTH, "over", f"+{viewer.roughly(left)}", title)
    text = viewer.t.gettext("%(duration)s left", duration=viewer.roughly(left))
    return Due(round(DUE_WIDTH * min(1.0, used), 1), "soon" if used >= SOON else "calm", text, title)


def _sentence(order: Order, viewer: Viewer) -> str:
    if order.diagnosis:
        return diagnosis_sentence(order.diagnosis, order, viewer.flow, viewer.language)
    if order.state in (OrderState.STUCK, OrderState.FAILED):
        return viewer.t.gettext("Something is wrong; the cause has not been found yet.")
    if state_tone(order, viewer) == "soon":
        return viewer.t.gettext(
            "Still in time, but the deadline is near: %(status)s.", status=viewer.status(order.status)
        )
    return ""
