"""Every kind of loss among healthy orders, on a real RabbitMQ: nothing is missed, and nothing is reported that is none.

Each run draws its orders anew; ORDERTRACE_SCENARIO_SEED repeats one. How long it took to tell is printed, not judged.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from alexandrite.broker import VHOST, RabbitNode
from alexandrite.harm import NEEDS_OWN_BROKER
from alexandrite.plan import SETS

from .scenarios import (
    CERTAIN,
    Delays,
    Lossy,
    Score,
    company_options,
    run_and_compare,
    scenario_settings,
    watching_server,
)

TWO = f"{VHOST}.two"
ORDERS, ORDERS_PER_MINUTE = 380, 220
SHARES = {fault: 0.012 if fault in CERTAIN else 0.018 for fault in SETS["messages"]}


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("ORDERTRACE_SCENARIO_SEED") or random.randrange(1_000_000))


async def test_every_loss_is_named_and_nothing_else(
    watched_node: RabbitNode, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two virtual hosts; the telemetry of the second comes late, out of order, and a twentieth of it never."""
    settings = scenario_settings(tmp_path / "data", watched_node, (VHOST, TWO))
    async with watching_server(settings) as server:
        with Lossy(server, share=0.05, seconds_max=1.5) as lossy:
            one = company_options(
                watched_node, VHOST, server, seed=seed, orders=ORDERS, orders_per_minute=ORDERS_PER_MINUTE,
                faults=SHARES, first_number=1_000_000,
            )  # fmt: skip
            two = replace(
                one, seed=seed + 1, first_number=5_000_000, amqp_url=one.amqp_url.replace(VHOST, TWO),
                otlp_grpc=lossy.grpc_address, otlp_http=lossy.http_url,
            )  # fmt: skip
            scores, delays = await run_and_compare(server, watched_node, settings, (one, two), lossy.dropped_statuses)
        assert lossy.dropped > 100
    _show(capsys, seed, scores, delays)
    assert [score for score in scores if not score.holds()] == [], f"seed {seed}"
    assert all(score.right[fault] >= 3 for score in scores[1:] for fault in SHARES), f"seed {seed}"
    assert all(score.healthy >= 300 for score in scores[1:]), f"seed {seed}"


async def test_what_a_killed_broker_lost_is_named(
    watched_node: RabbitNode, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = scenario_settings(tmp_path / "data", watched_node, (VHOST,))
    async with watching_server(settings) as server:
        options = company_options(
            watched_node, VHOST, server, seed=seed, orders=60, orders_per_minute=720, faults={NEEDS_OWN_BROKER: 0.07},
            first_number=7_000_000,
        )  # fmt: skip
        scores, delays = await run_and_compare(server, watched_node, settings, (options,))
    _show(capsys, seed, scores, delays)
    assert [score for score in scores if not score.holds() or score.right.total() < 3] == [], f"seed {seed}"


def _show(capsys: pytest.CaptureFixture[str], seed: int, scores: list[Score], delays: Delays) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\nseed {seed}\n")
        for score in scores:
            sys.stdout.write(f"{score.of}: {score.right.total()} right, {score.healthy} healthy, ")
            sys.stdout.write(
                f"missed {score.missed}, unknowable {score.unknowable}, {len(score.false)} false {score.false[:10]}\n"
            )
        sys.stdout.write(f"{delays.report()}\n")
