"""Sends prepared requests over gRPC from a process of its own and prints when each was answered. Not for building them."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from pathlib import Path

import grpc

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


async def send_all(address: str, requests: list[bytes], in_flight: int) -> list[float]:
    """Seconds from request to answer, one for each; a refusal for overload is sent again and counts from its first try."""
    waiting, seconds = iter(requests), list[float]()

    async def one() -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_EXPORT)
            for request in waiting:
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


def main() -> None:
    address, path, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3])
    requests: list[bytes] = pickle.loads(Path(path).read_bytes())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started = time.perf_counter()
    seconds = asyncio.run(send_all(address, requests, in_flight))
    sys.stdout.write(json.dumps({"wall": time.perf_counter() - started, "answers": seconds}) + "\n")


if __name__ == "__main__":
    main()
