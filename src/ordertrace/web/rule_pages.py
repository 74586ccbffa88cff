"""The page on which rules are explained and others are tried. A plain form; nothing is changed by it."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from ..errors import Invalid, NotFound
from ..model.trial import Trial
from ..orders.trial import RuleTrials
from ..settings.rules import parse_rule
from ..store.trials import Rules
from .frame import Frame
from .views_rules import build_rules_view

_Q_LENGTH_MAX = 200
_RULES_LENGTH_MAX = 4_000
_RULES_MAX = 50
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class RulePages:
    """The endpoint."""

    def __init__(self, frame: Frame, trials: RuleTrials | None) -> None:
        self._frame = frame
        self._trials = trials

    async def rules(self, request: Request) -> Response:
        """What rules make of the order or trace that `q` names; `id` and `status` are other rules, one a line."""
        if self._trials is None:
            raise NotFound(request.url.path)
        viewer, in_force = self._frame.viewer(request), self._trials.in_force
        subject = request.query_params.get("q", "").strip()[:_Q_LENGTH_MAX]
        ids, statuses = (
            _lines(request.query_params.get(name, ""), rules)
            for name, rules in (("id", in_force.ids), ("status", in_force.statuses))
        )
        others = Rules(ids, statuses)
        problem, trial = "", None
        if subject:
            try:
                trial = await self._try(subject, None if others == in_force else others)
            except (ValueError, Invalid) as error:
                problem = str(error)
        values = {
            "subject": subject,
            "ids": "\n".join(ids),
            "statuses": "\n".join(statuses),
            "rules_max": _RULES_LENGTH_MAX,
            "others": others != in_force,
            "problem": problem,
            "unknown": bool(subject) and trial is None and not problem,
            "view": build_rules_view(trial, others != in_force, viewer) if trial else None,
        }
        return self._frame.page("rules.html", request, viewer, values, here="rules", status=400 if problem else 200)

    async def _try(self, subject: str, others: Rules | None) -> Trial | None:
        """An order of that id, else a trace; None where there is neither. Raises ValueError for a rule that is none."""
        assert self._trials is not None
        for rule in (*others.ids, *others.statuses) if others else ():
            parse_rule(rule)
        try:
            return await self._trials.try_order(subject, others)
        except NotFound:
            if not _TRACE_ID.fullmatch(subject.lower()):
                return None
        try:
            return await self._trials.try_trace(subject.lower(), others)
        except NotFound:
            return None


def _lines(text: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Rules, one a line; those in force where nothing is written."""
    lines = tuple(line.strip() for line in text[:_RULES_LENGTH_MAX].splitlines() if line.strip())
    return lines[:_RULES_MAX] or default
