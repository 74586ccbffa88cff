"""With 10 million spans of a million orders, of which 100,000 are open: an order of 40 traces, the sweep, the pages.

The spans go through the server's own ingest; requests are copies of a few with other ids in them, since building each anew takes
longer than storing it.
"""

from __future__ import annotations

import re
import statistics
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from bench.payloads import SPANS_A_TRACE, build_request
from bench.sending import send
from bench.server import Server

SPANS = 10_000_000
_SPANS_A_REQUEST, _REQUESTS_A_CHUNK, _IN_FLIGHT = 500, 2_000, 4
_BASES = 20
_STATUSES = ("SUBMITTED", *["CLOSED"] * 9)
_TRACES = 40
_LONG_ORDER = "BNC-999999-000"
_ANSWERS = 40
_STEADY_SECONDS = 20
_FLOOD_SECONDS_MAX = 600


def run(directory: Path, spans: int) -> dict[str, float]:
    """Figures by name; units last in the name."""
    requests, start = spans // _SPANS_A_REQUEST, time.time_ns()
    bases = [_Base(build_request(number, _SPANS_A_REQUEST, start, _STATUSES), number) for number in range(_BASES)]
    data = directory / "scale"
    with Server(data, {"ORDERTRACE_FLOW__DEADLINE": "1d"}) as server:
        began = time.perf_counter()
        for first in range(0, requests, _REQUESTS_A_CHUNK):
            numbers = range(first, min(first + _REQUESTS_A_CHUNK, requests))
            chunk = [bases[number % _BASES].copy(number) for number in numbers]
            send(server.grpc_address, directory, chunk, _IN_FLIGHT)
        send(server.grpc_address, directory, list(_long_life(start)), 1)
        server.wait_until_stored(requests * _SPANS_A_REQUEST + _TRACES * SPANS_A_TRACE)
        result = {"scale_spans": float(spans), "scale_fill_spans_a_second": spans / (time.perf_counter() - began)}
        time.sleep(10)  # what is merged at once is merged
        result |= {
            **_latencies("scale_order_of_40_traces_api", server, f"/api/v1/orders/{_LONG_ORDER}"),
            **_latencies("scale_order_of_40_traces_page", server, f"/orders/{_LONG_ORDER}"),
            **_latencies("scale_board", server, "/"),
            **_latencies("scale_systems", server, "/api/v1/systems"),
            **_steady_sweep(server),
        }
    with Server(data, {"ORDERTRACE_FLOW__DEADLINE": "1s"}) as server:
        result |= _flood(server, spans // SPANS_A_TRACE // len(_STATUSES))
    return result


class _Base:
    """A request and where its ids are."""

    def __init__(self, request: bytes, number: int) -> None:
        self._request = request
        self._orders = [found.start() for found in re.finditer(rb"BNC-%06d" % number, request)]
        # trace_id, span_id and parent_span_id are fields 1, 2 and 4 of a span: tag, length, bytes
        marks = rb"\x0a\x10(?=.{16}\x12\x08)|\x12\x08(?=.{8}[\x22\x2a])|\x22\x08(?=.{8}\x2a)"
        self._ids = [found.end() for found in re.finditer(marks, request, re.DOTALL)]

    def copy(self, number: int) -> bytes:
        """The same with ids and orders that no other number has."""
        copied = bytearray(self._request)
        for place in self._ids:
            struct.pack_into(">I", copied, place, number)
        for place in self._orders:
            copied[place : place + 10] = b"BNC-%06d" % number
        return bytes(copied)


def _long_life(start_ns: int) -> Iterator[bytes]:
    """One order's traces, a minute after another; the first says its status."""
    for trace in range(_TRACES):
        number = 800_000 + trace
        at = start_ns - (_TRACES - trace) * 60_000_000_000
        request = build_request(number, SPANS_A_TRACE, at, ("" if trace else "SUBMITTED",))
        yield request.replace(b"BNC-%06d-000" % number, _LONG_ORDER.encode())


def _latencies(name: str, server: Server, path: str) -> dict[str, float]:
    server.get(path)
    seconds = []
    for _ in range(_ANSWERS):
        began = time.perf_counter()
        server.get(path)
        seconds.append(time.perf_counter() - began)
    return {
        f"{name}_median_ms": statistics.median(seconds) * 1e3,
        f"{name}_p95_ms": sorted(seconds)[int(_ANSWERS * 0.95)] * 1e3,
    }


def _steady_sweep(server: Server) -> dict[str, float]:
    """The sweep while all open orders are in time."""
    sweeps, seconds = _sweeps(server)
    time.sleep(_STEADY_SECONDS)
    more, longer = _sweeps(server)
    return {
        "scale_open_orders": server.metric("ordertrace_orders"),
        "scale_sweep_ms": (longer - seconds) / (more - sweeps) * 1e3,
    }


def _flood(server: Server, orders: int) -> dict[str, float]:
    """What happens when all open orders are past their deadline at once: how long until each has its diagnosis."""
    began = time.perf_counter()
    while (judged := server.metric("ordertrace_orders_stuck")) < orders:
        if time.perf_counter() - began > _FLOOD_SECONDS_MAX:
            break
        time.sleep(1)
    seconds = time.perf_counter() - began
    sweeps, swept = _sweeps(server)
    return {
        "scale_start_seconds": server.start_seconds,
        "scale_all_late_orders_a_second": judged / seconds,
        "scale_all_late_sweep_ms": swept / sweeps * 1e3,
    }


def _sweeps(server: Server) -> tuple[float, float]:
    """How many there were, and the seconds that they took."""
    return server.metric("ordertrace_sweep_seconds_count"), server.metric("ordertrace_sweep_seconds_sum")
