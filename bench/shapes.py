"""Other shapes of load than a few large requests: many small ones, one sender, a trickle, and pages read meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from bench.payloads import build_request
from bench.sending import finished, send, send_small, sending
from bench.server import Server

_SMALL_REQUESTS, _SMALL_SPANS, _SMALL_SENDERS = 12_000, 5, 16
_ALONE_REQUESTS = 400
_TRICKLE_SENDERS, _TRICKLE_SPANS_A_SECOND, _TRICKLE_SECONDS = 50, 1_000, 25  # failed orders are due after 30
_FLAWLESS_SPANS = 5  # of an order whose failure would come later in its trace
_SDK_SECONDS = 5  # OTEL_BSP_SCHEDULE_DELAY: between two requests of an SDK that nobody has told otherwise
_SETTLE_SECONDS = 11  # for ten seconds after a look groups close soon
_MIXED_SECONDS = 20


def measure_shapes(server: Server, directory: Path, capacity: float) -> dict[str, float]:
    """Figures by name; `capacity` is how many spans a second were stored at most."""
    start = time.time_ns()
    numbers = count(20_000_000)

    def requests(amount: int, spans: int) -> list[bytes]:
        return [build_request(next(numbers), spans, start) for _ in range(amount)]

    small = send_small(server.grpc_address, directory, requests(_SMALL_REQUESTS, _SMALL_SPANS), _SMALL_SENDERS)
    server.wait_until_idle()
    alone = send(server.grpc_address, directory, requests(_ALONE_REQUESTS, 500), 1)
    server.wait_until_idle()
    return {
        "small_requests_a_second": _SMALL_REQUESTS / small.wall,
        "one_sender_spans_a_second": _ALONE_REQUESTS * 500 / alone.wall,
        **_trickle(directory, numbers, "trickle", _SDK_SECONDS),
        **_trickle(directory, numbers, "trickle_each_second", 1),
        **_mixed(server, directory, requests(int(capacity / 2 * _MIXED_SECONDS / 500), 500), capacity / 2),
    }


def _trickle(directory: Path, numbers: Iterator[int], name: str, interval: int) -> dict[str, float]:
    """What 1,000 spans a second from 50 senders cost, each sending every `interval` seconds, in percent of one core, on a server
    that does nothing else: at first, and while the first ones' failed orders, five a second, fall due."""
    a_second = _TRICKLE_SENDERS / interval

    def requests(amount: int, spans: int) -> list[bytes]:
        begin = time.time_ns()
        return [build_request(next(numbers), spans, begin + int(place / a_second * 10**9)) for place in range(amount)]

    with Server(directory / name) as server:
        send(server.grpc_address, directory, requests(_TRICKLE_SENDERS, _FLAWLESS_SPANS), _TRICKLE_SENDERS)
        server.wait_until_idle()
        time.sleep(_SETTLE_SECONDS)
        percent = list[float]()
        for _ in range(2):
            some = requests(int(a_second * _TRICKLE_SECONDS), int(_TRICKLE_SPANS_A_SECOND / a_second))
            cpu = server.cpu_seconds()
            sent = send(server.grpc_address, directory, some, _TRICKLE_SENDERS, a_second)
            percent.append((server.cpu_seconds() - cpu) / sent.wall * 100)
    return {
        f"{name}_cpu_percent_of_a_core": percent[0],
        f"{name}_failing_cpu_percent_of_a_core": percent[1],
        f"{name}_answer_p99_ms": sent.quantile(0.99) * 1e3,
    }


def _mixed(server: Server, directory: Path, requests: list[bytes], spans_a_second: float) -> dict[str, float]:
    """How fast pages answer while spans come in at half of what the server can take."""
    seconds: dict[str, list[float]] = {"order_page": [], "board": []}
    with sending(server.grpc_address, directory, requests, 4, spans_a_second / 500) as sender:
        for name, path in _pages():
            began = time.perf_counter()
            server.get(path)
            seconds[name].append(time.perf_counter() - began)
            time.sleep(0.05)
        sent = finished(sender)
    server.wait_until_idle()
    p95 = {name: sorted(taken)[int(len(taken) * 0.95)] * 1e3 for name, taken in seconds.items()}
    return {
        "mixed_spans_a_second": len(requests) * 500 / sent.wall,
        "mixed_answer_p99_ms": sent.quantile(0.99) * 1e3,
        **{f"mixed_{name}_p95_ms": value for name, value in p95.items()},
    }


def _pages() -> Iterator[tuple[str, str]]:
    until = time.perf_counter() + _MIXED_SECONDS - 2
    for number in count():
        if time.perf_counter() > until:
            return
        yield ("order_page", f"/orders/BNC-{number % 50:06d}-003") if number % 2 else ("board", "/")
