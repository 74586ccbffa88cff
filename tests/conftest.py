"""Fixtures that several parts' tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from alexandrite.broker import VHOST, RabbitNode

# How fast a machine is decides no test.
settings.register_profile("ordertrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ordertrace")


@pytest.fixture(scope="session")
def rabbit_node() -> Iterator[str]:
    """The AMQP URL of a real RabbitMQ: the one ORDERTRACE_AMQP_URL names, else a private node for this session."""
    if url := os.environ.get("ORDERTRACE_AMQP_URL"):
        yield url
        return
    with RabbitNode() as node:
        yield node.url


@pytest.fixture(scope="session")
def watched_node() -> Iterator[RabbitNode]:
    """A private RabbitMQ with management API, metrics and event exchange; `prepare_watch` makes vhosts and users on it.

    The firehose stays on over restarts in the vhosts `alexandrite` and `alexandrite.two`. Whoever kills it starts it again.
    """
    with RabbitNode(plugins=True, trace_vhosts=(VHOST, f"{VHOST}.two")) as node:
        yield node
