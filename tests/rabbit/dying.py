"""`python -m tests.rabbit.dying STEP DIRECTORY URL MANAGEMENT MESSAGE`: a watch that dies while it sends a message again.

It kills itself, as `kill -9` would, at the named step. Nothing in ordertrace knows of this.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ordertrace.rabbit import republisher
from ordertrace.rabbit.republisher import Republisher
from ordertrace.store.republications import RepublicationStore

from .company import until, watching

STEPS = ("before the claim", "claimed", "published", "seen", "noted")
Method = Callable[..., Awaitable[Any]]


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(kind: type, name: str, *, after: bool, when: Callable[..., bool] = lambda *_: True) -> None:
    """Makes this method the last that is done, or the first that is not."""
    method: Method = getattr(kind, name)

    async def instead(*arguments: Any, **named: Any) -> Any:
        if not when(*arguments):
            return await method(*arguments, **named)
        if after:
            await method(*arguments, **named)
        return die()

    put(kind, name, instead)


def put(where: Any, name: str, instead: Method) -> None:
    setattr(where, name, instead)


def results(*wanted: str) -> Callable[..., bool]:
    return lambda _, attempts, __: attempts[0].result in wanted


def prepare(step: str) -> None:
    match step:
        case "before the claim":
            dying(RepublicationStore, "add", after=False)
        case "claimed":
            dying(RepublicationStore, "add", after=True, when=results("claimed"))
        case "published":
            dying(Republisher, "_send", after=True)
        case "seen":  # the broker's answer never comes; the firehose has shown it, and that was noted and acknowledged
            put(Republisher, "_end", _wait_for_ever)
            dying(Republisher, "flush", after=True, when=lambda self, _: self._seen)
        case "noted":
            put(republisher, "_acknowledge", _die_at_once)
        case _:
            raise SystemExit(f"{step!r}: {STEPS}")


async def _wait_for_ever(*_: object) -> None:
    await asyncio.Event().wait()


async def _die_at_once(*_: object) -> None:
    die()


async def main(step: str, directory: str, url: str, management: str, message: str) -> None:
    prepare(step)
    async with watching(url, management, Path(directory), republish={"enabled": True}) as watched:
        await until(watched.sees)
        (life,) = [life for life in await watched.messages.get_message(message) if life.held]
        await watched.watches.republish(life, "Vera")
    raise SystemExit("it lived on")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
