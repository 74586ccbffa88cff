"""Whose keys are that only time and presence tell: what changes in that by what is known now. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from ..store.linking import LinkStore
from .presence import Run, Stay, match_presence

_RUNS_MAX = 500

OwnKey = tuple[str, str, str, bool]
"""(key, order, source, whether it holds)."""


class Presences:
    """`ends` are the statuses that end an order; `note_limit` is told the name of a bound that was reached."""

    def __init__(self, store: LinkStore, ends: Sequence[str], note_limit: Callable[[str], None]) -> None:
        self._store = store
        self._ends = ends
        self._note_limit = note_limit

    async def changes(self, kind: str, status: str) -> list[OwnKey]:
        """What is to be said of keys of this kind, asked for while orders are in this status."""
        runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
        rows = await self._store.runs(kind, _RUNS_MAX)
        for system, root, at, keys, _ in rows:
            runs[system, root].append(Run(at, frozenset(keys)))
        if not runs:
            return []
        if len(rows) >= _RUNS_MAX:
            self._note_limit("joining_runs")
        stays: dict[str, list[Stay]] = defaultdict(list)
        for order_id, system, since, until in await self._store.stays(kind, status, self._ends):
            stays[system].append(Stay(order_id, since, until or None))
        source = f"presence {kind}"
        before = {(key, order) for _, key, order in await self._store.known_keys([source])}
        sure = await self._store.owned(kind)
        begun_before = len(rows) >= _RUNS_MAX or bool(rows[0][4])
        kept = {pair for pair in before if pair[0] not in sure and begun_before and _began_before(pair[0], runs)}
        owned = {key: frozenset({order}) for key, order in sure.items()}
        owned |= {key: frozenset(order for one, order in kept if one == key) for key, _ in kept}
        found = kept | {
            (key, order)
            for (system, _), course in runs.items()
            for key, orders in match_presence(course, stays[system], owned).items()
            for order in orders
        }
        changed = [(*pair, source, False) for pair in sorted(before - found)]
        return changed + [(*pair, source, True) for pair in sorted(found - before)]


def _began_before(key: str, runs: Mapping[tuple[str, str], Sequence[Run]]) -> bool:
    """Whether the key may have appeared before the runs that are still looked at: then more was in sight once."""
    courses = [course for course in runs.values() if any(key in run.keys for run in course)]
    return all(key in min(course, key=lambda run: run.at).keys for course in courses)
