"""The JSON of variants, funnel, bottlenecks and differences: response models, and pure conversions from the model."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from ..model import analysis
from .models import Order


class _Model(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Coverage(_Model):
    """How much of what there is the answer rests on."""

    behind: int = Field(description="Orders with news that is not worked in yet; ask again in a moment")
    orders_max: int | None = Field(description="The limit on orders, if it was hit: only the newest were looked at")
    one_in: int = Field(description="Of messages and calls, one in so many was looked at")


class Variant(_Model):
    """A way through the flow; times are from an order's start to the last status of the way."""

    id: str
    path: list[str]
    orders: int
    share: float
    closed: int
    cancelled: int
    troubled: int = Field(description="Stuck or failed")
    open: int
    median_seconds: float
    p95_seconds: float
    example: str = Field(description="The newest order that went it")


class Variants(_Model):
    """The commonest ways that orders take; the orders of all others are counted."""

    variants: list[Variant]
    orders: int
    troubled: int
    other_orders: int
    other_variants: int
    coverage: Coverage


class VariantOrders(BaseModel):
    """One way, and one page of its orders, the newest first; `next` is the cursor of the page after it."""

    id: str
    path: list[str]
    orders: list[Order]
    next: str | None


class FunnelStep(_Model):
    """A status and how many orders came to it or further; those whose furthest status it is are `here`."""

    status: str
    system: str
    came: int
    share: float
    reached: int = Field(description="Seen to reach it themselves; the others are known to be further")
    went_on: int
    here: int
    waiting: int
    stuck: int
    failed: int
    cancelled: int
    lost: int = Field(description="Of the stuck and failed, those for which a message is missing")
    start_median_seconds: float | None
    start_p90_seconds: float | None
    step_median_seconds: float | None = Field(description="From the step before on the order's own way")
    step_p90_seconds: float | None


class Funnel(_Model):
    """The steps of the flow in order."""

    steps: list[FunnelStep]
    orders: int
    coverage: Coverage


class CoursePoint(_Model):
    """A length of time over one span of time; spans without any are left out."""

    start: datetime
    median_seconds: float
    p90_seconds: float
    times: int


class Change(_Model):
    """The last quarter of the period beside the rest of it."""

    before_seconds: float
    lately_seconds: float
    times_lately: int
    chance: float = Field(description="Probability of such a difference without any cause")
    worse: bool = Field(description="Slower by a fifth at least, and surely")


class Latency(_Model):
    """How long something took."""

    kind: str = Field(description="step, message or call")
    source: str = Field(description="Status, queue or caller")
    target: str = Field(description="Next status, broker or called system")
    times: int
    median_seconds: float
    p90_seconds: float
    p95_seconds: float | None
    total_seconds: float
    share: float = Field(description="Of the time of all steps, messages or calls")
    change: Change | None = Field(description="null where there is too little to compare")
    course: list[CoursePoint]
    example: str = Field(description="The slowest order lately")
    work_median_seconds: float | None = Field(description="Messages: from delivery to settlement")
    work_p90_seconds: float | None
    failed: int
    publisher: str
    consumer: str


class Bottlenecks(_Model):
    """Steps, messages and calls, those that cost most time first."""

    steps: list[Latency]
    messages: list[Latency]
    calls: list[Latency]
    since: datetime | None = None
    until: datetime | None = None
    recent: datetime | None = Field(None, description="From this moment on something counts as lately")
    coverage: Coverage


class Difference(_Model):
    """An attribute's value that troubled orders have more often than finished ones."""

    system: str
    key: str
    value: str
    troubled: int
    finished: int
    troubled_share: float
    finished_share: float
    lift: float | None = Field(description="null where no finished order has it")
    chance: float = Field(description="Fisher's exact test, one-sided: probability without any cause")
    surely: bool = Field(description="Holds although so many values were tried")
    examples: list[str] = Field(description="Troubled orders that have it")


class Differences(_Model):
    """What sets troubled orders apart from finished ones, the most telling first. Both sets are samples."""

    differences: list[Difference]
    troubled_orders: int = Field(description="Looked at")
    finished_orders: int
    troubled_all: int
    finished_all: int
    values_tried: int
    coverage: Coverage


def to_bottlenecks(found: analysis.Bottlenecks | None) -> Bottlenecks:
    """None, where there is no order, is an empty answer."""
    if found is None:
        return Bottlenecks(steps=[], messages=[], calls=[], coverage=Coverage(behind=0, orders_max=None, one_in=1))
    return Bottlenecks.model_validate(found)
