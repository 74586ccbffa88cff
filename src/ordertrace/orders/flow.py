"""The flow in force, from settings."""

from __future__ import annotations

from ..model.flow import Flow, Step, System
from ..settings import Settings


def build_flow(settings: Settings) -> Flow:
    """Steps, systems and limits as the settings say them; titles default to names."""
    return Flow(
        steps=tuple(Step(step.status, step.system, step.next, step.deadline) for step in settings.step),
        systems=tuple(
            System(
                system.name,
                system.title or system.name,
                system.services or (system.name,),
                system.closed,
                system.owner,
                system.follows,
            )
            for system in settings.system
        ),
        deadline=settings.flow.deadline,
        closed=frozenset(settings.flow.closed),
        cancelled=frozenset(settings.flow.cancelled),
        error_grace=settings.flow.error_grace,
        mismatch_grace=settings.flow.mismatch_grace,
        silence=settings.flow.silence,
    )
