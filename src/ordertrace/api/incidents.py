"""`/api/v1/incidents`: what is broken, and what people say about it."""

# Annotations are values here, not strings: FastAPI reads them, and some name a local function.
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from ..errors import Forbidden
from ..listening import is_cross_site
from ..model.flow import Flow
from ..orders.incident_keeper import NAME_MAX, TEXT_MAX, IncidentKeeper
from ..settings import Settings
from .message_models import Incident, IncidentList, Wording
from .problems import problem_responses, refuse_parameters
from .wording import NO_CONTROL, wording_for

_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"  # lines and tabs are welcome


class Said(BaseModel):
    """What somebody says about an incident."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[str, Field(min_length=1, max_length=NAME_MAX, pattern=NO_CONTROL, description="Who says it")]
    text: Annotated[str, Field(max_length=TEXT_MAX, pattern=_TEXT)] = ""


def _from_here(request: Request) -> None:
    """Refuses what a page of another site sends."""
    refuse_parameters(request)
    if is_cross_site(request.headers):
        raise Forbidden("this was sent by a page of another site")


_ANSWERS = problem_responses(400, 403, 404, 503)
_FROM_HERE = [Depends(_from_here)]
_Id = Annotated[str, Path(alias="id", min_length=1, max_length=40, pattern=NO_CONTROL)]


def build_incidents(flow: Flow, settings: Settings, incidents: IncidentKeeper) -> APIRouter:
    """The routes about incidents."""
    router = APIRouter(prefix="/api/v1", tags=["incidents"])
    wording = Annotated[Wording, Depends(wording_for(flow, settings))]

    @router.get(
        "/incidents",
        responses=problem_responses(400, 503),
        summary="What is broken, and who is on it",
    )
    async def list_incidents(request: Request, say: wording) -> IncidentList:
        refuse_parameters(request)
        found = await incidents.find(say.now)
        return IncidentList(incidents=[say.to_incident(view) for view in found])

    @router.get("/incidents/{id}", responses=problem_responses(400, 404, 503), summary="One incident")
    async def get_incident(request: Request, incident: _Id, say: wording) -> Incident:
        refuse_parameters(request)
        return say.to_incident(await incidents.get(incident))

    @router.post(
        "/incidents/{id}/acknowledge",
        responses=_ANSWERS,
        dependencies=_FROM_HERE,
        summary="Somebody is on it",
    )
    async def acknowledge(incident: _Id, said: Said, say: wording) -> Incident:
        return say.to_incident(await incidents.acknowledge(incident, said.by, said.text, say.now))

    @router.post(
        "/incidents/{id}/note",
        responses=_ANSWERS,
        dependencies=_FROM_HERE,
        summary="A note; it needs a text",
    )
    async def note(incident: _Id, said: Said, say: wording) -> Incident:
        return say.to_incident(await incidents.note(incident, said.by, said.text, say.now))

    @router.post(
        "/incidents/{id}/resolve",
        responses=_ANSWERS,
        dependencies=_FROM_HERE,
        summary="The cause is gone",
    )
    async def resolve(incident: _Id, said: Said, say: wording) -> Incident:
        return say.to_incident(await incidents.resolve(incident, said.by, said.text, say.now))

    return router
