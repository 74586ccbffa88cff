"""`python -m bench [--spans N] [--broker] [--sustained N] [--scale]`: measures ingest, disk, memory, start and reads, what
watching a broker costs, and how it is with very much.

Writes a table and a JSON file under bench/results.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench import broker, scale, sustained
from bench.payloads import build_request
from bench.replaying import measure_replay
from bench.sending import finished, go, prepared, send
from bench.server import Server
from bench.shapes import measure_shapes

_SPANS_A_REQUEST, _IN_FLIGHT = 500, 4
_ANSWERS = 40  # of each page
_UNTIL_FRESH_SECONDS = 1.1  # who asks so much later is not answered from memory


def main() -> None:
    arguments = argparse.ArgumentParser(prog="bench")
    arguments.add_argument("--spans", type=int, default=1_000_000)
    arguments.add_argument("--directory", type=Path, help="where to put the data (default: a temporary directory)")
    arguments.add_argument("--short", action="store_true", help="a few large requests only, no other shapes of load")
    arguments.add_argument("--broker", action="store_true", help="also what the watch costs a broker")
    arguments.add_argument("--sustained", type=int, default=0, help="only so many spans in one go, and how things grow")
    arguments.add_argument(
        "--scale",
        type=int,
        nargs="?",
        const=scale.SPANS,
        default=0,
        help="only with so many spans (10 million) in the store",
    )
    chosen = arguments.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="ordertrace-bench-", dir=chosen.directory))
    folder = Path(__file__).parent / "results"
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    try:
        if chosen.sustained:
            sys.stdout.write(sustained.run(chosen.sustained, directory, folder, f"sustained-{stem}"))
            return
        result = {
            "machine": platform.platform(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            **(
                scale.run(directory, chosen.scale)
                if chosen.scale
                else measure(chosen.spans, directory, shapes=not chosen.short)
            ),
            **(broker.run() if chosen.broker else {}),
        }
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    for name, value in result.items():
        sys.stdout.write(f"{name:52} {value if isinstance(value, str) else f'{value:,.2f}'}\n")


def measure(spans: int, directory: Path, shapes: bool) -> dict[str, str | float]:
    """All figures, by name; units last in the name."""
    start = time.time_ns()
    requests = [build_request(i, _SPANS_A_REQUEST, start) for i in range(spans // _SPANS_A_REQUEST)]
    warm_up = [build_request(10_000_000 + i, _SPANS_A_REQUEST, start) for i in range(60)]
    parse = _parse_microseconds(requests[:200])
    result: dict[str, str | float] = {
        "spans": spans,
        "bytes_a_span": sum(map(len, requests)) / spans,
        "upb_parse_us_a_span": parse,
    }
    with Server(directory / "data") as server:
        result["start_seconds"] = server.start_seconds
        result["idle_memory_mb"] = server.memory()[0]
        send(server.grpc_address, directory, warm_up, _IN_FLIGHT)
        warm = len(warm_up) * _SPANS_A_REQUEST
        server.wait_until_stored(warm)
        with prepared(server.grpc_address, directory, requests, _IN_FLIGHT) as sender:
            cpu = server.cpu_seconds()
            go(sender)
            began = time.perf_counter()
            sent = finished(sender)
        server.wait_until_stored(warm + spans)
        stored_seconds, cpu = time.perf_counter() - began, server.cpu_seconds() - cpu
        result |= {
            "acknowledged_spans_a_second": spans / sent.wall,
            "stored_spans_a_second": spans / stored_seconds,
            "server_cpu_us_a_span": cpu / spans * 1e6,
            "server_cpu_to_upb_parse_ratio": cpu / spans * 1e6 / parse,
            "answer_median_ms": sent.quantile(0.5) * 1e3,
            "answer_p99_ms": sent.quantile(0.99) * 1e3,
            "loaded_memory_mb": server.memory()[1],
        }
        time.sleep(5)
        result["memory_after_mb"] = server.memory()[0]
        order = f"BNC-{len(requests) // 2:06d}-003"
        for name, path in {
            "order_api": f"/api/v1/orders/{order}",
            "order_page": f"/orders/{order}",
            "board_fresh": "/",
            "board": "/",
        }.items():
            result |= _latencies(name, server, path, _UNTIL_FRESH_SECONDS if name == "board_fresh" else 0.0)
        stored = warm + spans
        if shapes:
            result |= measure_shapes(server, directory, spans / stored_seconds)
            stored = int(server.metric("ordertrace_spans_stored_total"))
    result |= measure_replay(directory / "data", spans / stored_seconds)
    result["disk_bytes_a_span"] = _merged_bytes(directory / "data") / stored
    return result


def _latencies(name: str, server: Server, path: str, pause: float) -> dict[str, float]:
    server.get(path)
    seconds = []
    for _ in range(_ANSWERS):
        time.sleep(pause)
        started = time.perf_counter()
        server.get(path)
        seconds.append(time.perf_counter() - started)
    seconds.sort()
    return {
        f"{name}_median_ms": statistics.median(seconds) * 1e3,
        f"{name}_p95_ms": seconds[int(_ANSWERS * 0.95)] * 1e3,
    }


def _parse_microseconds(requests: list[bytes]) -> float:
    """What protobuf's own parser takes a span here and now: the yardstick for the machine."""
    started = time.process_time()
    for request in requests:
        ExportTraceServiceRequest.FromString(request)
    return (time.process_time() - started) / (len(requests) * _SPANS_A_REQUEST) * 1e6


def _merged_bytes(directory: Path) -> float:
    """Bytes of spans and of where their traces lie, once merged; a process of its own asks, since one at a time opens a path."""
    code = (
        "import sys, clickhouse_connect as c; from pathlib import Path; import ordertrace.store;"
        "engine = Path(ordertrace.store.__file__).with_name('engine.xml');"
        "c = c.get_client(dsn='chdb://' + sys.argv[1], chdb_options={'config-file': str(engine)});"
        "tables = ('otel_traces', 'trace_groups');"
        "[c.command(f'OPTIMIZE TABLE {table} FINAL') for table in tables];"
        "print(c.query(f'SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table IN {tables}').result_rows[0][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory / "store")], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
