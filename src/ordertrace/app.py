"""Read this first: every part is built here by hand, started in this order and stopped in reverse.

    receivers  →  intake (journal, groups)  →  store  →  joiner  →  order events
                                                              ↓ told of        ↑
    pages, API  ←  order reader  ←  store  ←  findings  ←  sweeper  ←  broker watches
    pages, API  ←  incidents  ←  findings
    replayer: all of history joined again when rules have changed
    another backend  ←  forwarder  ←  store (groups that are joined)

Shutting down: receivers stop taking requests, the watches write what they have, the intake drains into the store, the
sweeper ends, the store closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from .analysis.exporting import Exporter
from .analysis.reader import AnalysisReader
from .api.app import build_api
from .certificates import Certificates
from .forwarding.forwarder import Forwarder
from .ingest.demand import Demand
from .ingest.intake import Intake
from .listening import HttpListener
from .metrics import Metrics
from .model.flow import Flow
from .orders.clock import EventClock
from .orders.flow import build_flow
from .orders.incident_keeper import IncidentKeeper
from .orders.linker import Linker
from .orders.reader import OrderReader
from .orders.replayer import Replayer
from .orders.resending import Resending
from .orders.skew import Skews
from .orders.sweeper import Sweeper
from .orders.trial import RuleTrials
from .rabbit.recorded import Taken
from .rabbit.watch import BrokerWatches
from .receivers.otlp_grpc import OtlpGrpcReceiver
from .receivers.otlp_http import OtlpHttpReceiver
from .receivers.zipkin import ZipkinReceiver
from .settings import Settings
from .store.clocks import ClockStore
from .store.joiner import Joiner
from .store.linking import LinkStore
from .store.logs import LogStore
from .store.messages import MessageStore
from .store.republications import RepublicationStore
from .store.store import Store, open_store
from .store.traces import TraceStore
from .store.trials import Rules, TrialStore
from .web.app import build_fallback, build_web

_WORK_CONNECTIONS = 2
_FOR_MACHINES = ("/api/", "/metrics", "/healthz", "/readyz")
_READ_NOTHING = ("/metrics", "/healthz", "/readyz", "/static/")  # of what is stored


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it really listens, and its parts."""

    web_url: str
    otlp_grpc: str
    otlp_http: str
    zipkin: str
    intake: Intake
    reader: OrderReader
    sweeper: Sweeper
    brokers: BrokerWatches
    replayer: Replayer


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Server]:
    """The whole server, ready to receive. Raises Unavailable when a port is taken or the store does not open."""
    metrics, flow, listen = Metrics(), build_flow(settings), settings.listen
    clock = EventClock(settings.sweep.lag_max)
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(settings, metrics))
        # who looks neither waits for the connections of what comes in nor has to share a processor with it
        work = Store(settings, metrics, _WORK_CONNECTIONS, gives_way=True)
        parts.callback(work.close)
        messages = MessageStore(store) if settings.broker else None
        # who reads what is passed on does so elsewhere
        demand = Demand(settings.journal, timedelta() if settings.forward.url else flow.shortest)

        async def catch_up(words: Sequence[bytes]) -> bool:
            return await demand.catch_up(None if linker.joins_by_more_than_names else words)

        sweeper = Sweeper(store, flow, clock, metrics, settings.sweep, messages, catch_up)
        skews = Skews(ClockStore(store, flow))
        links = LinkStore(work, settings.order, flow)
        linker = Linker(links, skews, sweeper.tell, flow, bool(settings.broker), metrics)
        replayer = Replayer(settings, metrics, store, flow, linker)
        parts.push_async_callback(replayer.close)
        await replayer.recover()
        await sweeper.start()
        await parts.enter_async_context(_running(sweeper.run(), "sweeper"))
        await linker.start(datetime.now(UTC))
        await parts.enter_async_context(_running(linker.run(), "linker"))
        forwarder = Forwarder(settings, metrics, store) if settings.forward.url else None
        if forwarder:
            await parts.enter_async_context(forwarder)
        intake = await parts.enter_async_context(
            _intake(settings, metrics, work, flow, sweeper, linker, forwarder, demand)
        )

        async def take_over() -> None:
            await linker.start(datetime.now(UTC))
            await sweeper.start_over()

        await parts.enter_async_context(_running(replayer.run(intake.flush, take_over), "replayer"))

        def tell_of_messages(batches: Sequence[datetime]) -> None:
            linker.note_messages(batches)
            sweeper.tell(batches)

        brokers = BrokerWatches(settings, store, metrics, tell_of_messages, sweeper.review)
        await parts.enter_async_context(brokers)
        incidents = IncidentKeeper(store, messages.failed_groups if messages else None, settings.incidents)
        await incidents.start(datetime.now(UTC))
        await parts.enter_async_context(_running(incidents.run(sweeper.findings), "incidents"))
        reader = OrderReader(store, flow, clock, messages, listen.otlp_http)
        analysis = AnalysisReader(store, flow, reader, settings.order)
        resending = _resending(settings, store, messages, brokers)
        grpc = await parts.enter_async_context(OtlpGrpcReceiver(intake, settings, metrics))
        http = await parts.enter_async_context(OtlpHttpReceiver(intake, settings, metrics))
        zipkin = await parts.enter_async_context(ZipkinReceiver(intake, settings, metrics))
        addresses = {"otlp_grpc": grpc.address, "otlp_http": http.address, "zipkin": zipkin.address}

        async def take_recorded(lines: bytes, broker: str) -> Taken:
            taken = await brokers.take_recorded(lines, broker)
            await linker.work()
            return taken

        recorded = take_recorded if messages else None
        trials = RuleTrials(TrialStore(store), flow, Rules(settings.order.id, settings.order.status))
        api = build_api(
            reader,
            settings,
            metrics,
            intake.ready,
            lambda: addresses,
            messages,
            incidents,
            resending,
            LogStore(store, flow),
            recorded,
            analysis,
            exporter=Exporter(store, flow, reader),
            forwarding=forwarder.state if forwarder else None,
            traces=TraceStore(store),
            replay=replayer.progress,
            trials=trials,
            joined_until=linker.joined_until,
        )
        pages = build_web(
            reader,
            settings,
            metrics,
            messages,
            brokers.sights,
            incidents,
            resending,
            LogStore(store, flow),
            analysis,
            TraceStore(store),
            replayer.progress,
            trials,
        )
        application = _split(api, Starlette(routes=[*pages, build_fallback(reader, settings, metrics)]), demand)
        web = await parts.enter_async_context(
            HttpListener(
                application,
                listen.web,
                listen.connections_max,
                Certificates.of(listen, ask_clients=False),
                metrics.limits_hit.labels("connections").inc,
            )
        )
        scheme = "https" if listen.tls_certificate else "http"
        yield Server(
            f"{scheme}://{web.address}",
            grpc.address,
            http.address,
            zipkin.address,
            intake,
            reader,
            sweeper,
            brokers,
            replayer,
        )


async def run(settings: Settings) -> None:
    """Serves until cancelled; raises as `serving` does."""
    async with serving(settings):
        await asyncio.Event().wait()


def _intake(
    settings: Settings,
    metrics: Metrics,
    store: Store,
    flow: Flow,
    sweeper: Sweeper,
    linker: Linker,
    forwarder: Forwarder | None,
    demand: Demand,
) -> Intake:
    joiner = Joiner(store, flow)

    async def join(spans: Sequence[datetime], logs: Sequence[datetime]) -> None:
        async def in_bulk() -> None:
            if spans:
                await joiner.join(spans)
            if logs:
                await joiner.join_logs(logs)

        await linker.join([*spans, *logs], in_bulk)
        if forwarder:
            forwarder.take(spans, logs)
        sweeper.tell([*spans, *logs])

    return Intake(settings, metrics, store, join, demand)


def _resending(
    settings: Settings, store: Store, messages: MessageStore | None, brokers: BrokerWatches
) -> Resending | None:
    """None where no broker is watched."""
    enabled = [broker.name for broker in settings.broker if broker.republish.enabled]
    return Resending(messages, RepublicationStore(store), brokers.republish, enabled) if messages else None


@asynccontextmanager
async def _running(work: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _split(machines: ASGIApp, people: ASGIApp, demand: Demand) -> ASGIApp:
    """Paths for machines go to the API, all others to the pages: each answers errors in its own form."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_READ_NOTHING):
            await demand.look()
        for_machines = scope["type"] == "http" and scope["path"].startswith(_FOR_MACHINES)
        await (machines if for_machines else people)(scope, receive, send)

    return application
