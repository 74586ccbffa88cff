"""Which open orders need a look, and when next: the memory of the sweep. Pure; times are ns since 1970."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from ..model.flow import Flow
from ..store.orders import OrderGlance

_NS = 1_000_000_000
NEVER = 2**62
_ACCUSED_EARLY_MAX = 10_000


@dataclass(slots=True)
class Watched:
    """An open order; `review_ns` is when something may become wrong with it, `state` what the last look said.

    `accused`: a verdict on one of its messages came, which may say more once more of the order itself is known.
    """

    status: str
    rank: int
    since_ns: int
    started_ns: int
    deadline_ns: int
    reviews_ns: tuple[int, ...]
    review_ns: int
    state: str = "open"
    breached: bool = False
    accused: bool = False


class Watchlist:
    """Open orders, the next due first; at most `size_max` of them."""

    def __init__(self, flow: Flow, lag_max_seconds: float, settle_seconds: float, size_max: int) -> None:
        self._flow = flow
        self._lag_max_ns = int(lag_max_seconds * _NS)
        self._settle_ns = int(settle_seconds * _NS)
        self._size_max = size_max
        self._watched: dict[str, Watched] = {}
        self._due: list[tuple[int, str]] = []
        self._accused_early: dict[str, None] = {}  # before anything else was known of them
        self._first_status = flow.steps[0].status if flow.steps else ""
        self._end_rank = len(flow.steps) + 1
        self._step_ns = {s.status: int(s.deadline.total_seconds() * _NS) for s in flow.steps if s.deadline}
        self._flow_ns = int(flow.deadline.total_seconds() * _NS)
        self._error_ns = int(flow.error_grace.total_seconds() * _NS)
        self._mismatch_ns = int(flow.mismatch_grace.total_seconds() * _NS) + 1
        self._silence_ns = int(flow.silence.total_seconds() * _NS) + 1

    def __len__(self) -> int:
        return len(self._watched)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._watched

    def __iter__(self) -> Iterator[Watched]:
        return iter(self._watched.values())

    def get(self, order_id: str) -> Watched | None:
        return self._watched.get(order_id)

    def note(self, glance: OrderGlance) -> bool:
        """Takes over what is known of an order now; one that has ended leaves the list. False if there is no room."""
        before = self._watched.get(glance.order_id)
        glance = glance if glance.status else glance._replace(status=self._first_status)
        if glance.rank >= self._end_rank:
            self._watched.pop(glance.order_id, None)
            return True
        if before is None and len(self._watched) >= self._size_max:
            return False
        deadline = self._deadline(glance)
        reviews = self._reviews(glance, deadline)
        watched = Watched(glance.status, glance.rank, glance.since_ns, glance.started_ns, deadline, reviews, reviews[0])
        if before:
            watched.state = before.state
            watched.breached = before.breached and before.status == glance.status
        watched.accused = before.accused if before else glance.order_id in self._accused_early
        self._accused_early.pop(glance.order_id, None)
        if (before and before.state != "open") or watched.accused:
            watched.review_ns = 0  # what was held against it may be over, or speak only now
        self._watched[glance.order_id] = watched
        heapq.heappush(self._due, (watched.review_ns, glance.order_id))
        return True

    def take_due(self, until_ns: int, limit: int) -> list[str]:
        """Orders to look at now, longest due first. They come again only when `review_after` or `note` says so."""
        due: list[str] = []
        while self._due and self._due[0][0] <= until_ns and len(due) < limit:
            review_ns, order_id = heapq.heappop(self._due)
            watched = self._watched.get(order_id)
            if watched and watched.review_ns == review_ns:
                watched.review_ns = NEVER
                due.append(order_id)
        return due

    def review_now(self, order_id: str) -> None:
        """Makes an open order due at once, and again with whatever comes to be known of it."""
        if watched := self._watched.get(order_id):
            watched.review_ns, watched.accused = 0, True
            heapq.heappush(self._due, (0, order_id))
        else:
            self._accused_early[order_id] = None
            if len(self._accused_early) > _ACCUSED_EARLY_MAX:
                del self._accused_early[next(iter(self._accused_early))]

    def review_after(self, order_id: str, until_ns: int) -> None:
        """Looks again at the next moment after `until_ns` at which time alone may change the verdict."""
        watched = self._watched.get(order_id)
        later = [review for review in watched.reviews_ns if review > until_ns] if watched else []
        if watched and later and watched.review_ns == NEVER:  # else it was made due meanwhile
            watched.review_ns = later[0]
            heapq.heappush(self._due, (later[0], order_id))

    def _deadline(self, glance: OrderGlance) -> int:
        step = self._step_ns.get(glance.status)
        return glance.since_ns + step if step else glance.started_ns + self._flow_ns

    def _reviews(self, glance: OrderGlance, deadline_ns: int) -> tuple[int, ...]:
        """When the order can become late, failed or out of step, earliest first; replayed evidence first settles."""
        reviews = [deadline_ns, deadline_ns + self._silence_ns]
        if glance.error_ns:
            # the error's own length is not known here: look again a little later if it was too early
            grace = glance.error_ns + self._error_ns
            reviews += [grace, grace + _NS, grace + 10 * _NS, glance.seen_ns + self._error_ns]
        if glance.apart:
            reviews += [glance.since_ns + self._mismatch_ns, glance.seen_ns + self._mismatch_ns]
        arrived_ns = glance.inserted_ms * 1_000_000
        if arrived_ns - glance.seen_ns > self._lag_max_ns:
            reviews = [max(review, arrived_ns + self._settle_ns) for review in reviews]
        return tuple(sorted(reviews)) if len(reviews) > 1 else (reviews[0],)
