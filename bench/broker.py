"""`python -m bench.broker [--seconds S] [--rounds N]`: what the watch costs a broker's publishers, as a ratio within one run.

Rounds with the watch off and on take turns on one node, so that both meet the same machine. Not a test of the watch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import aio_pika

from alexandrite.broker import RabbitNode, company_url, prepare_watch
from alexandrite.rights import VHOST
from bench.server import Server

_QUEUE, _BODY_BYTES, _IN_FLIGHT = "shop.bench", 300, 200


async def publish(url: str, seconds: float) -> float:
    """Messages a second that one publisher gets confirmed, with a reader that takes them all; about 300 bytes each."""
    body = json.dumps({"orderId": "BNC-1", "status": "SUBMITTED", "filler": "x" * (_BODY_BYTES - 60)}).encode()
    async with await aio_pika.connect(url) as connection:
        channel, reader = await connection.channel(), await connection.channel()
        queue = await reader.declare_queue(_QUEUE, auto_delete=True)
        exchange = await channel.declare_exchange(_QUEUE, aio_pika.ExchangeType.DIRECT, auto_delete=True)
        await queue.bind(exchange, _QUEUE)
        await queue.consume(_take, no_ack=True)
        until, sent = time.perf_counter() + seconds, 0

        async def one() -> int:
            count = 0
            while time.perf_counter() < until:
                await exchange.publish(aio_pika.Message(body), _QUEUE)
                count += 1
            return count

        started = time.perf_counter()
        sent = sum(await asyncio.gather(*(one() for _ in range(_IN_FLIGHT))))
        return sent / (time.perf_counter() - started)


async def _take(_: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Taken, and nothing more."""


def measure(seconds: float, rounds: int, directory: Path) -> dict[str, float]:
    """Rates off and on, and the median of the paired ratios on/off; `on` is tracing and a running ordertrace together."""
    off, on = list[float](), list[float]()
    with RabbitNode(plugins=True, trace_vhosts=(VHOST,)) as node:
        watch = prepare_watch(node)
        url = company_url(node).replace("{system}", "shop")
        _publish(url, min(2.0, seconds))  # warms the node up
        for index in range(rounds):
            node.control("trace_off", "-p", VHOST)
            off.append(_publish(url, seconds))
            node.control("trace_on", "-p", VHOST)
            broker = {"name": "bench", "url": watch.url, "management": watch.management}
            with Server(directory / str(index), {"ORDERTRACE_BROKER": json.dumps([broker])}):
                time.sleep(1.5)  # until the tap reads
                on.append(_publish(url, seconds))
    return {
        "publish_off_a_second": statistics.median(off),
        "publish_watched_a_second": statistics.median(on),
        "publish_watched_to_off_ratio": statistics.median(b / a for a, b in zip(off, on, strict=True)),
    }


def _publish(url: str, seconds: float) -> float:
    """In a process of its own, as publishers are."""
    command = [sys.executable, "-m", "bench.broker", "--publish", url, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.broker")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--publish", metavar="URL", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.publish:
        sys.stdout.write(f"{asyncio.run(publish(chosen.publish, chosen.seconds))}\n")
        return
    with tempfile.TemporaryDirectory(prefix="ordertrace-bench-") as directory:
        result = measure(chosen.seconds, chosen.rounds, Path(directory))
    written = {"machine": platform.platform(), "at": datetime.now(UTC).isoformat(timespec="seconds"), **result}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-broker.json").write_text(
        json.dumps(written, indent=2) + "\n", "utf-8"
    )
    for name, value in result.items():
        sys.stdout.write(f"{name:36} {value:,.2f}\n")


if __name__ == "__main__":
    main()
