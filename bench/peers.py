"""`python -m bench.peers [--spans N]`: ordertrace and other programs under the same load: the same bytes from the same senders.

A program takes part if an environment variable names its binary (ORDERTRACE_BENCH_OTELCOL and so on, see peer_programs.py).
Writes a table and a JSON file under bench/results. Figures say something beside each other, in one run; gaps below 1.5 may
be chance.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.payloads import SPANS_A_TRACE, build_request, to_zipkin
from bench.peer_programs import PEERS, Peer, Running
from bench.sending import send
from bench.server import Server
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.sections import StoreSettings
from ordertrace.store.store import open_store

_SPANS_A_REQUEST, _IN_FLIGHT = 500, 4
_WARM_UP = 20  # requests
_KILLED_AFTER = 40  # requests
_ASKED_TRACES = 200  # of those that were acknowledged before the kill


@dataclass(frozen=True, slots=True)
class Figures:
    """What one program did. `missing` is the share of acknowledged spans that a kill -9 took; None where it cannot be asked."""

    name: str
    does: str
    sent_as: str
    spans_a_second: float
    answer_median_ms: float
    cpu_us_a_span: float
    peak_mb: float
    disk_bytes_a_span: float | None
    missing: float | None


def main() -> None:
    arguments = argparse.ArgumentParser(prog="bench.peers")
    arguments.add_argument("--spans", type=int, default=400_000)
    chosen = arguments.parse_args()
    found = [(peer, os.environ[peer.variable]) for peer in PEERS if os.environ.get(peer.variable)]
    if not found:
        names = ", ".join(peer.variable for peer in PEERS)
        sys.stdout.write(f"peers: none found; name binaries in {names}\n")
        return
    directory = Path(tempfile.mkdtemp(prefix="ordertrace-peers-"))
    try:
        figures = list(measure(found, chosen.spans, directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    table = to_table(figures, chosen.spans)
    place = Path(__file__).parent / "results"
    place.mkdir(exist_ok=True)
    stem = f"peers-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    (place / f"{stem}.json").write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n", "utf-8")
    (place / f"{stem}.md").write_text(table, "utf-8")
    sys.stdout.write(table)


def measure(found: list[tuple[Peer, str]], spans: int, directory: Path) -> list[Figures]:
    """ordertrace first, once for each way in that a peer needs."""
    start, figures = time.time_ns(), list[Figures]()
    requests = [build_request(i, _SPANS_A_REQUEST, start) for i in range(_WARM_UP + spans // _SPANS_A_REQUEST)]
    for protocol in sorted({peer.protocol for peer, _ in found}):
        payloads = requests if protocol == "OTLP gRPC" else [to_zipkin(request) for request in requests]
        figures.append(_ordertrace(protocol, payloads, directory / protocol.replace(" ", "-")))
        for peer, binary in found:
            if peer.protocol == protocol:
                sys.stderr.write(f"{peer.name} …\n")
                figures.append(_peer(peer, binary, payloads, requests, directory / peer.name.replace(" ", "-")))
    return figures


def _ordertrace(protocol: str, payloads: list[bytes], directory: Path) -> Figures:
    directory.mkdir()
    place = directory / "data"
    with Server(place) as server:
        address = (
            server.grpc_address
            if protocol == "OTLP gRPC"
            else f"http://127.0.0.1:{server.ports['ZIPKIN']}/api/v2/spans"
        )
        send(address, directory, payloads[:_WARM_UP], _IN_FLIGHT)
        server.wait_until_idle()
        cpu = server.cpu_seconds()
        sent = send(address, directory, payloads[_WARM_UP:], _IN_FLIGHT)
        server.wait_until_idle()
        cpu, peak = server.cpu_seconds() - cpu, server.memory()[1]
    spans = (len(payloads) - _WARM_UP) * _SPANS_A_REQUEST
    disk = _bytes_below(place / "store") / (spans + _WARM_UP * _SPANS_A_REQUEST)
    with Server(directory / "killed") as server:
        address = (
            server.grpc_address
            if protocol == "OTLP gRPC"
            else f"http://127.0.0.1:{server.ports['ZIPKIN']}/api/v2/spans"
        )
        send(address, directory, payloads[:_KILLED_AFTER], _IN_FLIGHT)
        server.kill()
    with Server(directory / "killed") as server:
        server.wait_until_idle()
    kept = asyncio.run(_count(directory / "killed")) / (_KILLED_AFTER * _SPANS_A_REQUEST)
    return Figures(
        "ordertrace", "keeps, durable before the answer", protocol, spans / sent.wall, sent.quantile(0.5) * 1e3,
        cpu / spans * 1e6, peak, disk, 1 - kept,
    )  # fmt: skip


def _peer(peer: Peer, binary: str, payloads: list[bytes], requests: list[bytes], directory: Path) -> Figures:
    directory.mkdir()
    with Running(peer, binary, directory / "data") as program:
        send(program.address, directory, payloads[:_WARM_UP], _IN_FLIGHT)
        program.wait_until_quiet()
        cpu = program.cpu_seconds()
        sent = send(program.address, directory, payloads[_WARM_UP:], _IN_FLIGHT)
        program.wait_until_quiet()
        cpu, peak = program.cpu_seconds() - cpu, program.peak_mb()
    spans = (len(payloads) - _WARM_UP) * _SPANS_A_REQUEST
    disk = _bytes_below(directory / "data") / (spans + _WARM_UP * _SPANS_A_REQUEST) if peer.keeps else None
    return Figures(
        peer.name, peer.does, peer.protocol, spans / sent.wall, sent.quantile(0.5) * 1e3, cpu / spans * 1e6, peak, disk,
        _missing(peer, binary, payloads, requests, directory),
    )  # fmt: skip


def _missing(peer: Peer, binary: str, payloads: list[bytes], requests: list[bytes], directory: Path) -> float | None:
    """The share of traces that are not found after a kill, among some that were acknowledged."""
    if not peer.keeps:
        return None
    place = directory / "killed"
    with Running(peer, binary, place) as program:
        send(program.address, directory, payloads[:_KILLED_AFTER], _IN_FLIGHT)
        program.kill()
    asked = [one for request in requests[:_KILLED_AFTER] for one in trace_ids(request)]
    asked = asked[:: max(1, len(asked) // _ASKED_TRACES)]
    with Running(peer, binary, place) as program:
        program.wait_until_quiet()
        return sum(program.spans_of(trace) < SPANS_A_TRACE for trace in asked) / len(asked)


def trace_ids(request: bytes) -> list[str]:
    """The traces of a request of ours, in hex."""
    spans = ExportTraceServiceRequest.FromString(request).resource_spans[0].scope_spans[0].spans
    return list(dict.fromkeys(span.trace_id.hex() for span in spans))


def to_table(figures: list[Figures], spans: int) -> str:
    """Markdown; ratios are to the ordertrace of the same way in."""
    lines = [
        f"{spans:,} spans, {_SPANS_A_REQUEST} a request, {_IN_FLIGHT} requests in flight; in brackets the ratio to ordertrace.",
        "",
        "| | sent as | spans/s | answer, median ms | µs CPU a span | peak MB | disk B a span | lost by kill -9 | it |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    own = {one.sent_as: one for one in figures if one.name == "ordertrace"}
    for one in figures:
        base = own[one.sent_as]
        disk = "–" if one.disk_bytes_a_span is None else f"{one.disk_bytes_a_span:,.0f}"
        lost = "not asked" if one.missing is None else f"{one.missing:.1%}"
        lines.append(
            f"| {one.name} | {one.sent_as} | {_beside(one.spans_a_second, base.spans_a_second, 0)} "
            f"| {one.answer_median_ms:.1f} | {_beside(one.cpu_us_a_span, base.cpu_us_a_span, 1)} "
            f"| {_beside(one.peak_mb, base.peak_mb, 0)} | {disk} | {lost} | {one.does} |"
        )
    return "\n".join(lines) + "\n"


def _beside(value: float, own: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if value == own else f"{value:,.{digits}f} ({value / own:.2f})"


def _bytes_below(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


async def _count(directory: Path) -> int:
    settings = Settings(store=StoreSettings(url=f"chdb://{directory}"))
    async with open_store(settings, Metrics()) as store:
        rows = store.connect().query("SELECT uniqExact(TraceId, SpanId, SpanKind) FROM otel_traces").result_rows
        return int(rows[0][0])


if __name__ == "__main__":
    main()
