"""What all four services share: their settings, the clock that runs faster than life, and how they are served."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from .plan import Plan
from .truth import Facts


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a service finds the others, read from `ALEXANDRITE_…` variables."""

    amqp_url: str
    mes_url: str
    carrier_url: str
    speed: float
    plan: Plan
    facts: Facts

    async def pass_minutes(self, minutes: float) -> None:
        """Lets business minutes go by."""
        await asyncio.sleep(self.seconds(minutes))

    def seconds(self, minutes: float) -> float:
        """How many real seconds some business minutes take."""
        return minutes * 60 / self.speed


def read_surroundings(system: str) -> Surroundings:
    """Settings of the service named `system`; the defaults are for one that is started by hand."""
    get = os.environ.get
    descriptor = get("ALEXANDRITE_FACTS")
    plan = Plan(
        int(get("ALEXANDRITE_SEED", "1")),
        json.loads(get("ALEXANDRITE_FAULTS", "{}")),
        int(get("ALEXANDRITE_FIRST_NUMBER", "1")),
    )
    return Surroundings(
        amqp_url=get("ALEXANDRITE_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"),
        mes_url=get("ALEXANDRITE_MES_URL", "http://127.0.0.1:8082"),
        carrier_url=get("ALEXANDRITE_CARRIER_URL", "http://127.0.0.1:8084"),
        speed=float(get("ALEXANDRITE_SPEED", "60")),
        plan=plan,
        facts=Facts(system, int(descriptor) if descriptor else None),
    )


async def _healthy(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def serve(system: str, port: int, build_app: Callable[[Surroundings], Starlette]) -> None:
    """Runs a service until SIGTERM or SIGINT, on the listening socket that was handed to it, else on 127.0.0.1:`port`."""
    _die_with_parent()
    app = build_app(read_surroundings(system))
    app.routes.append(Route("/healthz", _healthy))
    # Kept-alive connections last longer here than with the callers, so that none is closed under a request.
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", access_log=False, timeout_keep_alive=60,
        timeout_graceful_shutdown=3,
    )  # fmt: skip
    handed = os.environ.get("ALEXANDRITE_LISTEN")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(handed))] if handed else None)


def _die_with_parent() -> None:
    """A run that is killed leaves no service behind (Linux: PR_SET_PDEATHSIG is option 1)."""
    if "ALEXANDRITE_LISTEN" in os.environ:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() == 1:
            raise SystemExit("the run that started this service is gone")
