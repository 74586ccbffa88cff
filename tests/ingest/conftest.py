"""A real intake over a real engine, with real listeners, in a directory of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ordertrace.ingest.intake import Intake
from ordertrace.metrics import Metrics
from ordertrace.receivers.otlp_grpc import OtlpGrpcReceiver
from ordertrace.receivers.otlp_http import OtlpHttpReceiver
from ordertrace.receivers.zipkin import ZipkinReceiver
from ordertrace.settings import Settings
from ordertrace.settings.sections import JournalSettings, ListenSettings, StoreSettings
from ordertrace.store.store import Store, open_store


@dataclass
class Running:
    """The parts of a running server that tests ask."""

    intake: Intake
    store: Store
    metrics: Metrics
    grpc: OtlpGrpcReceiver
    http: OtlpHttpReceiver
    zipkin: ZipkinReceiver
    joined: list[datetime] = field(default_factory=list)

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Rows of any SELECT, on a connection of the test's own."""
        client = self.store.connect()
        return client.query(sql).result_rows

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def settings_in(directory: Path, **journal: Any) -> Settings:
    return Settings(
        store=StoreSettings(url=f"chdb://{directory}"),
        listen=ListenSettings(
            otlp_grpc="127.0.0.1:0", otlp_http="127.0.0.1:0", zipkin="127.0.0.1:0", request_bytes_max=1024 * 1024
        ),
        journal=JournalSettings(**journal),
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    metrics, joined = Metrics(), list[datetime]()

    async def join(spans: Sequence[datetime], logs: Sequence[datetime]) -> None:
        joined.extend([*spans, *logs])

    async with (
        open_store(settings, metrics) as store,
        Intake(settings, metrics, store, join) as intake,
        OtlpGrpcReceiver(intake, settings, metrics) as grpc,
        OtlpHttpReceiver(intake, settings, metrics) as http,
        ZipkinReceiver(intake, settings, metrics) as zipkin,
    ):
        yield Running(intake, store, metrics, grpc, http, zipkin, joined)
