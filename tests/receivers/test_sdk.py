"""The OpenTelemetry SDK against a server that is overloaded: it is asked to wait, comes again, and loses nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.ingest.conftest import running, settings_in

BATCHES, SPANS_A_BATCH = 12, 4


def spans(batch: int) -> Sequence[ReadableSpan]:
    tracer = TracerProvider().get_tracer("test")
    made = [
        tracer.start_span(f"{batch}-{i}", attributes={"text": os.urandom(40_000).hex()}) for i in range(SPANS_A_BATCH)
    ]
    for one in made:
        one.end()
    return [one for one in made if isinstance(one, ReadableSpan)]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_an_sdk_waits_for_an_overloaded_server(tmp_path: Path, protocol: str) -> None:
    async with running(settings_in(tmp_path, queued_bytes_max=1024 * 1024, group_age_max="300ms")) as run:

        def build() -> SpanExporter:
            if protocol == "grpc":
                return GrpcExporter(endpoint=f"http://{run.grpc.address}", insecure=True, timeout=60)
            return HttpExporter(endpoint=f"http://{run.http.address}/v1/traces", timeout=60)

        def export(first: int) -> list[SpanExportResult]:
            exporter = build()
            results = [exporter.export(spans(batch)) for batch in range(first, first + BATCHES // 4)]
            exporter.shutdown()
            return results

        done = await asyncio.gather(*(asyncio.to_thread(export, first) for first in range(0, BATCHES, BATCHES // 4)))
        assert {result for results in done for result in results} == {SpanExportResult.SUCCESS}
        await run.intake.flush()
        assert run.metric("ordertrace_limits_hit_total", limit="queued_bytes") > 0
        assert run.rows("SELECT count(), uniqExact(SpanName) FROM otel_traces") == [(BATCHES * SPANS_A_BATCH,) * 2]
