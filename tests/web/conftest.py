"""A site over sample orders, in process and on a real port for the browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ordertrace.metrics import Metrics
from ordertrace.orders.incident_keeper import IncidentKeeper
from ordertrace.orders.reader import OrderReader
from ordertrace.orders.trial import RuleTrials
from ordertrace.settings import Settings
from ordertrace.store.messages import MessageStore
from ordertrace.web.app import build_fallback, build_web

from .message_samples import RecordingIncidents, SampleIncidents, SampleMessages, every_incident, every_life, sights
from .rule_samples import SampleTrials
from .samples import SampleReader, crowd, every_timeline


def build_site(
    reader: SampleReader,
    messages: SampleMessages | None = None,
    incidents: SampleIncidents | None = None,
    up: bool = True,
) -> Starlette:
    """A site; without messages no broker is watched, with `up` false it is not connected."""
    settings, metrics = Settings(), Metrics()
    asked, told, kept = cast(OrderReader, reader), cast(MessageStore, messages), cast(IncidentKeeper, incidents)
    trials = cast(RuleTrials, SampleTrials())
    routes = build_web(asked, settings, metrics, told, lambda: sights(up), kept, trials=trials)
    return Starlette(routes=[*routes, build_fallback(asked, settings, metrics)])


def full_site(reader: SampleReader) -> Starlette:
    """A site with all samples of messages and incidents."""
    return build_site(reader, SampleMessages(every_life()), SampleIncidents(every_incident()))


@pytest.fixture
def reader() -> SampleReader:
    return SampleReader(every_timeline(), crowd(120))


@pytest.fixture
def client(reader: SampleReader) -> TestClient:
    return TestClient(full_site(reader), follow_redirects=False, headers={"accept-language": "en"})


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of a site with all samples."""
    yield from _serve(full_site(SampleReader(every_timeline(), crowd(120))))


@pytest.fixture
def changing_site(reader: SampleReader) -> Iterator[str]:
    """A site of one test's own, whose orders the test may change."""
    yield from _serve(full_site(reader))


@pytest.fixture
def speaking_site(reader: SampleReader) -> Iterator[tuple[str, RecordingIncidents]]:
    """A site whose incidents take down what is said, and them."""
    kept = RecordingIncidents()
    for address in _serve(build_site(reader, None, kept)):
        yield address, kept


def _serve(application: Starlette) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()
