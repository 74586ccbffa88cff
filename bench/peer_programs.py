"""Programs that take spans, as far as the comparison needs to know them: how each is started, asked and stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from bench.server import free_port, process_cpu_seconds, process_memory

_READY_SECONDS, _QUIET_SECONDS = 60.0, 120.0
_QUIET_SHARE = 0.05  # of a core, over a second


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` is made of the binary, a place, the port for spans, one for queries and two more; `config`, of the same, becomes
    the file PLACE/config.yaml. `query` is where a trace is found under the query port; `keeps`: on disk."""

    name: str
    variable: str
    protocol: str
    does: str
    command: Callable[[str, Path, list[int]], list[str]]
    config: Callable[[Path, list[int]], Mapping[str, Any]] | None = None
    query: str = ""
    keeps: bool = False
    spans_path: str = ""


class Running:
    """One program while it runs, on a directory of its own."""

    def __init__(self, peer: Peer, binary: str, place: Path) -> None:
        self._peer, self._binary, self._place = peer, binary, place
        self._ports = [free_port() for _ in range(4)]
        self._peak = 0.0

    def __enter__(self) -> Self:
        self._place.mkdir(parents=True, exist_ok=True)
        if self._peer.config:  # JSON is YAML
            (self._place / "config.yaml").write_text(json.dumps(self._peer.config(self._place, self._ports)), "utf-8")
        with (self._place / "log.txt").open("ab") as log:
            command = self._peer.command(self._binary, self._place, self._ports)
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._place)
        self._wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def address(self) -> str:
        """Where spans go, for `bench.sending`."""
        return f"{'http://' if self._peer.spans_path else ''}127.0.0.1:{self._ports[0]}{self._peer.spans_path}"

    def kill(self) -> None:
        """As a crash would."""
        self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        return process_cpu_seconds(self._process.pid)

    def peak_mb(self) -> float:
        return process_memory(self._process.pid)[1]

    def wait_until_quiet(self) -> None:
        """Returns once the program has worked off what it took; it may not say when, so its CPU tells."""
        until, before = time.monotonic() + _QUIET_SECONDS, self.cpu_seconds()
        while time.monotonic() < until:
            time.sleep(1)
            now = self.cpu_seconds()
            if now - before < _QUIET_SHARE:
                return
            before = now

    def spans_of(self, trace: str) -> int:
        """How many spans of a trace it gives back; 0 where it knows none."""
        url = f"http://127.0.0.1:{self._ports[1]}{self._peer.query.format(trace=trace)}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": "application/json"})) as answer:
                return _count_spans(json.load(answer))
        except urllib.error.HTTPError:
            return 0

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + _READY_SECONDS
        while not self._takes_spans():
            if time.monotonic() > until or self._process.poll() is not None:
                log = (self._place / "log.txt").read_text("utf-8", "replace")[-600:]
                raise RuntimeError(f"{self._peer.name} does not start: {log}")
            time.sleep(0.2)

    def _takes_spans(self) -> bool:
        if self._peer.spans_path:
            request = urllib.request.Request(self.address, b"[]", {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request):
                    return True
            except OSError:
                return False
        with grpc.insecure_channel(self.address) as channel:
            try:
                grpc.channel_ready_future(channel).result(1)
                return True
            except grpc.FutureTimeoutError:
                return False


def _count_spans(answer: Any) -> int:
    """Spans in an answer of Jaeger's (`data`), in OTLP's JSON (`batches`, `resourceSpans`), or in Zipkin's (a list)."""
    if isinstance(answer, list):
        return len(answer)
    if traces := answer.get("data"):
        return sum(len(trace["spans"]) for trace in traces)
    batches = answer.get("batches") or answer.get("resourceSpans") or answer.get("trace", {}).get("resourceSpans", [])
    return sum(len(scope["spans"]) for batch in batches for scope in batch["scopeSpans"])


def _otelcol(place: Path, ports: list[int]) -> Mapping[str, Any]:
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{ports[0]}"}}}},
        "exporters": {"nop": {}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["nop"]}},
        },
    }


def _jaeger(place: Path, ports: list[int]) -> Mapping[str, Any]:
    folders = {"keys": str(place / "keys"), "values": str(place / "values")}
    return {
        "extensions": {
            "jaeger_storage": {"backends": {"main": {"badger": {"directories": folders, "ephemeral": False}}}},
            "jaeger_query": {
                "storage": {"traces": "main"},
                "http": {"endpoint": f"127.0.0.1:{ports[1]}"},
                "grpc": {"endpoint": f"127.0.0.1:{ports[2]}"},
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{ports[0]}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "main"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
        },
    }


def _tempo(place: Path, ports: list[int]) -> Mapping[str, Any]:
    return {
        "server": {"http_listen_port": ports[1], "grpc_listen_port": ports[2]},
        "distributor": {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{ports[0]}"}}}}},
        "storage": {
            "trace": {"backend": "local", "local": {"path": str(place / "blocks")}, "wal": {"path": str(place / "wal")}}
        },
        "overrides": {
            "defaults": {
                "ingestion": {"rate_limit_bytes": 10**10, "burst_size_bytes": 10**10, "max_traces_per_user": 10**9}
            }
        },
    }


_DROPS = "decodes and drops"
_PROTOCOL, _ZIPKIN = "OTLP gRPC", "Zipkin JSON"

PEERS = (
    Peer(
        "OpenTelemetry Collector",
        "ORDERTRACE_BENCH_OTELCOL",
        _PROTOCOL,
        _DROPS,
        lambda binary, place, ports: [binary, "--config", f"{place}/config.yaml"],
        _otelcol,
    ),
    Peer(
        "rotel",
        "ORDERTRACE_BENCH_ROTEL",
        _PROTOCOL,
        _DROPS,
        lambda binary, place, ports: [
            binary,
            "start",
            "--otlp-grpc-endpoint",
            f"127.0.0.1:{ports[0]}",
            "--otlp-http-endpoint",
            f"127.0.0.1:{ports[1]}",
            "--exporter",
            "blackhole",
        ],
    ),
    Peer(
        "Jaeger, Badger",
        "ORDERTRACE_BENCH_JAEGER",
        _PROTOCOL,
        "keeps",
        lambda binary, place, ports: [binary, "--config", f"{place}/config.yaml"],
        _jaeger,
        query="/api/v3/traces/{trace}",
        keeps=True,
    ),
    Peer(
        "VictoriaTraces",
        "ORDERTRACE_BENCH_VICTORIATRACES",
        _PROTOCOL,
        "keeps",
        lambda binary, place, ports: [
            binary,
            f"-storageDataPath={place}/store",
            f"-httpListenAddr=127.0.0.1:{ports[1]}",
            f"-otlpGRPCListenAddr=127.0.0.1:{ports[0]}",
            "-otlpGRPC.tls=false",
        ],
        query="/select/jaeger/api/traces/{trace}",
        keeps=True,
    ),
    Peer(
        "Tempo, local",
        "ORDERTRACE_BENCH_TEMPO",
        _PROTOCOL,
        "keeps",
        lambda binary, place, ports: [binary, f"-config.file={place}/config.yaml"],
        _tempo,
        query="/api/traces/{trace}",
        keeps=True,
    ),
    Peer(
        "Zipkin, memory",
        "ORDERTRACE_BENCH_ZIPKIN",
        _ZIPKIN,
        "keeps in memory",
        lambda binary, place, ports: [
            "java",
            "-jar",
            binary,
            f"--server.port={ports[0]}",
            "--zipkin.storage.mem.max-spans=10000000",
        ],
        spans_path="/api/v2/spans",
    ),
)
"""All that can take part, and the variable that names each one's binary (Zipkin's: its executable jar)."""
