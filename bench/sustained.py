"""A long run at full speed, and how things grow in it: `python -m bench --sustained N`. Not for comparing commits.

A million spans at a time from senders that are kept ready, so that the server never waits for one. Each million is the same
requests with other trace ids, order numbers and message ids, which are put in just before sending.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
import urllib.error
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.payloads import build_request
from bench.sending import Sent, finished, go, prepared
from bench.server import Server

_SPANS_A_REQUEST, _IN_FLIGHT, _REQUESTS, _PASSES = 500, 4, 1_000, 2
STRETCH = _REQUESTS * _PASSES * _SPANS_A_REQUEST
_PATIENCE_SECONDS = 30.0
_PAGES = 3  # answers of each page, the middle one counts
_WIDTH, _HEIGHT, _MARGIN = 420, 120, 34


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one million spans took, and how large things were at its end."""

    million: int
    spans_a_second: float
    answer_median_ms: float
    answer_p99_ms: float
    cpu_us_a_span: float
    memory_mb: float
    disk_bytes_a_span: float
    queued_mb: float
    order_page_ms: float
    board_ms: float


def run(spans: int, directory: Path, results: Path, stem: str) -> str:
    """Writes table, figures and curves under `results`, anew after each million; returns the table."""
    results.mkdir(exist_ok=True)
    stretches, text = list[Stretch](), ""
    for one in measure(spans // STRETCH, directory):
        stretches.append(one)
        text = to_table(stretches)
        (results / f"{stem}.json").write_text(
            json.dumps([asdict(each) for each in stretches], indent=2) + "\n", "utf-8"
        )
        (results / f"{stem}.md").write_text(text, "utf-8")
        (results / f"{stem}.svg").write_text(to_svg([each for each in stretches if each.spans_a_second]), "utf-8")
    return text


def measure(millions: int, directory: Path) -> Iterator[Stretch]:
    """One stretch after another; the last one is followed by a line of what is left when all is stored (million 0)."""
    start = time.time_ns()
    requests = [_marked(build_request(i, _SPANS_A_REQUEST, start)) for i in range(_REQUESTS)]
    with Server(directory / "data") as server, ExitStack() as senders:

        def sender(number: int) -> subprocess.Popen[str]:
            passes = range(number * _PASSES, (number + 1) * _PASSES)
            return senders.enter_context(prepared(server.grpc_address, directory, requests, _IN_FLIGHT, passes))

        following = sender(0)
        for number in range(millions):
            now, cpu, began = following, server.cpu_seconds(), time.perf_counter()
            go(now)
            if number + 1 < millions:
                following = sender(number + 1)
            pages = _pages(server, number)
            sent = finished(now)
            yield _stretch(server, number + 1, sent, STRETCH / (time.perf_counter() - began), cpu, pages)
        began, cpu = time.perf_counter(), server.cpu_seconds()
        server.wait_until_idle()
        time.sleep(20)  # merges
        left = Sent(0.0, [0.0])
        yield _stretch(server, millions, left, 0.0, cpu, _pages(server, millions - 1))


def _marked(request: bytes) -> bytes:
    """The request with trace and message ids that begin with what `bench.sender` replaces."""
    message = ExportTraceServiceRequest.FromString(request)
    for span in message.resource_spans[0].scope_spans[0].spans:
        span.trace_id = b"\xffTR\xff" + span.trace_id[4:]
        for attribute in span.attributes:
            if attribute.key == "messaging.message.id":
                attribute.value.string_value = "0123abcd" + attribute.value.string_value[8:]
    return message.SerializeToString()


def _pages(server: Server, number: int) -> tuple[float, float]:
    """Milliseconds of the page of an order that came in a stretch before (in the first one: a moment ago), and of the board."""
    order = f"/orders/B{number * _PASSES - 1:02d}-{_REQUESTS // 2:06d}-003" if number else "/orders/B00-000000-003"
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            server.get(order)
            return _middle_ms(server, order), _middle_ms(server, "/")
        except urllib.error.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _middle_ms(server: Server, path: str) -> float:
    taken = []
    for _ in range(_PAGES):
        began = time.perf_counter()
        server.get(path)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3


def _stretch(
    server: Server, million: int, sent: Sent, spans_a_second: float, cpu: float, pages: tuple[float, float]
) -> Stretch:
    disk = sum(path.stat().st_blocks * 512 for path in _files(server.directory / "store"))
    return Stretch(
        million=million,
        spans_a_second=spans_a_second,
        answer_median_ms=sent.quantile(0.5) * 1e3,
        answer_p99_ms=sent.quantile(0.99) * 1e3,
        cpu_us_a_span=(server.cpu_seconds() - cpu) / STRETCH * 1e6,
        memory_mb=server.memory()[0],
        disk_bytes_a_span=disk / (million * STRETCH),
        queued_mb=server.metric("ordertrace_journal_queued_bytes") / 1e6,
        order_page_ms=pages[0],
        board_ms=pages[1],
    )


def _files(directory: Path) -> Iterator[Path]:
    """Files that are there; merges take some away meanwhile."""
    for path in directory.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                path.stat()
                yield path
        except FileNotFoundError:
            continue


def to_table(stretches: Sequence[Stretch]) -> str:
    """Markdown, a line a million; the last line is of the rest afterwards."""
    names = [field.name for field in fields(Stretch)]
    lines = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |", "|" + "--:|" * len(names)]
    lines += ["| " + " | ".join(_cell(name, getattr(one, name)) for name in names) + " |" for one in stretches]
    return "\n".join(lines) + "\n"


def _cell(name: str, value: float) -> str:
    return f"{value:,.0f}" if name in ("million", "spans_a_second") else f"{value:,.1f}"


def to_svg(stretches: Sequence[Stretch]) -> str:
    """One small picture a figure, each from zero to its highest value."""
    names = [field.name for field in fields(Stretch) if field.name != "million"]
    pictures = [_curve(name, [getattr(one, name) for one in stretches], place) for place, name in enumerate(names)]
    height = (len(names) + 1) // 2 * (_HEIGHT + _MARGIN)
    size = f'width="{2 * (_WIDTH + _MARGIN)}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *pictures, "</svg>"]) + "\n"


def _curve(name: str, values: Sequence[float], place: int) -> str:
    x, y = place % 2 * (_WIDTH + _MARGIN) + _MARGIN / 2, place // 2 * (_HEIGHT + _MARGIN) + _MARGIN / 2
    highest, step = max(values) or 1.0, (_WIDTH - 10) / max(1, len(values) - 1)
    points = " ".join(
        f"{i * step:.1f},{_HEIGHT - value / highest * (_HEIGHT - 24):.1f}" for i, value in enumerate(values)
    )
    title = f"{name.replace('_', ' ')}: at most {highest:,.1f}, at last {values[-1]:,.1f}"
    return (
        f'<g transform="translate({x},{y})"><text y="12">{title}</text>'
        f'<path d="M0 24V{_HEIGHT}H{_WIDTH}" fill="none" stroke="#bbb"/>'
        f'<polyline points="{points}" fill="none" stroke="#0b62a4" stroke-width="2"/></g>'
    )
