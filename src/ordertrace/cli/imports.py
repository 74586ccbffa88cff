"""`ordertrace import`: sends recorded telemetry into a running server and waits until it is stored and judged."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import httpx2
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ..errors import Unavailable
from .client import ApiClient, api_url, trust_of
from .recordings import FIREHOSE, LOGS, PROTOBUF, TRACES, ZIPKIN, Recording, Request, read_recordings
from .shared import api_option, settings_of
from .words import say

_IN_FLIGHT = 4
_TRIES_SECONDS = 120.0
_STANDSTILL_SECONDS = 120.0
_POLL_SECONDS = 0.2
_SWEEPS_UNTIL_JUDGED = 2


@dataclass(slots=True)
class Outcome:
    """What became of a recording's requests."""

    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    rejected: int = 0


@click.command("import")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--otlp", metavar="URL", help="Its OTLP/HTTP address; by default the server is asked.")
@click.option("--zipkin", metavar="URL", help="Its Zipkin address; by default the server is asked.")
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), metavar="N",
    help="Keep the recorded pace, N times as fast; without it as fast as the server takes it.",
)  # fmt: skip
@api_option
def import_recordings(
    paths: tuple[Path, ...], otlp: str | None, zipkin: str | None, speed: float | None, api: str | None
) -> int:
    """Recorded telemetry into a running server: OTLP files (protobuf, JSON, gzip), Zipkin and Jaeger JSON, RabbitMQ
    firehose JSON lines, captures (.tar.gz or folder).

    Ends when all is stored and judged. Event times stay as recorded.
    """
    settings = settings_of(None)
    with ApiClient(api_url(api, settings), settings.company.language) as server:
        before = server.get("/api/v1/intake")
        url = otlp_url(otlp, before["receivers"]["otlp_http"], server.url)
        urls = {TRACES: url, LOGS: url, ZIPKIN: otlp_url(zipkin, before["receivers"]["zipkin"], server.url)}
        urls[FIREHOSE] = server.url
        failed = False
        with httpx2.Client(timeout=60.0, trust_env=False, verify=trust_of(url)) as http:
            for path in paths:
                for recording in read_recordings(path):
                    outcome = send(recording, http, urls, speed)
                    failed = failed or bool(outcome.refused)
                    click.echo(summary(recording, outcome, settings.company.language))
        after = wait_until_judged(server)
    spans, logs = (after[f"{what}_received"] - before[f"{what}_received"] for what in ("spans", "log_records"))
    received = "Received and all stored and judged: spans %(spans)s, log records %(logs)s"
    click.echo(say(settings.company.language, received, spans=spans, logs=logs))
    return int(failed)


def otlp_url(given: str | None, announced: str, api: str) -> str:
    """Where to send: as given, or as the server says; a server that listens everywhere is reached where its API is."""
    if given:
        return given.rstrip("/").removesuffix(TRACES).removesuffix(ZIPKIN)
    host, _, port = announced.rpartition("//")[2].rpartition(":")
    if host.strip("[]") in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        host = httpx2.URL(api).host
    return f"{httpx2.URL(api).scheme}://{host}:{port}"


def send(recording: Recording, http: httpx2.Client, urls: Mapping[str, str], speed: float | None) -> Outcome:
    """Sends every request, a few at a time, in order of arrival. Raises Unavailable when the server stays away."""
    outcome = Outcome()
    progress: Any = click.progressbar(length=len(recording.requests), label=recording.name, file=sys.stderr)
    waiting: set[Future[tuple[str, int]]] = set()
    with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="import") as threads, progress as bar:
        for request in _paced(recording.requests, speed):
            waiting.add(threads.submit(_post, http, urls[request.path] + request.path, request))
            if len(waiting) >= _IN_FLIGHT:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                _note(done, outcome, bar)
        _note(wait(waiting).done, outcome, bar)
    return outcome


def _note(done: set[Future[tuple[str, int]]], outcome: Outcome, bar: Any) -> None:
    for future in done:
        reason, rejected = future.result()
        outcome.requests += 1
        outcome.rejected += rejected
        if reason:
            outcome.refused[reason] += 1
        bar.update(1)


def _paced(requests: list[Request], speed: float | None) -> Iterator[Request]:
    began = time.monotonic()
    for request in requests:
        if speed:
            due = began + (request.arrived_seconds - requests[0].arrived_seconds) / speed
            time.sleep(max(0.0, due - time.monotonic()))
        yield request


def _post(http: httpx2.Client, url: str, request: Request) -> tuple[str, int]:
    """(why it was refused, spans or log records rejected); tries again while the server is overloaded or away."""
    headers = {"Content-Type": request.content_type}
    if request.content_encoding:
        headers["Content-Encoding"] = request.content_encoding
    until, pause = time.monotonic() + _TRIES_SECONDS, 0.1
    while True:
        try:
            answer = http.post(url, content=request.body, headers=headers)
        except httpx2.TransportError as error:
            reason, wait_seconds = f"no answer from {url} ({type(error).__name__})", pause
        else:
            if answer.is_success:
                return "", _rejected(answer)
            if answer.status_code == 404 and request.path == FIREHOSE:
                return "no [[broker]] in the server's settings", 0
            if answer.status_code not in (429, 502, 503, 504):
                return f"{answer.status_code} {_reason(answer)}", 0
            reason, wait_seconds = f"{url} answers {answer.status_code}", _retry_after(answer, pause)
        if time.monotonic() + wait_seconds > until:
            raise Unavailable(f"{reason} for {_TRIES_SECONDS:g} s; is the server running, and is --otlp right?")
        time.sleep(wait_seconds)
        pause = min(2 * pause, 5.0)


def _retry_after(answer: httpx2.Response, pause: float) -> float:
    told = answer.headers.get("retry-after", "")
    return min(float(told), 30.0) if told.isascii() and told.isdigit() else pause


def _rejected(answer: httpx2.Response) -> int:
    """What the server took no responsibility for, as its partial success says; for logs it looks the same in protobuf."""
    try:
        if not answer.content:
            return 0
        if answer.headers.get("content-type", "").startswith(PROTOBUF):
            return int(ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans)
        partial = answer.json().get("partialSuccess", {})
        return int(partial.get("rejectedSpans", 0)) + int(partial.get("rejectedLogRecords", 0))
    except (DecodeError, ValueError, AttributeError):
        return 0


def _reason(answer: httpx2.Response) -> str:
    """The message of a google.rpc.Status in JSON or protobuf, as far as it is readable."""
    try:
        return str(answer.json().get("message", ""))[:200]
    except (ValueError, AttributeError):
        return answer.content[:200].decode("utf-8", "ignore").strip("\x00\n\r\t ")


def wait_until_judged(server: ApiClient) -> dict[str, Any]:
    """Returns the intake's figures once nothing waits and the sweep has seen it. Raises Unavailable at a standstill."""
    settled_at: float | None = None
    joined, told_at = False, ""
    sweeps, seen, moved_at = 0, (-1, -1, -1), time.monotonic()
    while True:
        now, intake = time.monotonic(), server.get("/api/v1/intake")
        stored = intake["spans_stored"] + intake["log_records_stored"]
        progress = (stored, intake["queued_bytes"], 0 if intake["queued_bytes"] else intake["sweeps"])
        if progress != seen:
            seen, moved_at = progress, now
        elif now - moved_at > _STANDSTILL_SECONDS:
            raise Unavailable(
                f"nothing has moved for {_STANDSTILL_SECONDS:g} s, {intake['queued_bytes']} bytes wait; see its log"
            )
        if intake["queued_bytes"]:
            settled_at, joined = None, False
        elif settled_at is None:
            settled_at, told_at, sweeps = now, intake["at"], intake["sweeps"]
        elif not joined and datetime.fromisoformat(intake["joined_until"]) >= datetime.fromisoformat(told_at):
            joined, sweeps = True, intake["sweeps"]
        elif (
            joined
            and now - settled_at >= intake["settle_seconds"]
            and intake["sweeps"] >= sweeps + _SWEEPS_UNTIL_JUDGED
        ):
            return intake
        time.sleep(_POLL_SECONDS)


def summary(recording: Recording, outcome: Outcome, language: str) -> str:
    """One line a recording: what was sent, refused and passed over."""
    parts = [say(language, "requests taken: %(count)s", count=outcome.requests - outcome.refused.total())]
    for reason, count in outcome.refused.most_common(3):
        parts.append(say(language, "refused: %(count)s (%(reason)s)", count=count, reason=reason))
    if outcome.rejected:
        parts.append(say(language, "spans or log records rejected: %(count)s", count=outcome.rejected))
    if recording.skipped:
        skipped = ", ".join(f"{count} {kind}" for kind, count in sorted(recording.skipped.items()))
        parts.append(say(language, "not taken yet: %(what)s", what=skipped))
    return f"{recording.name}: {'; '.join(parts)}"
