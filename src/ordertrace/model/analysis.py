"""What many orders say together: the ways they go, where the time goes, where they are lost, and what sets some apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Period:
    """Orders that started in [since, until); None does not restrict. At most so many are looked at, the newest."""

    since: datetime | None = None
    until: datetime | None = None
    orders_max: int = 100_000


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what there is an answer rests on. `behind` orders have news that is not worked in yet; `orders_max` is
    the limit, if it was hit; of `messages` and `calls` one in so many was looked at."""

    behind: int = 0
    orders_max: int | None = None
    one_in: int = 1


@dataclass(frozen=True, slots=True)
class Span:
    """Orders known: how many, when the first of them started and when anything was seen of one last; None without any."""

    orders: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Variant:
    """A way through the flow that orders took: statuses in the order in which they were reached.

    The times are from an order's start to the last status of the way.
    """

    id: str
    path: tuple[str, ...]
    orders: int
    share: float
    closed: int
    cancelled: int
    troubled: int
    median_seconds: float
    p95_seconds: float
    example: str

    @property
    def open(self) -> int:
        return self.orders - self.closed - self.cancelled - self.troubled


@dataclass(frozen=True, slots=True)
class Variants:
    """The commonest ways; the orders of all others are only counted."""

    variants: tuple[Variant, ...]
    orders: int
    troubled: int
    other_orders: int
    other_variants: int
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """A status and how many orders came to it or further (`came`); `reached` are those seen to reach it themselves.

    Those whose furthest status it is are `here`: they wait, are stuck, failed or were cancelled; `lost` are those of the
    stuck and failed for which a message is missing. Times are None where no order was seen to reach it.
    """

    status: str
    system: str
    came: int
    share: float
    reached: int
    went_on: int
    here: int
    waiting: int
    stuck: int
    failed: int
    cancelled: int
    lost: int
    start_median_seconds: float | None
    start_p90_seconds: float | None
    step_median_seconds: float | None
    step_p90_seconds: float | None


@dataclass(frozen=True, slots=True)
class Funnel:
    """The steps of the flow in order."""

    steps: tuple[FunnelStep, ...]
    orders: int
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """Median and 90th percentile of a length of time over one span of time."""

    start: datetime
    median_seconds: float
    p90_seconds: float
    times: int


@dataclass(frozen=True, slots=True)
class Change:
    """A median before and lately; `chance` is the probability of such a difference without any cause."""

    before_seconds: float
    lately_seconds: float
    times_lately: int
    chance: float
    worse: bool


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took: `kind` is step (from status `source` to `target`), message (through queue `source` of broker
    `target`) or call (of system `target` by `source`).

    `share` is of the lead time of all orders for steps, of the time of their kind for the others. `work_*` is how long the
    reader of a message took; `failed` counts calls.
    """

    kind: str
    source: str
    target: str
    times: int
    median_seconds: float
    p90_seconds: float
    p95_seconds: float | None
    total_seconds: float
    share: float
    change: Change | None
    course: tuple[CoursePoint, ...]
    example: str = ""
    work_median_seconds: float | None = None
    work_p90_seconds: float | None = None
    failed: int = 0
    publisher: str = ""
    consumer: str = ""


@dataclass(frozen=True, slots=True)
class Bottlenecks:
    """Steps, messages and calls, those that cost most time first. `since` and `until` bound the courses, `recent` is the
    moment from which something counts as lately."""

    steps: tuple[Latency, ...]
    messages: tuple[Latency, ...]
    calls: tuple[Latency, ...]
    since: datetime
    until: datetime
    recent: datetime
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute's value that the troubled orders have more often than the finished ones.

    `chance` is Fisher's exact probability of such a table, or a more uneven one, without any cause; `surely` says that it
    holds although so many values were tried. `examples` are orders that have it.
    """

    system: str
    key: str
    value: str
    troubled: int
    finished: int
    troubled_share: float
    finished_share: float
    lift: float | None
    chance: float
    surely: bool
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """What sets the troubled orders apart, the most telling first. Both sets are samples: `*_orders` were looked at."""

    differences: tuple[Difference, ...]
    troubled_orders: int
    finished_orders: int
    troubled_all: int
    finished_all: int
    values_tried: int
    coverage: Coverage
