"""`python -m bench.senders`: real senders against a running server, each with its defaults: what they sent and what was stored.

The OpenTelemetry Python SDK, the Node SDK (OTLP in JSON, and Zipkin), the Java agent (with its own start-up) and rotel, a
collector. Packages come from npm, Maven and PyPI into a temporary directory; what cannot be had is passed over, and said.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import grpc
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bench.payloads import build_request
from bench.server import Server

_SPANS = 1_000
_AGENT = "io.opentelemetry.javaagent:opentelemetry-javaagent:2.17.0"
_NODE_PACKAGES = (
    "@opentelemetry/api",
    "@opentelemetry/api-logs",
    "@opentelemetry/exporter-logs-otlp-http",
    "@opentelemetry/exporter-trace-otlp-http",
    "@opentelemetry/exporter-zipkin",
    "@opentelemetry/sdk-logs",
    "@opentelemetry/sdk-trace-base",
)
_NODE = """
const [otlp, zipkin, count] = process.argv.slice(2);
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { OTLPLogExporter } = require('@opentelemetry/exporter-logs-otlp-http');
(async () => {
  const exporters = [new OTLPTraceExporter({ url: otlp + '/v1/traces' }), new ZipkinExporter({ url: zipkin + '/api/v2/spans' })];
  for (const exporter of exporters) {
    const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 10000 })] });
    const tracer = provider.getTracer('bench');
    for (let i = 0; i < Number(count); i++)
      tracer.startSpan('node ' + i, { attributes: { n: i, ok: true, list: ['a', 'b'] } }).end();
    await provider.forceFlush(); await provider.shutdown();
  }
  const exporter = new OTLPLogExporter({ url: otlp + '/v1/logs' });
  const logs = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter, maxQueueSize: 10000 })] });
  for (let i = 0; i < Number(count); i++) logs.getLogger('bench').emit({ body: 'node ' + i, severityNumber: 9 });
  await logs.forceFlush(); await logs.shutdown();
})();
"""
_JAVA = """
import java.net.*;
import java.util.logging.*;
public class Calls {
  public static void main(String[] arguments) throws Exception {
    for (int i = 0; i < Integer.parseInt(arguments[1]); i++) {
      HttpURLConnection call = (HttpURLConnection) new URL(arguments[0]).openConnection();
      call.getResponseCode();
      call.getInputStream().readAllBytes();
      Logger.getLogger("bench").warning("java " + i);
    }
  }
}
"""


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="ordertrace-senders-"))
    failed = False
    try:
        with Server(directory / "data") as server:
            for name, send in (
                ("Python SDK, gRPC", python_grpc),
                ("Python SDK, HTTP", python_http),
                ("Node SDK, OTLP in JSON and Zipkin", node),
                ("Java agent, OTLP HTTP", java),
                ("Java agent, OTLP gRPC", java_grpc),
                ("Java agent, Zipkin", java_zipkin),
                ("rotel, a collector", rotel),
            ):
                failed |= tried(name, send, server, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(int(failed))


def tried(name: str, send: Callable[[Server, Path], tuple[int, int] | str], server: Server, directory: Path) -> bool:
    """Prints what a sender sent and what was stored of it; true if something is missing."""
    before = counted(server)
    sent = send(server, directory)
    if isinstance(sent, str):
        sys.stdout.write(f"{name:36} passed over: {sent}\n")
        return False
    until = time.monotonic() + 30
    while True:
        server.wait_until_idle()
        spans, logs = (now - then for now, then in zip(counted(server), before, strict=True))
        if (spans >= sent[0] and logs >= sent[1]) or time.monotonic() > until:
            break
        time.sleep(0.2)
    sys.stdout.write(
        f"{name:36} sent {sent[0]:,} spans and {sent[1]:,} log records, stored {spans:,.0f} and {logs:,.0f}\n"
    )
    return spans < sent[0] or logs < sent[1]


def counted(server: Server) -> tuple[float, float]:
    return server.metric("ordertrace_spans_stored_total"), server.metric("ordertrace_log_records_stored_total")


def python_grpc(server: Server, _: Path) -> tuple[int, int]:
    address = f"http://{server.grpc_address}"
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=address, insecure=True)))
    for i in range(_SPANS):
        logs.get_logger("bench").emit(body=f"python {i}", severity_number=SeverityNumber.INFO, timestamp=time.time_ns())
    logs.shutdown()
    return _traced(GrpcExporter(endpoint=address, insecure=True, compression=grpc.Compression.Gzip)), _SPANS


def python_http(server: Server, _: Path) -> tuple[int, int]:
    endpoint = f"http://127.0.0.1:{server.ports['OTLP_HTTP']}/v1/traces"
    return _traced(HttpExporter(endpoint=endpoint, compression=Compression.Gzip)), 0


def node(server: Server, directory: Path) -> tuple[int, int] | str:
    place = directory / "node"
    place.mkdir()
    (place / "send.js").write_text(_NODE)
    (place / "package.json").write_text("{}")
    if failure := _run(["npm", "install", "--silent", "--no-audit", "--no-fund", *_NODE_PACKAGES], place):
        return failure
    urls = [f"http://127.0.0.1:{server.ports[name]}" for name in ("OTLP_HTTP", "ZIPKIN")]
    return _run(["node", "send.js", *urls, str(_SPANS)], place) or (2 * _SPANS, _SPANS)


def java(server: Server, directory: Path) -> tuple[int, int] | str:
    return _java(server, directory, "otlp") or (_SPANS, _SPANS)


def java_grpc(server: Server, directory: Path) -> tuple[int, int] | str:
    return _java(server, directory, "otlp", "grpc") or (_SPANS, _SPANS)


def java_zipkin(server: Server, directory: Path) -> tuple[int, int] | str:
    return _java(server, directory, "zipkin") or (_SPANS, _SPANS)


def rotel(server: Server, directory: Path) -> tuple[int, int] | str:
    program = _rotel_program(directory)
    if isinstance(program, str):
        return program
    with socket.socket() as free, socket.socket() as also_free:
        for one in (free, also_free):
            one.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in (free, also_free)]
    collector = subprocess.Popen(
        [str(program), "start", "--otlp-grpc-endpoint", addresses[0], "--otlp-http-endpoint", addresses[1],
         "--exporter", "otlp", "--otlp-exporter-endpoint", f"http://{server.grpc_address}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with grpc.insecure_channel(addresses[0]) as channel:
            grpc.channel_ready_future(channel).result(20)
            path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            for i in range(20):
                call(build_request(30_000_000 + i, 500, time.time_ns()), timeout=20)
        time.sleep(3)  # it sends what it has gathered by and by
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        return f"it does not take spans ({type(error).__name__})"
    finally:
        collector.terminate()
        collector.wait(30)
    return 20 * 500, 0


def _traced(exporter: GrpcExporter | HttpExporter) -> int:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=10 * _SPANS))
    for i in range(_SPANS):
        with provider.get_tracer("bench").start_as_current_span(f"python {i}") as span:
            span.set_attributes({"n": i, "ok": True, "list": ["a", "b"]})
            span.add_event("event", {"k": 0.5})
    provider.shutdown()
    return _SPANS


def _java(server: Server, directory: Path, exporter: str, protocol: str = "http/protobuf") -> str:
    (directory / "Calls.java").write_text(_JAVA)
    agent = directory / f"{_AGENT.split(':')[1]}-{_AGENT.split(':')[2]}.jar"
    fetch = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    if not agent.exists():
        command = ["mvn", "-q", fetch, f"-Dartifact={_AGENT}", f"-DoutputDirectory={directory}"]
        if failure := _run(command, directory):
            return failure
    options = {
        "otel.traces.exporter": exporter,
        "otel.exporter.zipkin.endpoint": f"http://127.0.0.1:{server.ports['ZIPKIN']}/api/v2/spans",
        "otel.exporter.otlp.protocol": protocol,
        "otel.exporter.otlp.endpoint": f"http://127.0.0.1:{server.ports['OTLP_GRPC' if protocol == 'grpc' else 'OTLP_HTTP']}",
        "otel.service.name": "bench",
    }
    flags = [f"-D{name}={value}" for name, value in options.items()]
    url = f"http://127.0.0.1:{server.ports['WEB']}/healthz"
    return _run(["java", f"-javaagent:{agent}", *flags, "Calls.java", url, str(_SPANS)], directory)


def _rotel_program(directory: Path) -> Path | str:
    place = directory / "rotel"
    uv = str(Path(sys.executable).parent / "uv")
    if failure := _run([uv, "pip", "install", "-q", "--target", str(place), "-p", sys.executable, "rotel"], directory):
        return failure
    return next(place.rglob("rotel-agent"), "the package holds no program")


def _run(command: list[str], place: Path) -> str:
    """What went wrong; empty if nothing did."""
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {type(error).__name__}"
    return f"{command[0]}: {(done.stderr or done.stdout)[-200:]!r}" if done.returncode else ""


if __name__ == "__main__":
    main()
