"""Courses are looked at in spare time, and no news is lost meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from ordertrace.errors import Unavailable
from ordertrace.model.order import Deviation
from ordertrace.orders.courses import ORDERS_AT_ONCE, Courses
from ordertrace.store.orders import OrderStore

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Nothing:
    """Orders of which no deviation is known."""

    async def deviating(self, order_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {}


class Watching:
    """Courses whose judge takes a second of its own clock."""

    def __init__(self) -> None:
        self.now, self.dropped, self.judged = 0.0, 0, list[list[str]]()
        self.failure: Unavailable | None = None
        self.courses = Courses(cast(OrderStore, Nothing()), self.judge, self.drop, lambda: self.now)

    def drop(self) -> None:
        self.dropped += 1

    async def judge(self, order_ids: Sequence[str]) -> Mapping[str, Sequence[Deviation]]:
        self.now += 1
        if self.failure:
            raise self.failure
        self.judged.append(list(order_ids))
        self.courses.note(order_ids[0])  # news while it is looked at
        return dict.fromkeys(order_ids, ())


async def test_an_order_is_looked_at_once_it_has_settled_and_again_when_there_is_news() -> None:
    watching = Watching()
    watching.courses.note("A-1")
    watching.now = 1
    await watching.courses.work(NOW)
    assert watching.judged == []
    watching.now = 3
    await watching.courses.work(NOW)
    watching.now = 10  # it took a second: the next look waits for a hundred
    await watching.courses.work(NOW)
    assert watching.judged == [["A-1"]]
    watching.now = 110
    await watching.courses.work(NOW)
    assert watching.judged == [["A-1"], ["A-1"]]


async def test_few_at_once_and_what_is_too_much_is_counted() -> None:
    watching = Watching()
    for number in range(20_005):
        watching.courses.note(f"A-{number}")
    assert watching.dropped == 5
    watching.now = 5
    await watching.courses.work(NOW)
    assert [len(judged) for judged in watching.judged] == [ORDERS_AT_ONCE]


async def test_a_store_that_fails_loses_no_order() -> None:
    watching = Watching()
    watching.courses.note("A-1")
    watching.now, watching.failure = 5, Unavailable("the store does not answer")
    with pytest.raises(Unavailable):
        await watching.courses.work(NOW)
    watching.now, watching.failure = 200, None
    await watching.courses.work(NOW)
    assert watching.judged == [["A-1"]]
