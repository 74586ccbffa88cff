"""What many orders say together: statements over their paths, messages, calls and attributes ↔ rows. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..model.analysis import Period, Span
from ..model.flow import Flow
from ..model.order import OrderFilter
from .paths import PathStore
from .store import Row, Store

_STEPS_MAX, _HOPS_MAX, _COURSE_ROWS_MAX = 60, 60, 10_000
_FACTS_LOOKED_AT = 400_000
_SAMPLE_MAX, _VALUES_MAX, _SUPPORT_MIN = 150, 2_000, 3
_LONG_AGO, _NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
# Of one span, connection, thread, request or person rather than of a kind of them; contents of statements.
_PASSED_OVER = (
    r"(?i)(^|[._])(port|ip|thread|pid|message_?id|message\.id|conversation_id|trace_?id|span_?id|session\.id|request_?id)"
    r"|^thread\.|^enduser\.|^user\.|^client\.|user_agent|http\.url$|url\.(full|path|query)$|http\.target$|^process\."
    r"|(body|payload)[._]size$|body\.size$|content_length|db\.(statement|query\.text|query\.parameter)|stacktrace|exception\.message"
    r"|delivery_tag|^telemetry\.|code\.lineno|code\.line\.number|offset$"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Orders to compare, and how many there are of their kind."""

    troubled: tuple[str, ...]
    finished: tuple[str, ...]
    troubled_all: int
    finished_all: int


@dataclass(frozen=True, slots=True)
class Course:
    """Equal spans of time from `begin` on; `recent` is the moment from which something counts as lately."""

    begin: datetime
    until: datetime
    spans: int
    recent: datetime

    @property
    def span_ns(self) -> int:
        return max(1, int((self.until - self.begin).total_seconds() * 1e9 / self.spans))


class FlowStore:
    """Questions about many orders of one flow."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store = store
        self._flow = flow
        self._paths = PathStore(store, flow)

    async def bring_up_to_date(self, skews: Mapping[str, float], now: datetime) -> int:
        """As `PathStore.bring_up_to_date`."""
        return await self._paths.bring_up_to_date(skews, now)

    async def spans(self, moments: Sequence[datetime]) -> tuple[tuple[int, ...], Span]:
        """How many orders started since each moment, and all orders."""
        ((counts, first, last, orders),) = await self._store.query(
            "order_periods", {"moments": [_ns(moment) for moment in moments]}
        )
        known = Span(orders, _moment(first), _moment(last)) if orders else Span(0, None, None)
        return tuple(counts), known

    async def variants(self, period: Period, limit: int, now: datetime) -> Sequence[Row]:
        """Rows of `variants`."""
        return await self._paths.query("variants", _bounds(period) | {"limit": limit}, now)

    async def variant_ids(
        self, variant: str, period: Period, query: OrderFilter, now: datetime
    ) -> tuple[list[str], tuple[str, ...], str | None]:
        """One page of a variant's orders: ids, path, cursor of the next page."""
        return await self._paths.find_ids(variant, query, _bounds(period), now)

    async def funnel(self, period: Period, now: datetime) -> Sequence[Row]:
        """Rows of `funnel`."""
        names = [step.status for step in self._flow.steps if step.status not in self._flow.cancelled]
        places = {"names": names, "places": list(range(1, len(names) + 1))}
        return await self._paths.query("funnel", _bounds(period) | places, now)

    async def step_times(self, period: Period, course: Course, now: datetime) -> tuple[Sequence[Row], Sequence[Row]]:
        """Rows of `step_times` and `step_course`."""
        bounds = _bounds(period)
        totals = await self._paths.query(
            "step_times", bounds | {"recent": _ns(course.recent), "limit": _STEPS_MAX}, now
        )
        return totals, await self._paths.query("step_course", bounds | _course(course), now)

    async def one_in(self, course: Course) -> int:
        """Of messages and calls, one in how many can be looked at in reasonable time."""
        ((steps, calls),) = await self._store.query("facts_between", _between(course))
        return int(max(1, -(-max(steps, calls) // _FACTS_LOOKED_AT)))

    async def message_hops(self, course: Course, each: int) -> tuple[Sequence[Row], Sequence[Row]]:
        """Rows of `message_hops` and `message_course`."""
        asked = _between(course) | {"each": each}
        totals = await self._store.query("message_hops", asked | {"recent": course.recent, "limit": _HOPS_MAX})
        return totals, await self._store.query("message_course", asked | _course(course))

    async def call_hops(self, course: Course, each: int) -> tuple[Sequence[Row], Sequence[Row]]:
        """Rows of `call_hops` and `call_course`."""
        asked = _between(course) | self._services() | {"each": each}
        totals = await self._store.query("call_hops", asked | {"recent": course.recent, "limit": _HOPS_MAX})
        return totals, await self._store.query("call_course", asked | _course(course))

    async def sample(
        self, period: Period, states: Sequence[str], kind: str, status: str, variant: str, now: datetime
    ) -> Sample:
        """Orders in one of `states`, narrowed where the others are not empty, and finished ones to compare them with."""
        asked = {"troubled_states": list(states), "kind": kind, "status": status, "variant": variant}
        rows = await self._paths.query("contrast_sample", _bounds(period) | asked | {"each": _SAMPLE_MAX}, now)
        sets = [[row for row in rows if row[0] == which] for which in (1, 0)]
        troubled, finished = (tuple(row[2] for row in found) for found in sets)
        return Sample(troubled, finished, *(found[0][1] if found else 0 for found in sets))

    async def values(self, sample: Sample, own_keys: Sequence[str]) -> Sequence[Row]:
        """Rows of `contrast_values`; `own_keys` are attributes that hold order ids and statuses."""
        asked = {
            "troubled": list(sample.troubled),
            "finished": list(sample.finished),
            "troubled_all": len(sample.troubled),
            "finished_all": len(sample.finished),
            "passed_over": _PASSED_OVER,
            "own_keys": list(own_keys),
            "support": min(_SUPPORT_MIN, len(sample.troubled)),
            "limit": _VALUES_MAX,
        }
        return await self._store.query("contrast_values", asked | self._services())

    def _services(self) -> dict[str, object]:
        services = self._flow.system_of_service
        return {"services": list(services.keys()), "systems": list(services.values())}


def _bounds(period: Period) -> dict[str, object]:
    return {
        "since": _ns(period.since or _LONG_AGO),
        "until": _ns(period.until or _NEVER),
        "orders": period.orders_max,
    }


def _between(course: Course) -> dict[str, object]:
    return {"since": course.begin, "until": course.until}


def _course(course: Course) -> dict[str, object]:
    return {"begin": _ns(course.begin), "span": course.span_ns, "limit": _COURSE_ROWS_MAX}


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)
