"""The pages about brokers: all messages, one message, queues. They ask the store of messages and the running watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..errors import Forbidden, NotFound
from ..listening import is_cross_site
from ..model.message import (
    STUCK,
    BrokerSight,
    FailedGroup,
    MessageFilter,
    MessageLife,
    MessagePage,
    MessageState,
    QueueSight,
    WatchGap,
)
from ..orders.resending import NAME_MAX, Resending
from ..store.messages import MessageStore
from ..store.store import Row
from .briefly import Briefly
from .frame import Frame
from .reading import keep_name, read_form, read_message_filter, read_name
from .rendering import SECURITY_HEADERS
from .viewer import Viewer
from .views_message import build_message_view
from .views_messages import build_messages_view, in_force, message_url
from .views_queues import HOUR, SPANS, build_courses, build_queues_view
from .views_resending import build_resending_view
from .views_watch import WatchView, build_watch_view, gap_line, overlapping

Sights = Callable[[], Sequence[BrokerSight]]
GAPS_SHOWN_FOR = timedelta(days=1)
TROUBLED_A_VERDICT = 30
REFRESH_WATCH_SECONDS = 5  # these pages ask more of the store than an order's


class WatchPages:
    """The endpoints; without a store of messages they say that no broker is watched."""

    def __init__(
        self, frame: Frame, messages: MessageStore | None, sights: Sights | None, resending: Resending | None = None
    ) -> None:
        self._frame = frame
        self._messages = messages
        self._sights = sights
        self._resending = resending
        self._briefly = Briefly()

    async def messages(self, request: Request) -> Response:
        viewer, wanted = self._frame.viewer(request), read_message_filter(request)
        watch = await self._watch(viewer)
        page, troubled = MessagePage((), None), list[MessageLife]()
        groups: Sequence[FailedGroup] = ()
        queues: Sequence[QueueSight] = ()
        if store := self._messages:
            page, troubled, groups, queues = await self._briefly.get(wanted, lambda: _find(store, wanted, viewer.now))
        view = build_messages_view(page, troubled, groups, queues, wanted, watch, viewer)
        return self._frame.page(
            "messages.html", request, viewer, {"view": view}, here="messages", live=REFRESH_WATCH_SECONDS
        )

    async def message(self, request: Request) -> Response:
        viewer, key = self._frame.viewer(request), unquote(request.path_params["message"])
        if self._messages is None:
            raise NotFound(f"message {key[:80]!r}: no broker is watched")
        lives = await self._messages.get_message(key)
        steps = await self._messages.steps(lives[0].key)
        start = min((at for life in lives for at in (life.published_at, life.delivered_at) if at), default=viewer.now)
        gaps = await self._messages.gaps(start, lives[0].broker)
        until = _end(lives, viewer.now)
        shown = [gap_line(gap, viewer) for gap in overlapping(gaps, start, until)]
        again = self._resending
        values = {
            "view": build_message_view(lives, steps, shown, viewer),
            "again": build_resending_view(
                await again.history(lives) if again else (), again.offered(lives) if again else (), viewer
            ),
            "name": read_name(request, NAME_MAX),
            "name_max": NAME_MAX,
        }
        return self._frame.page("message.html", request, viewer, values, here="message", live=REFRESH_WATCH_SECONDS)

    async def republish(self, request: Request) -> Response:
        """POST: sends a lost message again, then back to it. Only our own pages may ask for it."""
        if is_cross_site(request.headers, from_browser=True):
            raise Forbidden("this form was not sent from a page of ordertrace")
        if self._resending is None:
            raise NotFound(request.url.path)
        form, key = await read_form(request), unquote(request.path_params["message"])
        client = request.client.host if request.client else None
        await self._resending.send(key, form.get("queue", ""), form.get("by", ""), client)
        response = RedirectResponse(f"{message_url(key)}#again", 303, SECURITY_HEADERS)
        keep_name(response, form.get("by", ""), NAME_MAX)
        return response

    async def queues(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        watch = await self._watch(viewer)
        queues: Sequence[QueueSight] = ()
        gaps: Sequence[WatchGap] = ()
        rows: Sequence[Row] = ()
        if store := self._messages:
            queues, gaps, rows = await self._briefly.get("queues", lambda: _find_queues(store, viewer.now))
        view = build_queues_view(queues, build_courses(rows), gaps, watch, viewer)
        return self._frame.page(
            "queues.html", request, viewer, {"view": view}, here="queues", live=REFRESH_WATCH_SECONDS
        )

    async def _watch(self, viewer: Viewer) -> WatchView:
        if self._messages is None:
            return build_watch_view(False, (), (), viewer)
        store = self._messages
        gaps = await self._briefly.get("gaps", lambda: store.gaps(viewer.now - GAPS_SHOWN_FOR))
        return build_watch_view(True, self._sights() if self._sights else (), gaps, viewer)


async def _find(
    store: MessageStore, wanted: MessageFilter, now: datetime
) -> tuple[MessagePage, list[MessageLife], Sequence[FailedGroup], Sequence[QueueSight]]:
    page, groups, queues = await asyncio.gather(
        store.find_messages(wanted, now), store.failed_groups_by_error(now), store.queues(now)
    )
    troubled = [] if wanted.verdict or wanted.state else await _find_troubled(store, groups, wanted, now)
    return page, troubled, groups, queues


async def _find_queues(
    store: MessageStore, now: datetime
) -> tuple[Sequence[QueueSight], Sequence[WatchGap], Sequence[Row]]:
    return await asyncio.gather(store.queues(now), store.gaps(now - HOUR), store.queue_courses(now - HOUR, now, SPANS))


async def _find_troubled(
    store: MessageStore, groups: Sequence[FailedGroup], wanted: MessageFilter, now: datetime
) -> list[MessageLife]:
    """Lost messages and those of each verdict of stuck ones, the newest first, as far as the filter lets them through."""
    verdicts = {group.verdict for group in groups if group.verdict in STUCK}
    base = replace(wanted, limit=TROUBLED_A_VERDICT, cursor="", state="", verdict="")
    questions = [replace(base, verdict=verdict.value) for verdict in sorted(verdicts)]
    if any(group.verdict not in STUCK for group in groups):
        questions.append(replace(base, state=MessageState.LOST.value))
    pages = await asyncio.gather(*(store.find_messages(question, now) for question in questions))
    lives = {(life.broker, life.key, life.queue): life for page in pages for life in page.messages if in_force(life)}
    return sorted(lives.values(), key=lambda life: life.since or life.published_at or now, reverse=True)


def _end(lives: Sequence[MessageLife], now: datetime) -> datetime:
    """When the last of a message's lives was over; now, while one is not."""
    ends = [life.settled_at or (life.since if life.state is MessageState.LOST else None) for life in lives]
    known = [end for end in ends if end]
    return max(known) if len(known) == len(ends) and known else now
