"""Whole companies with struck messages under the eyes of the whole server, and what it says compared with the truth."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alexandrite.broker import RabbitNode
from alexandrite.harm import HARMS, NEEDS_OWN_BROKER, TTL_SECONDS, lane_queue
from alexandrite.rights import company_url, prepare_watch
from alexandrite.run import Options, run_company
from alexandrite.truth import Ledger, OrderTruth
from ordertrace.app import Server, serving
from ordertrace.model.message import MessageFilter, MessageLife, Verdict
from ordertrace.model.order import OrderFilter
from ordertrace.settings import Settings, load_settings
from ordertrace.store.messages import MessageStore
from tests.company.collector import Collector
from tests.rabbit.company import until

SPEED = 180.0  # the example's settings suit 60
SETTLING_SECONDS = 25.0
RUN_SECONDS = 240.0
STOPPING_SECONDS = 30.0
NOTICING_SECONDS = 0.05
CERTAIN = (
    "unroutable", "expired", "maxlen", "rejected", "delivery_limit", "queue_deleted", "broker_restart", "stuck_in_queue",
    "unacked", "redelivery_loop",
)  # fmt: skip
OF_ORDERS_ONLY = ("no_effect", "never_published")  # nothing is wrong with a message
OTHERS = tuple(fault for fault in HARMS if fault not in CERTAIN)
KINDS = {harm.kind for harm in HARMS.values()}


@dataclass(frozen=True, slots=True)
class Told:
    """What the server says: (message id, queue) → verdict, and order → diagnosis kind where that is about messages."""

    messages: dict[tuple[str, str], str]
    orders: dict[str, str]
    others: dict[str, str] = field(default_factory=dict)  # diagnoses that are about no message


@dataclass(slots=True)
class Score:
    """How what was told compares with the truth, by fault: `right` counts, `missed` names."""

    of: str
    false: list[str] = field(default_factory=list)
    missed: dict[str, list[str]] = field(default_factory=dict)
    right: Counter[str] = field(default_factory=Counter)
    healthy: int = 0
    unknowable: list[str] = field(default_factory=list)  # what alone could have shown it was dropped

    def miss(self, fault: str, what: str) -> None:
        self.missed.setdefault(fault, []).append(what)

    def recall(self, faults: Collection[str]) -> float:
        """Of these faults together."""
        missed = sum(len(self.missed.get(fault, ())) for fault in faults)
        right = sum(self.right[fault] for fault in faults)
        return right / (right + missed) if right + missed else 1.0

    def holds(self) -> bool:
        """Nothing false, nothing certain missed, and of what cannot be known for certain at most one in twenty."""
        return not self.false and self.recall(CERTAIN) == 1.0 and self.recall(OTHERS) >= 0.95


def scenario_settings(directory: Path, node: RabbitNode, vhosts: Sequence[str]) -> Settings:
    """The example's settings with all times shortened to SPEED, and one watch for each virtual host of the node."""
    example = load_settings(Path("examples/alexandrite/ordertrace.toml")).model_dump()
    factor = 60 / SPEED
    for step in example["step"]:
        step["deadline"] = step["deadline"] and step["deadline"] * factor
    for name in ("deadline", "error_grace", "mismatch_grace"):
        example["flow"][name] *= factor
    (broker,) = example["broker"]
    broker |= {name: broker[name] * factor for name in ("wait", "unacked")}
    # What waits for the broker to die waits longer than that; it must be seen by the watch, so there is one such moment.
    broker["queue"] = (*broker["queue"], {"name": lane_queue(NEEDS_OWN_BROKER), "wait": 60.0})
    watches = {vhost: prepare_watch(node, vhost) for vhost in vhosts}
    listen = dict.fromkeys(("otlp_grpc", "otlp_http", "web", "zipkin", "jaeger_storage"), "127.0.0.1:0")
    own = {
        "store": {"url": f"chdb://{directory}"},
        "listen": listen,
        "broker": [
            broker | {"name": vhost, "url": watch.url, "management": watch.management}
            for vhost, watch in watches.items()
        ],
    }
    return Settings.model_validate(example | own)


@asynccontextmanager
async def watching_server(settings: Settings) -> AsyncIterator[Server]:
    """The whole server, once all its watches see their brokers."""
    async with serving(settings) as server:
        await until(lambda: all(sight.connected and sight.last_heartbeat for sight in server.brokers.sights()))
        yield server


def company_options(node: RabbitNode, vhost: str, server: Server, **more: Any) -> Options:
    return Options(
        company_url(node, vhost), server.otlp_grpc, f"http://{server.otlp_http}", speed=SPEED, bystanders=True,
        **more,
    )  # fmt: skip


async def run_and_compare(
    server: Server, node: RabbitNode, settings: Settings, companies: Sequence[Options], dropped: Collection[str] = ()
) -> tuple[list[Score], Delays]:
    """Runs the companies side by side; compares when all their orders rest, while they still live.

    What is noticed by a time limit is noticed later: so looks again for a while as long as something does not fit.
    """
    resting: list[Ledger] = []
    noticed = Noticed()
    noticing = asyncio.create_task(noticed.follow(server))
    compared = asyncio.Event()

    async def wait(ledger: Ledger) -> None:
        resting.append(ledger)
        await compared.wait()

    runs = [asyncio.create_task(run_company(options, node, wait)) for options in companies]
    try:
        async with asyncio.timeout(RUN_SECONDS):
            while len(resting) < len(runs):
                await asyncio.sleep(0.2)
                for run in runs:
                    if run.done():
                        await run
        ends = time.monotonic() + SETTLING_SECONDS
        scores = await _score_all(server, resting, dropped)
        while any(score.missed or score.false for score in scores) and time.monotonic() < ends:
            await asyncio.sleep(1)
            scores = await _score_all(server, resting, dropped)
        delays = await measure_delays(server, settings, resting, noticed)
    finally:
        noticing.cancel()
        compared.set()
        _, unrested = await asyncio.wait(runs, timeout=STOPPING_SECONDS)
        for run in unrested:
            run.cancel()
        await asyncio.gather(noticing, *runs, return_exceptions=True)
    return scores, delays


async def _score_all(server: Server, ledgers: Sequence[Ledger], dropped: Collection[str]) -> list[Score]:
    told = await ask(server)
    return [compare_messages(ledgers, told), *(compare_orders(each, told, dropped) for each in ledgers)]


async def ask(server: Server) -> Told:
    """All verdicts in force, and all orders whose diagnosis is about a message."""
    now = datetime.now(UTC)
    store = MessageStore(server.reader._store)
    messages: dict[tuple[str, str], str] = {}
    for verdict in Verdict:
        page = await store.find_messages(MessageFilter(verdict=verdict.value, limit=1000), now)
        messages |= {(life.message_id, life.queue): verdict.value for life in page.messages if not life.cleared_at}
    orders: dict[str, str] = {}
    cursor = ""
    while True:
        found = await server.reader.find_orders(OrderFilter(limit=1000, cursor=cursor), now)
        orders |= {order.id: order.diagnosis.kind.value for order in found.orders if order.diagnosis}
        cursor = found.next_cursor or ""
        if not cursor:
            break
    about = {order: kind for order, kind in orders.items() if kind in KINDS}
    return Told(messages, about, {order: kind for order, kind in orders.items() if kind not in KINDS})


def struck_messages(ledgers: Sequence[Ledger]) -> Mapping[tuple[str, str], str]:
    found = [order.message for ledger in ledgers for order in ledger.orders.values() if order.message]
    return {
        (each["message_id"], each["queue"]): each["verdict"] for each in found if each["verdict"] not in OF_ORDERS_ONLY
    }


def compare_messages(ledgers: Sequence[Ledger], told: Told) -> Score:
    """Of all companies at once: bystanders' messages belong to none of their orders."""
    score, struck = Score("messages"), struck_messages(ledgers)
    score.false = [f"{message}: {verdict}" for message, verdict in told.messages.items() if message not in struck]
    for message, verdict in struck.items():
        if told.messages.get(message) == verdict:
            score.right[verdict] += 1
        else:
            score.miss(verdict, f"{message}: {told.messages.get(message)}")
    return score


def compare_orders(ledger: Ledger, told: Told, dropped: Collection[str] = ()) -> Score:
    """`dropped` are orders of which telemetry of a status was lost: that nothing followed may not be seen of them.

    A struck order that is told of by another kind of trouble than its own is missed, not false.
    """
    score = Score("orders", healthy=sum(not order.plan.fault for order in ledger.orders.values()))
    for order in ledger.orders.values():
        expected = order.expected.kind if order.plan.fault in HARMS else None
        said = told.orders.get(order.id)
        if said and not expected:
            score.false.append(f"{order.id} ({order.plan.fault or 'healthy'}): {said}")
        elif said and said != expected:
            score.miss(order.plan.fault, f"{order.id}: {said}")
        elif expected and not said and order.id in dropped and order.plan.fault in OF_ORDERS_ONLY:
            score.unknowable.append(f"{order.plan.fault} {order.id}: {told.others.get(order.id)}")
        elif expected and not said:
            score.miss(order.plan.fault, f"{order.id}: {told.others.get(order.id)}")
        elif expected:
            score.right[order.plan.fault] += 1
    return score


@dataclass(slots=True)
class Noticed:
    """When each order was first held to have which trouble."""

    orders: dict[tuple[str, str], float] = field(default_factory=dict)

    async def follow(self, server: Server) -> None:
        while True:
            for order_id, finding in server.sweeper.findings().items():
                if finding.diagnosis and finding.diagnosis.kind.value in KINDS:
                    self.orders.setdefault((order_id, finding.diagnosis.kind.value), time.time())
            await asyncio.sleep(NOTICING_SECONDS)


@dataclass(slots=True)
class Delays:
    """Seconds from the moment at which something could be known until it was told, by fault; of messages and of orders.

    `passing` are verdicts and diagnoses that were wrong and took themselves back; in `gaps` nothing could be seen.
    """

    messages: dict[str, list[float]] = field(default_factory=dict)
    orders: dict[str, list[float]] = field(default_factory=dict)
    passing: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def report(self) -> str:
        lines = [f"{'fault':20}{'n':>4}{'message p95':>13}{'max':>7}{'order p95':>13}{'max':>7}"]
        faults = sorted({*self.messages, *self.orders})
        for name, rows in (*((fault, [fault]) for fault in faults), ("all", faults)):
            messages = [each for row in rows for each in self.messages.get(row, [])]
            orders = [each for row in rows for each in self.orders.get(row, [])]
            lines.append(f"{name:20}{max(len(messages), len(orders)):4}{_shown(messages)}{_shown(orders)}")
        return "\n".join([*lines, f"wrong for a while: {len(self.passing)} {self.passing[:10]}", f"gaps: {self.gaps}"])


def _shown(seconds: Sequence[float]) -> str:
    if not seconds:
        return f"{'-':>13}{'-':>7}"
    return f"{sorted(seconds)[int(len(seconds) * 0.95)]:13.2f}{max(seconds):7.2f}"


async def measure_delays(server: Server, settings: Settings, ledgers: Sequence[Ledger], noticed: Noticed) -> Delays:
    """From the truth's own moments, not from what ordertrace holds them to be."""
    delays, struck = Delays(), set[tuple[str, str]]()
    told = {(life.message_id, life.queue): life for life in await _all_told(server)}
    for ledger in ledgers:
        for order in ledger.orders.values():
            if order.plan.fault not in HARMS:
                continue
            known_at, fault = knowable_at(order, settings), order.plan.fault
            message = order.message
            if message and fault not in OF_ORDERS_ONLY:
                struck.add(place := (message["message_id"], message["queue"]))
                if (life := told.get(place)) and life.detected_at:
                    delays.messages.setdefault(fault, []).append(max(0.0, life.detected_at.timestamp() - known_at))
            if at := noticed.orders.get((order.id, HARMS[fault].kind)):
                delays.orders.setdefault(fault, []).append(max(0.0, at - known_at))
    delays.passing = [
        f"{place}: {life.verdict}" for place, life in told.items() if place not in struck and life.cleared_at
    ]
    expected = {order.id: order.expected.kind for ledger in ledgers for order in ledger.orders.values()}
    delays.passing += [f"{order}: {kind}" for order, kind in noticed.orders if expected.get(order) not in (kind, None)]
    delays.passing += [f"{order}: {kind}" for order, kind in noticed.orders if expected.get(order) is None]
    sights = server.brokers.sights()
    delays.gaps = [f"{gap.reason} {gap.start:%H:%M:%S}" for sight in sights for gap in sight.gaps]
    return delays


def knowable_at(order: OrderTruth, settings: Settings) -> float:
    """When the evidence of an order's fault existed: the harm itself, or the end of the time that is allowed."""
    fault, facts = order.plan.fault, {fact.what: fact.at for fact in reversed(order.facts)}
    broker = settings.broker[0]
    match fault:
        case "unroutable":
            return facts["sent"]
        case "expired":
            return facts["sent"] + TTL_SECONDS
        case "stuck_in_queue":
            return facts["sent"] + broker.wait.total_seconds()
        case "unacked":
            return facts["harmed"] + broker.unacked.total_seconds()
        case "no_effect" | "never_published":
            step = next(step for step in settings.step if step.status == order.path[-1].status)
            assert step.deadline
            return order.path[-1].at + step.deadline.total_seconds()
        case _:
            return facts["harmed"]


async def _all_told(server: Server) -> list[MessageLife]:
    """Every verdict ever told, also those that were taken back."""
    store, now = MessageStore(server.reader._store), datetime.now(UTC)
    found: list[MessageLife] = []
    for verdict in Verdict:
        page = await store.find_messages(MessageFilter(verdict=verdict.value, cleared=True, limit=1000), now)
        found += page.messages
    return found


class Lossy(Collector):
    """Stands between a company and the server: drops a share of the spans and hands requests on late, in any order."""

    def __init__(self, server: Server, share: float, seconds_max: float) -> None:
        super().__init__()
        self._url = f"http://{server.otlp_http}/v1/traces"
        self._share, self._seconds_max = share, seconds_max
        self._draw = random.Random(5)
        self.dropped = 0
        self.dropped_statuses: set[str] = set()  # orders of which some span with a status is lost
        self._lock = threading.Lock()

    def __enter__(self) -> Lossy:
        super().__enter__()
        return self

    def _keep(self, transport: str, request: ExportTraceServiceRequest) -> None:
        with self._lock:
            for scope in (scope for group in request.resource_spans for scope in group.scope_spans):
                kept = []
                for span in scope.spans:
                    said = {each.key: each.value.string_value for each in span.attributes}
                    if self._draw.random() >= self._share:
                        kept.append(span)
                    elif "order.status" in said:
                        self.dropped_statuses.add(said.get("order.id", ""))
                self.dropped += len(scope.spans) - len(kept)
                del scope.spans[:]
                scope.spans.extend(kept)
            late = self._draw.uniform(0, self._seconds_max)
        threading.Timer(late, self._send, [request.SerializeToString()]).start()

    def _send(self, content: bytes) -> None:
        headers = {"Content-Type": "application/x-protobuf"}
        urllib.request.urlopen(urllib.request.Request(self._url, content, headers), timeout=20).close()
