"""Thousands of mutated requests through every way in: each answer is one of its protocol's, and good requests are not harmed."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import grpc
import httpx2
from bench.fuzz import GRPC_ALLOWED, METHODS
from bench.mutations import ALLOWED, TRACES, ZIPKIN, Sent, build_corpus, mutate

from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import request, span

REQUESTS, GOOD_EVERY, IN_FLIGHT = 3_000, 100, 8


async def answer(run: Running, sent: Sent, channel: grpc.aio.Channel, client: httpx2.AsyncClient) -> tuple[str, bool]:
    """What it is answered, and whether the protocol knows that."""
    if sent.grpc:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHODS[sent.path])
        try:
            await call(sent.body)
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.code().name in GRPC_ALLOWED
        return "OK", True
    address = run.zipkin.address if sent.path == ZIPKIN else run.http.address
    headers = {"content-type": sent.content_type} | ({"content-encoding": sent.encoding} if sent.encoding else {})
    said = await client.post(f"http://{address}{sent.path}", content=sent.body, headers=headers)
    return str(said.status_code), said.status_code in ALLOWED.get(sent.path, ALLOWED[TRACES])


async def test_mutated_requests_are_answered_and_harm_no_other(tmp_path: Path) -> None:
    mutated = mutate(build_corpus(), REQUESTS, seed=7)
    answers: Counter[str] = Counter()
    unknown: list[tuple[str, Sent]] = []
    async with (
        running(settings_in(tmp_path)) as run,
        grpc.aio.insecure_channel(run.grpc.address) as channel,
        httpx2.AsyncClient(timeout=60) as client,
    ):

        async def send_all() -> None:
            for sent in mutated:
                said, known = await answer(run, sent, channel, client)
                answers[f"{'grpc' if sent.grpc else sent.path} {said}"] += 1
                if not known:
                    unknown.append((said, sent))
                if answers.total() % GOOD_EVERY == 0:
                    await run.intake.admit(request(span(f"good {answers.total()}")).SerializeToString(), "grpc")

        await asyncio.gather(*(send_all() for _ in range(IN_FLIGHT)))
        await run.intake.flush()
        assert not unknown
        assert answers.total() == REQUESTS
        assert {"grpc OK", "grpc INVALID_ARGUMENT", "/v1/traces 200", "/v1/logs 200", "/api/v2/spans 202"} <= set(
            answers
        )
        assert run.intake.ready() == (True, "")
        good = run.rows("SELECT count(), uniqExact(SpanName) FROM otel_traces WHERE SpanName LIKE 'good %'")
        assert good[0][0] == good[0][1] >= REQUESTS // GOOD_EVERY - IN_FLIGHT
        received, stored = (
            sum(
                run.metric(f"ordertrace_{kind}_received_total", protocol=protocol)
                for kind in ("spans", "log_records")
                for protocol in ("grpc", "http", "zipkin")
            ),
            sum(run.metric(f"ordertrace_{kind}_stored_total") for kind in ("spans", "log_records")),
        )
        assert stored == received
