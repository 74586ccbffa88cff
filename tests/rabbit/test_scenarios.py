"""Every kind of loss among healthy orders, on a real RabbitMQ: nothing is missed, and nothing is reported that is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alexandrite.broker import VHOST, RabbitNode
from alexandrite.harm import NEEDS_OWN_BROKER
from alexandrite.plan import SETS

from .scenarios import Lossy, company_options, run_and_compare, scenario_settings, watching_server

TWO = f"{VHOST}.two"


async def test_every_loss_is_named_and_nothing_else(watched_node: RabbitNode, tmp_path: Path) -> None:
    """Two virtual hosts; the telemetry of the second comes late, out of order, and a twentieth of it never."""
    faults = dict.fromkeys(SETS["messages"], 0.03)
    async with watching_server(scenario_settings(tmp_path / "data", watched_node, (VHOST, TWO))) as server:
        with Lossy(server, share=0.05, seconds_max=1.5) as lossy:
            one = company_options(
                watched_node,
                VHOST,
                server,
                seed=21,
                orders=100,
                orders_per_minute=200,
                faults=faults,
                first_number=1_000_000,
            )
            two = replace(
                company_options(watched_node, TWO, server, seed=22, orders=60, orders_per_minute=120, faults=faults),
                first_number=5_000_000, otlp_grpc=lossy.grpc_address, otlp_http=lossy.http_url,
            )  # fmt: skip
            scores = await run_and_compare(server, watched_node, (one, two))
        assert lossy.dropped > 50
    assert [score for score in scores if not score.holds() or score.right < 20] == []


async def test_what_a_killed_broker_lost_is_named(watched_node: RabbitNode, tmp_path: Path) -> None:
    async with watching_server(scenario_settings(tmp_path / "data", watched_node, (VHOST,))) as server:
        options = company_options(
            watched_node, VHOST, server, seed=23, orders=60, orders_per_minute=720, faults={NEEDS_OWN_BROKER: 0.07},
            first_number=7_000_000,
        )  # fmt: skip
        scores = await run_and_compare(server, watched_node, (options,))
    assert [score for score in scores if not score.holds() or score.right < 3] == []
