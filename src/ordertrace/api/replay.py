"""`/api/v1/replay`: how far history is worked through again after a change of rules or of the flow."""

# Annotations are values here, not strings: FastAPI reads them.
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ..model import replay as replay_model
from .problems import problem_responses, refuse_parameters

Progress = Callable[[], tuple[replay_model.Replay | None, str]]


class Rows(BaseModel):
    """Evidence, counted as rows."""

    spans: int
    log_records: int
    messages: int


class Replay(BaseModel):
    """The replay that runs, or ran last."""

    state: Annotated[
        Literal["none", "running", "done"], Field(description="`done`: all rows are by the rules in force")
    ]
    phase: Annotated[
        str, Field(description="`columns`, `facts`, `switching` or `done`; empty where there is no replay")
    ]
    share: Annotated[float, Field(description="How much of it is done, 0…1")]
    changed: Annotated[list[str], Field(description="Parts of the settings (or `ordertrace`) that differ from before")]
    done: Rows
    total: Rows
    started_at: datetime | None
    finished_at: datetime | None
    problem: Annotated[str, Field(description="What keeps it from going on; empty if nothing does")]


def build_replay(progress: Progress) -> APIRouter:
    """The route about the replay."""
    router = APIRouter(prefix="/api/v1", tags=["operations"])

    @router.get("/replay", responses=problem_responses(400), summary="History worked through again, and how far")
    async def get_replay(request: Request) -> Replay:
        refuse_parameters(request)
        return _to_replay(*progress())

    return router


def _to_replay(replay: replay_model.Replay | None, problem: str) -> Replay:
    if replay is None:
        none = Rows(spans=0, log_records=0, messages=0)
        return Replay(
            state="none", phase="", share=1.0, changed=[], done=none, total=none, started_at=None, finished_at=None,
            problem=problem,
        )  # fmt: skip
    return Replay(
        state="done" if replay.phase is replay_model.ReplayPhase.DONE else "running",
        phase=replay.phase.value,
        share=round(replay.share, 4),
        changed=list(replay.reasons),
        done=_to_rows(replay.done),
        total=_to_rows(replay.total),
        started_at=replay.id,
        finished_at=replay.finished_at,
        problem=problem,
    )


def _to_rows(counts: replay_model.Counts) -> Rows:
    return Rows(
        spans=counts.get("otel_traces", 0),
        log_records=counts.get("otel_logs", 0),
        messages=counts.get("message_events", 0),
    )
