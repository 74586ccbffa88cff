"""The pages of incidents, with the plain forms by which people take one on, leave a note or declare it over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..errors import Forbidden, NotFound
from ..listening import is_cross_site
from ..orders.incident_keeper import NAME_MAX, TEXT_MAX, IncidentKeeper
from .frame import REFRESH_SECONDS, Frame
from .reading import keep_name, read_form, read_name
from .rendering import SECURITY_HEADERS
from .views_incidents import build_incident_page, build_incidents_view, incident_url


class IncidentPages:
    """The endpoints. There is no login yet: people say their name, and it is kept in a cookie for the next time."""

    def __init__(self, frame: Frame, keeper: IncidentKeeper | None) -> None:
        self._frame = frame
        self._keeper = keeper

    async def incidents(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        found = await self._keeper.find(viewer.now) if self._keeper else []
        values = {"view": build_incidents_view(found, viewer)}
        return self._frame.page("incidents.html", request, viewer, values, here="incidents", live=REFRESH_SECONDS)

    async def incident(self, request: Request) -> Response:
        viewer = self._frame.viewer(request)
        found = await self._keeping().get(request.path_params["incident"])
        values = {
            "view": build_incident_page(found, viewer),
            "name": read_name(request, NAME_MAX),
            "name_max": NAME_MAX,
            "text_max": TEXT_MAX,
        }
        return self._frame.page("incident.html", request, viewer, values, here="incident", live=REFRESH_SECONDS)

    async def act(self, request: Request) -> Response:
        """POST …/acknowledge, …/note or …/resolve, then back to the incident. Only our own pages may ask for it."""
        if is_cross_site(request.headers, from_browser=True):
            raise Forbidden("this form was not sent from a page of ordertrace")
        form, keeper = await read_form(request), self._keeping()
        steps: dict[str, Callable[[str, str, str, datetime], Awaitable[object]]] = {
            "acknowledge": keeper.acknowledge,
            "note": keeper.note,
            "resolve": keeper.resolve,
        }
        incident_id, name = request.path_params["incident"], form.get("by", "")
        if request.path_params["step"] not in steps:
            raise NotFound(request.url.path)
        await steps[request.path_params["step"]](incident_id, name, form.get("text", ""), datetime.now(UTC))
        response = RedirectResponse(incident_url(incident_id) + "#history", 303, SECURITY_HEADERS)
        keep_name(response, name, NAME_MAX)
        return response

    def _keeping(self) -> IncidentKeeper:
        if self._keeper is None:
            raise NotFound("there are no incidents here")
        return self._keeper
