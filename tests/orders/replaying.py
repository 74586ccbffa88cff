"""Evidence that two sets of rules read differently, and stores in which it has been joined by one of them.

`python -m tests.orders.replaying STEP DIRECTORY` works it through again and dies at the named step, as `kill -9` would.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from ordertrace.metrics import Metrics
from ordertrace.model.flow import Flow
from ordertrace.model.replay import Replay, ReplayPhase
from ordertrace.orders.flow import build_flow
from ordertrace.orders.linker import Linker
from ordertrace.orders.replayer import Replayer
from ordertrace.orders.skew import Skews
from ordertrace.settings import Settings
from ordertrace.store.clocks import ClockStore
from ordertrace.store.columns import ColumnStore
from ordertrace.store.joiner import Joiner
from ordertrace.store.linking import LinkStore
from ordertrace.store.messages import MessageStore
from ordertrace.store.replays import ReplayStore
from ordertrace.store.shadow import Shadow
from ordertrace.store.store import Row, Store, open_store
from tests.store.test_joiner import NOW, insert

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)
STEPS = ("columns asked for", "a part joined", "a part noted", "caught up", "switching", "half switched")
STATUSES = ("SUBMITTED", "PRICE_CALCULATED", "CLOSED")
FACTS = """
    SELECT order_id, at, event_id, system, kind, name, status, rank, trace_id, span_id
    FROM order_events FINAL WHERE joined_by != 'withdrawn' ORDER BY order_id, at, event_id"""
GLANCES = """
    SELECT order_id, min(started_at), max(last_seen_at), max(furthest), maxMap(views), max(last_error_at)
    FROM orders GROUP BY order_id ORDER BY order_id"""
COLUMNS = "SELECT SpanId, OrderId, OrderIdBy, OrderStatus FROM otel_traces ORDER BY SpanId"
TRACES = """
    SELECT DISTINCT * FROM (SELECT order_id, trace_id FROM order_traces UNION ALL SELECT order_id, trace_id
    FROM order_events FINAL WHERE joined_by != 'withdrawn') ORDER BY order_id, trace_id"""
PLACES = (
    "SELECT DISTINCT order_id, five_minutes, trace_id FROM order_log_places ORDER BY order_id, five_minutes, trace_id"
)
KEYS = "SELECT DISTINCT key, order_id FROM order_keys FINAL WHERE holds ORDER BY key, order_id"
DERIVED = (FACTS, GLANCES, TRACES, PLACES, KEYS)

Call = Callable[..., Awaitable[Any]]
Portion = Callable[[datetime], Awaitable[None]]


def settings_at(directory: Path, *, new: bool) -> Settings:
    """The store at a place, by the new rules and flow or by those before."""
    steps = [{"status": status, "system": "shop" if new else "crm"} for status in STATUSES]
    name = "new" if new else "old"
    ids = [
        f"attribute:{name}.id",
        *(["pattern:url.path:^/orders/(?P<id>[^/]+)", "log:order (?P<id>A-[0-9]+)"] if new else []),
    ]
    return Settings.model_validate(
        {
            "store": {"url": f"chdb://{directory}"},
            "order": {
                "id": ids,
                "status": [f"attribute:{name}.status"],
                "key": [{"name": "parcel", "find": ["attribute:parcel"]}] if new else [],
            },
            "step": steps if new else steps[1:],
            "flow": {"closed": ["CLOSED"]},
            "system": [{"name": "shop", "services": ["shop", "web"] if new else ["shop"]}, {"name": "crm"}],
            "broker": [{"name": "main", "url": "amqp://guest@127.0.0.1:1/"}],
        }
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Groups of spans and of log records, and batches of messages, as they came."""

    spans: tuple[tuple[dict[str, Any], ...], ...]
    logs: tuple[tuple[dict[str, Any], ...], ...]
    messages: tuple[tuple[Row, ...], ...]


def build_evidence(seed: int, traces: int = 30, first: int = 0, contradicting: bool = False) -> Evidence:
    """Traces of one order and of several, named by spans, logs, messages, links and keys, or by nothing.

    Where it is contradicting, links join traces of different orders, and messages about different orders have one id.
    """
    chance = random.Random(seed)
    spans: list[dict[str, Any]] = []
    logs: list[dict[str, Any]] = []
    messages: list[Row] = []
    ids = traces // 2 if contradicting else 1_000_000
    served = [[f"A-{chance.randrange(20)}" for _ in range(chance.choice((1, 1, 1, 2, 3)))] for _ in range(traces)]
    for number, orders in enumerate(served, first):
        trace, at = f"{number:032x}", BEGAN + timedelta(minutes=chance.randrange(60), microseconds=number)
        same = [
            other for other, its in enumerate(served, first) if its == orders and other != number and len(set(its)) == 1
        ]
        if contradicting:
            same = [other for other in range(first, first + traces) if other != number]
        linked = f"{chance.choice(same):032x}" if same and chance.random() < 0.5 else ""
        single = len(set(orders)) == 1
        for place in range(chance.randrange(1, 6)):
            order, span_id = chance.choice(orders) if place else orders[0], f"{number:08x}{place:08x}"
            attributes: dict[str, str] = {}
            if chance.random() < 0.4:
                attributes |= {"new.id": order, "new.status": chance.choice(STATUSES).lower()}
            if chance.random() < 0.4:
                attributes |= {"old.id": f"B-{number % 7}", "old.status": chance.choice(STATUSES)}
            if chance.random() < 0.2:
                attributes |= {"url.path": f"/orders/{order}/submit"}
            if chance.random() < 0.1:
                attributes |= {"parcel": f"P-{order}"}
            links = [linked] if linked and not place else []
            spans.append(
                {
                    "Timestamp": at + timedelta(milliseconds=place), "TraceId": trace, "SpanId": span_id,
                    "ParentSpanId": f"{number:08x}{chance.randrange(place):08x}" if place else "",
                    "SpanKind": chance.choice(("Server", "Client", "Producer", "Consumer", "Internal")),
                    "ServiceName": chance.choice(("shop", "web", "crm")), "SpanAttributes": attributes,
                    "StatusCode": chance.choice(("Unset", "Unset", "Error")),
                    "MessageId": chance.choice((f"m{number % ids}", f"r{number}")) if single and chance.random() < 0.2 else "",
                    "Links.TraceId": links, "Links.SpanId": [f"{linked[24:]}{0:08x}"] * len(links),
                    "Links.TraceState": [""] * len(links), "Links.Attributes": [{}] * len(links),
                }
            )  # fmt: skip
        if chance.random() < 0.3:
            logs.append({"Timestamp": at, "TraceId": trace, "SpanId": f"{number:08x}{0:08x}", "Body": f"order {orders[0]} parcel",
                         "LogAttributes": {"parcel": f"P-{orders[0]}"}, "SeverityNumber": chance.choice((9, 17))})  # fmt: skip
        if single and chance.random() < 0.6:
            kind = chance.choice(("published", "delivered"))
            messages.append(("main", f"k{number}", "q", at, kind, f"m{number % ids}", "x", "order.closed", orders[-1],
                             chance.choice(STATUSES), chance.choice(("shop", "crm", "stranger")), "", trace, "", ""))  # fmt: skip
    messages += _answers(chance, range(first, first + traces), ids, contradicting)
    chance.shuffle(spans)
    return Evidence(_divided(spans, 5), _divided(logs, 2), _divided(messages, 2))


def _answers(chance: random.Random, numbers: range, ids: int, contradicting: bool) -> list[Row]:
    """Messages that name no order: to the one about their trace, or to an answer; perhaps seen when it was sent."""
    found: list[Row] = []
    for number in chance.sample(numbers, len(numbers) // 3):
        asked = chance.choice(numbers) if contradicting else number
        answered, trace = chance.choice((f"m{asked % ids}", f"r{asked}")), chance.choice(("", f"{asked:032x}"))
        at = BEGAN + timedelta(minutes=chance.randrange(60), microseconds=number)
        found.append(("main", f"a{number}", "q", at, "published", f"r{number}", "x", "order.closed", "",
                      chance.choice(STATUSES), "crm", "", trace, "", answered))  # fmt: skip
    return found


def _divided(rows: list[Any], parts: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(rows[first::parts]) for first in range(parts))


class Joining:
    """A store in which evidence becomes facts as it comes in, by the rules of its settings."""

    def __init__(self, store: Store, settings: Settings, flow: Flow) -> None:
        self.store = store
        self.settings = settings
        self._joiner = Joiner(store, flow)
        self._replays = ReplayStore(store, Shadow(settings, Metrics(), store), flow)
        links = LinkStore(store, settings.order, flow)
        self.linker = Linker(links, Skews(ClockStore(store, flow)), lambda groups: None, flow, True, Metrics())

    async def take(self, evidence: Evidence, since: datetime) -> None:
        """Stores and joins all of it, one group after another."""
        await self.take_in_turn(self.portions(evidence), since)

    def portions(self, evidence: Evidence) -> list[Portion]:
        """What takes each group of it in, at the time that is given."""
        return [
            *(partial(self._take_spans, spans) for spans in evidence.spans),
            *(partial(self._take_logs, logs) for logs in evidence.logs),
            *(partial(self._take_messages, messages) for messages in evidence.messages),
        ]

    async def take_in_turn(self, portions: Sequence[Portion], since: datetime) -> None:
        """Takes portions in, a second apart."""
        for place, take in enumerate(portions, 1):
            await take(since + timedelta(seconds=place))

    async def _take_spans(self, spans: Sequence[dict[str, Any]], at: datetime) -> None:
        named = [span | self._columns(span["SpanAttributes"], "") for span in spans]
        await insert(self.store, _place(at), *named)
        await self.linker.join([at], partial(self._joiner.join, [at]), at)

    async def _take_logs(self, logs: Sequence[dict[str, Any]], at: datetime) -> None:
        await self._insert_logs(logs, at)
        await self.linker.join([at], partial(self._joiner.join_logs, [at]), at)

    async def _take_messages(self, messages: Sequence[Row], at: datetime) -> None:
        await MessageStore(self.store).save_events([(*row, at) for row in messages])
        await self._replays.tell_messages_again(at - timedelta(milliseconds=1))
        self.linker.note_messages([at])
        await self.linker.work(at)

    async def _insert_logs(self, records: Sequence[dict[str, Any]], at: datetime) -> None:
        named = [record | self._columns(record["LogAttributes"], record["Body"]) for record in records]
        if named:
            await self.store.insert(
                "otel_logs", [*named[0], "inserted_at"], [(*record.values(), at) for record in named]
            )

    def _columns(self, attributes: dict[str, str], body: str) -> dict[str, str]:
        """What the insert finds in a span or log record: written here once more, plainly."""
        order, by = "", ""
        for rule in self.settings.order.id:
            source, _, rest = rule.partition(":")
            key, _, pattern = rest.partition(":") if source == "pattern" else (rest, "", rest)
            text = body if source == "log" else attributes.get(key, "")
            found = text if source == "attribute" else match[1] if (match := re.search(pattern, text)) else ""
            if found and not order:
                order, by = found, source
        (status,) = (rule.partition(":")[2] for rule in self.settings.order.status)
        return {"OrderId": order, "OrderIdBy": by, "OrderStatus": attributes.get(status, "").upper()}


def _place(at: datetime) -> int:
    return int((at - NOW) / timedelta(milliseconds=1))


@asynccontextmanager
async def joining(directory: Path, *, new: bool) -> AsyncIterator[Joining]:
    """The store at a place, joined by the new rules or by those before."""
    settings = settings_at(directory, new=new)
    async with open_store(settings, Metrics()) as store:
        yield Joining(store, settings, build_flow(settings))


@asynccontextmanager
async def replaying(place: Joining, rows_a_part: int = 20) -> AsyncIterator[Replayer]:
    """A replayer by the rules of the place, with parts so small that there are many."""
    settings = place.settings
    replayer = Replayer(settings, Metrics(), place.store, build_flow(settings), place.linker, rows_a_part)
    try:
        yield replayer
    finally:
        await replayer.close()


async def nothing() -> None:
    """There is nothing to wait for, and nobody to tell."""


async def dump(store: Store, *queries: str) -> list[list[Row]]:
    return [list(await store.query_text("dump", query)) for query in queries or DERIVED]


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(kind: type, name: str, when: Callable[..., bool], *, after: bool) -> None:
    """Makes this call of a method the last that is done, or the first that is not."""
    method: Call = getattr(kind, name)

    async def instead(*arguments: Any, **named: Any) -> Any:
        if not when(*arguments):
            return await method(*arguments, **named)
        if after:
            await method(*arguments, **named)
        return die()

    setattr(kind, name, instead)


def prepare(step: str) -> None:
    calls = iter(range(100))
    match step:
        case "columns asked for":
            dying(ColumnStore, "rewrite_messages", lambda *_: True, after=True)
        case "a part joined":
            dying(ReplayStore, "save", lambda _, replay, __: _parts(replay) and next(calls) == 3, after=False)
        case "a part noted":
            dying(ReplayStore, "save", lambda _, replay, __: _parts(replay) and next(calls) == 5, after=True)
        case "caught up":
            dying(ReplayStore, "save", lambda _, replay, __: replay.phase is ReplayPhase.SWITCHING, after=False)
        case "switching":
            dying(ReplayStore, "save", lambda _, replay, __: replay.phase is ReplayPhase.SWITCHING, after=True)
        case "half switched":
            dying(Shadow, "_define", lambda _, name: name == "replay_switch" and next(calls) == 4, after=True)


def _parts(replay: Replay) -> bool:
    return replay.phase is ReplayPhase.FACTS and bool(replay.done)


async def main(step: str, directory: Path) -> None:
    prepare(step)
    async with joining(directory, new=True) as place, replaying(place) as replayer:
        await replayer.recover()
        await replayer.run(nothing, nothing)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
