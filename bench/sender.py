"""Sends prepared requests from a process of its own and prints when each was answered. Not for building them.

Over gRPC, or by POST of JSON where the address is a URL.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import pickle
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


async def send_all(address: str, requests: Iterable[bytes], in_flight: int, a_second: float = 0) -> list[float]:
    """Seconds from request to answer, one for each; a refusal for overload is sent again and counts from its first try.

    Each of `in_flight` senders has a connection of its own and waits for an answer before it sends again; at most
    `a_second` requests are begun a second (0: as many as can be).
    """
    waiting, seconds, began = iter(enumerate(requests)), list[float](), time.perf_counter()

    async def one() -> None:
        async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
            for place, request in waiting:
                if a_second and (early := began + place / a_second - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                started = time.perf_counter()
                while True:
                    try:
                        await export(request, wait_for_ready=True)
                        break
                    except grpc.aio.AioRpcError as error:
                        if error.code() not in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
                            raise
                        await asyncio.sleep(0.1)
                seconds.append(time.perf_counter() - started)

    await asyncio.gather(*(one() for _ in range(in_flight)))
    return seconds


def post_all(url: str, requests: Iterable[bytes], in_flight: int) -> list[float]:
    """As `send_all`, as fast as can be, over connections that stay open."""
    parts, waiting, seconds = urlsplit(url), iter(requests), list[float]()

    def one() -> None:
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        for request in waiting:
            started = time.perf_counter()
            while True:
                connection.request("POST", parts.path, request, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status < 300:
                    break
                if answer.status not in (429, 503):
                    raise RuntimeError(f"{url} answers {answer.status}")
                time.sleep(0.1)
            seconds.append(time.perf_counter() - started)

    with ThreadPoolExecutor(in_flight) as threads:
        for done in [threads.submit(one) for _ in range(in_flight)]:
            done.result()
    return seconds


def _with_other_ids(requests: list[bytes], passes: list[int]) -> Iterator[bytes]:
    """All requests once a pass, each time with other trace ids, order numbers and message ids, as bench.sustained marks them."""
    for number in passes:
        for request in requests:
            yield (
                request.replace(b"\xffTR\xff", number.to_bytes(4, "big"))
                .replace(b"BNC-", b"B%02d-" % number)
                .replace(b"0123abcd", b"%08x" % number)
            )


def main() -> None:
    address, path, in_flight, a_second = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    requests: Iterable[bytes] = pickle.loads(Path(path).read_bytes())
    if passes := sys.argv[5:]:
        requests = _with_other_ids(list(requests), [int(one) for one in passes])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started = time.perf_counter()
    if address.startswith("http://"):
        seconds = post_all(address, requests, in_flight)
    else:
        seconds = asyncio.run(send_all(address, requests, in_flight, a_second))
    sys.stdout.write(json.dumps({"wall": time.perf_counter() - started, "answers": seconds}) + "\n")


if __name__ == "__main__":
    main()
