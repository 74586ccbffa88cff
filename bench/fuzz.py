"""`python -m bench.fuzz [--requests N] [--corpus PATH …]`: mutated requests against a running server, through every protocol.

Prints how each was answered, the server's memory, and whether good requests among the bad ones are all there; ends with 1
if an answer was none of its protocol's or anything else went wrong.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import grpc

from bench.mutations import ALLOWED, TRACES, ZIPKIN, Sent, build_corpus, mutate
from bench.payloads import build_request
from bench.server import Server

_THREADS, _A_ROUND = 4, 2_000
METHODS = {
    TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "/v1/logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "/v1/metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
GRPC_ALLOWED = {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
_GOOD_SPANS = 5


class Sender:
    """One connection to each port; `send` says how a request was answered."""

    def __init__(self, host: str, otlp: int, zipkin: int, grpc_port: int) -> None:
        self._http = {port: http.client.HTTPConnection(host, port, timeout=60) for port in (otlp, zipkin)}
        self._otlp, self._zipkin = otlp, zipkin
        self._channel = grpc.insecure_channel(f"{host}:{grpc_port}")

    def send(self, sent: Sent) -> tuple[str, bool]:
        """(the answer, whether the protocol knows it); waits while the server is overloaded."""
        while True:
            answer, known = self._over_grpc(sent) if sent.grpc else self._over_http(sent)
            if answer not in ("429", "503", "RESOURCE_EXHAUSTED", "UNAVAILABLE"):
                return answer, known
            time.sleep(0.05)

    def close(self) -> None:
        self._channel.close()
        for connection in self._http.values():
            connection.close()

    def _over_grpc(self, sent: Sent) -> tuple[str, bool]:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(METHODS[sent.path])
        try:
            call(sent.body, timeout=60)
        except grpc.RpcError as error:
            name = error.code().name
            return name, name in GRPC_ALLOWED
        return "OK", True

    def _over_http(self, sent: Sent) -> tuple[str, bool]:
        connection = self._http[self._zipkin if sent.path == ZIPKIN else self._otlp]
        headers = {"Content-Type": sent.content_type} | ({"Content-Encoding": sent.encoding} if sent.encoding else {})
        for attempt in (1, 2):  # a connection that nobody used for seconds is closed by the server
            try:
                connection.request("POST", sent.path, sent.body, headers)
                answer = connection.getresponse()
                answer.read()
                break
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                if attempt == 2:
                    return type(error).__name__, False
        return str(answer.status), answer.status in ALLOWED.get(sent.path, ALLOWED[TRACES])


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.fuzz")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--corpus", type=Path, nargs="*", default=[], help="recordings to mutate, as `ordertrace import` takes"
    )
    chosen = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="ordertrace-fuzz-"))
    try:
        with Server(directory) as server:
            wrong = run(server, build_corpus(tuple(chosen.corpus)), chosen.requests, chosen.seed)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(int(wrong))


def run(server: Server, corpus: list[Sent], requests: int, seed: int) -> bool:
    """Whether anything went wrong."""
    answers, unknown, good, left = Counter[str](), 0, 0, mutate(corpus, requests, seed)
    ports = server.ports
    senders = [Sender("127.0.0.1", ports["OTLP_HTTP"], ports["ZIPKIN"], ports["OTLP_GRPC"]) for _ in range(_THREADS)]
    started = time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as threads:
        while batch := list(islice(left, _A_ROUND)):
            sent = [*batch, Sent(TRACES, build_request(50_000_000 + good, _GOOD_SPANS, time.time_ns()))]
            good += 1
            for kind, answer, known in _shared(threads, senders, sent):
                answers[f"{kind} {answer}"] += 1
                unknown += not known
    for sender in senders:
        sender.close()
    seconds = time.perf_counter() - started
    server.wait_until_idle()
    now, most = server.memory()
    ready = server.get("/readyz") == b'{"status":"ready"}'
    aside = server.metric("ordertrace_requests_set_aside_total")
    received, stored = (
        sum(server.metric(f"ordertrace_{what}_{done}_total") for what in ("spans", "log_records"))
        for done in ("received", "stored")
    )
    for name, count in sorted(answers.items()):
        sys.stdout.write(f"{name:44} {count:,}\n")
    sys.stdout.write(
        f"{requests:,} requests in {seconds:.0f} s; {unknown} answers that the protocol does not know; "
        f"memory {now:.0f} MB, at most {most:.0f} MB; {aside:.0f} requests set aside; "
        f"{received:,.0f} spans and log records acknowledged, {stored:,.0f} stored; ready: {ready}\n"
    )
    return bool(unknown) or not ready or stored != received


def _shared(threads: ThreadPoolExecutor, senders: list[Sender], sent: list[Sent]) -> Iterator[tuple[str, str, bool]]:
    def work(number: int) -> list[tuple[str, str, bool]]:
        mine = sent[number::_THREADS]
        return [("grpc" if one.grpc else one.path, *senders[number].send(one)) for one in mine]

    for answers in threads.map(work, range(_THREADS)):
        yield from answers


if __name__ == "__main__":
    main()
