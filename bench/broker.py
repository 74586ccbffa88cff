"""`python -m bench.broker [--seconds S] [--rounds N]`: what the watch costs a broker, as ratios within one run.

One node, three virtual hosts that differ in nothing but the watch; rounds in them take turns. The third has a bare tap:
what the design itself costs, with a reader that throws all away. Publisher and readers speak AMQP over plain sockets, so
that the broker is what is measured and not a client. Not a test of the watch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pamqp import base, commands, frame, header

from alexandrite.broker import RabbitNode, prepare_watch
from alexandrite.rights import VHOST
from bench.server import Server

_QUEUE, _EXCHANGE = "shop.bench", "shop.bench"
_OFF, _TAPPED = f"{VHOST}.unwatched", f"{VHOST}.tapped"
_BODY_BYTES, _BATCH = 300, 50
_STEADY_A_SECOND = 1_000
_REST_SECONDS = 1.2  # in which what a tap still holds is read
_TICK = os.sysconf("SC_CLK_TCK")


class Client:
    """One connection with one channel; `call` waits for the broker's answer to a method."""

    def __init__(self, port: int, vhost: str, user: str = "shop") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._unread = b""
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self._read()
        self.call(commands.Connection.StartOk({}, "PLAIN", f"\0{user}\0{user}"), channel=0)
        self.send(commands.Connection.TuneOk(2_047, 131_072, 0), channel=0)
        self.call(commands.Connection.Open(vhost), channel=0)
        self.call(commands.Channel.Open())

    def send(self, method: base.Frame, channel: int = 1) -> None:
        self.socket.sendall(frame.marshal(method, channel))

    def call(self, method: base.Frame, channel: int = 1) -> None:
        self.send(method, channel)
        self._read()

    def _read(self) -> None:
        while True:
            size, _, answer = frame.unmarshal(self._unread) if len(self._unread) > 7 else (0, 0, None)
            if size:
                self._unread = self._unread[size:]
                if isinstance(answer, commands.Connection.Close | commands.Channel.Close):
                    raise RuntimeError(answer.reply_text)
                return
            received = self.socket.recv(65_536)
            if not received:
                raise RuntimeError("the broker closed the connection")
            self._unread += received


@dataclass(slots=True)
class Round:
    """What one round took: messages a second through the broker, and the broker's CPU."""

    a_second: float
    cpu_us_a_message: float
    cpu_cores: float


def run_round(node: RabbitNode, vhost: str, seconds: float, a_second: float | None = None) -> Round:
    """Publishes as fast as the broker takes it, or so many a second, transient; an auto-acknowledging reader takes all."""
    reader, publisher = Client(node.port, vhost), Client(node.port, vhost)
    reader.call(commands.Exchange.Declare(exchange=_EXCHANGE, exchange_type="direct"))
    reader.call(commands.Queue.Declare(queue=_QUEUE))
    reader.call(commands.Queue.Bind(queue=_QUEUE, exchange=_EXCHANGE, routing_key=_QUEUE))
    reader.call(commands.Queue.Purge(queue=_QUEUE))
    reader.call(commands.Basic.Consume(queue=_QUEUE, no_ack=True))
    taken, stop = [0], threading.Event()
    taking = threading.Thread(target=_take, args=(reader.socket, taken), daemon=True)
    sending = threading.Thread(target=_publish, args=(publisher.socket, stop, a_second), daemon=True)
    taking.start()
    sending.start()
    time.sleep(0.3)
    began, bytes_before, cpu = time.perf_counter(), taken[0], _cpu_seconds(node)
    time.sleep(seconds)
    passed, count, cpu = time.perf_counter() - began, taken[0] - bytes_before, _cpu_seconds(node) - cpu
    stop.set()
    sending.join(10)
    for client in (publisher, reader):
        client.socket.close()
    messages = count / _delivered_bytes()
    return Round(messages / passed, cpu / messages * 1e6, cpu / passed)


def _publish(to: socket.socket, stop: threading.Event, a_second: float | None) -> None:
    head, tail = _published()
    number, began = time.time_ns() // 1000 * 1000, time.perf_counter()
    first = number
    batch = _BATCH if a_second is None else 5
    try:
        while not stop.is_set():
            to.sendall(b"".join(head + b"%019d" % n + tail for n in range(number, number + batch)))
            number += batch
            if a_second is not None:
                time.sleep(max(0.0, began + (number - first) / a_second - time.perf_counter()))
    except OSError:
        return  # closed at the end of the round


def _take(reading: socket.socket, taken: list[int]) -> None:
    try:
        while received := len(reading.recv(1 << 18)):
            taken[0] += received
    except OSError:
        return


def _published() -> tuple[bytes, bytes]:
    """The frames of one message, around its id of 19 digits."""
    properties = commands.Basic.Properties(
        content_type="application/json", delivery_mode=1, message_id="0" * 19, app_id="shop"
    )
    body = json.dumps({"orderId": "BNC-1", "status": "SUBMITTED", "filler": "x" * _BODY_BYTES})[:_BODY_BYTES].encode()
    frames = [
        frame.marshal(commands.Basic.Publish(exchange=_EXCHANGE, routing_key=_QUEUE), 1),
        frame.marshal(header.ContentHeader(body_size=len(body), properties=properties), 1),
        b"\x03\x00\x01" + len(body).to_bytes(4, "big") + body + b"\xce",
    ]
    head, _, tail = b"".join(frames).partition(b"0" * 19)
    return head, tail


def _delivered_bytes() -> int:
    """What one message takes on its way to the reader: as sent, with another method in front."""
    sent = frame.marshal(commands.Basic.Publish(exchange=_EXCHANGE, routing_key=_QUEUE), 1)
    tag = "amq.ctag-" + "x" * 22
    got = frame.marshal(commands.Basic.Deliver(tag, 1, False, _EXCHANGE, _QUEUE), 1)
    return sum(map(len, _published())) + 19 - len(sent) + len(got)


def _cpu_seconds(node: RabbitNode) -> float:
    assert node._node
    fields = Path(f"/proc/{node._node.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


@contextmanager
def _prepared(directory: Path) -> Iterator[RabbitNode]:
    """A node with three virtual hosts: one unwatched, one with a bare tap, one that a running ordertrace watches."""
    with RabbitNode(plugins=True) as node:
        watch = prepare_watch(node, VHOST)
        prepare_watch(node, _TAPPED)
        prepare_watch(node, _OFF)
        node.control("trace_off", "-p", _OFF)
        tap = _open_bare_tap(node)
        broker = {"name": "bench", "url": watch.url, "management": watch.management}
        with Server(directory, {"ORDERTRACE_BROKER": json.dumps([broker])}) as server:
            while not server.metric("ordertrace_tap_lag_seconds") > 0:
                time.sleep(0.1)
            yield node
        tap.socket.close()


def _open_bare_tap(node: RabbitNode) -> Client:
    """The same queue as the watch's, read by something that does nothing."""
    tap = Client(node.port, _TAPPED, "ordertrace")
    arguments: dict[str, Any] = {"x-max-length": 5_000, "x-overflow": "drop-head"}
    tap.call(commands.Queue.Declare(queue="ordertrace.tap", arguments=arguments))
    for key in ("publish.#", "deliver.#"):
        tap.call(commands.Queue.Bind(queue="ordertrace.tap", exchange="amq.rabbitmq.trace", routing_key=key))
    tap.call(commands.Basic.Consume(queue="ordertrace.tap", no_ack=True))
    threading.Thread(target=_take, args=(tap.socket, [0]), daemon=True).start()
    return tap


def measure(seconds: float, rounds: int, directory: Path) -> dict[str, float]:
    """Figures by name, units last; a ratio is the median of those of neighbouring rounds."""
    places = (_OFF, VHOST, _TAPPED)
    calm: dict[str, list[Round]] = {vhost: [] for vhost in places}
    full: dict[str, list[Round]] = {vhost: [] for vhost in places}
    with _prepared(directory) as node:
        run_round(node, _OFF, min(1.0, seconds))  # warms the node up
        for found, pace, rest in ((calm, _STEADY_A_SECOND, 0.2), (full, None, _REST_SECONDS)):
            for index in range(rounds):
                for vhost in places[:: 1 if index % 2 else -1]:
                    found[vhost].append(run_round(node, vhost, seconds, pace))
                    time.sleep(rest)
    middle = statistics.median

    def ratio(rounds_of: dict[str, list[Round]], one: str, other: str) -> float:
        return middle(a.a_second / b.a_second for a, b in zip(rounds_of[one], rounds_of[other], strict=True))

    steady = f"at_{_STEADY_A_SECOND}_a_second"
    return {
        "publish_unwatched_a_second": middle(each.a_second for each in full[_OFF]),
        "publish_watched_a_second": middle(each.a_second for each in full[VHOST]),
        "publish_bare_tap_a_second": middle(each.a_second for each in full[_TAPPED]),
        "publish_watched_to_unwatched_ratio": ratio(full, VHOST, _OFF),
        "publish_watched_to_bare_tap_ratio": ratio(full, VHOST, _TAPPED),
        "broker_cpu_unwatched_us_a_message": middle(each.cpu_us_a_message for each in full[_OFF]),
        "broker_cpu_watched_us_a_message": middle(each.cpu_us_a_message for each in full[VHOST]),
        "broker_cpu_bare_tap_us_a_message": middle(each.cpu_us_a_message for each in full[_TAPPED]),
        f"{steady}_watched_to_unwatched_ratio": ratio(calm, VHOST, _OFF),
        f"{steady}_broker_cores_unwatched": middle(each.cpu_cores for each in calm[_OFF]),
        f"{steady}_broker_cores_watched": middle(each.cpu_cores for each in calm[VHOST]),
        f"{steady}_broker_cores_bare_tap": middle(each.cpu_cores for each in calm[_TAPPED]),
    }


def run(seconds: float = 1.5, rounds: int = 4) -> dict[str, float]:
    """Measures in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="ordertrace-bench-") as directory:
        return measure(seconds, rounds, Path(directory) / "data")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.broker")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round")
    parser.add_argument("--rounds", type=int, default=4, help="of each kind in each virtual host")
    chosen = parser.parse_args()
    result = run(chosen.seconds, chosen.rounds)
    written = {"machine": platform.platform(), "at": datetime.now(UTC).isoformat(timespec="seconds"), **result}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-broker.json"
    path.write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    for name, value in result.items():
        sys.stdout.write(f"{name:52} {value:,.2f}\n")


if __name__ == "__main__":
    main()
