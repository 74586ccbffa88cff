"""Fixtures that several parts' tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from alexandrite.broker import RabbitNode


@pytest.fixture(scope="session")
def rabbit_node() -> Iterator[str]:
    """The AMQP URL of a real RabbitMQ: the one ORDERTRACE_AMQP_URL names, else a private node for this session."""
    if url := os.environ.get("ORDERTRACE_AMQP_URL"):
        yield url
        return
    with RabbitNode() as node:
        yield node.url
