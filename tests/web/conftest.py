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
from ordertrace.orders.reader import OrderReader
from ordertrace.settings import Settings
from ordertrace.web.app import build_fallback, build_web

from .samples import SampleReader, crowd, every_timeline


def build_site(reader: SampleReader) -> Starlette:
    settings, metrics = Settings(), Metrics()
    asked = cast(OrderReader, reader)
    return Starlette(routes=[*build_web(asked, settings, metrics), build_fallback(asked, settings, metrics)])


@pytest.fixture
def reader() -> SampleReader:
    return SampleReader(every_timeline(), crowd(120))


@pytest.fixture
def client(reader: SampleReader) -> TestClient:
    return TestClient(build_site(reader), follow_redirects=False, headers={"accept-language": "en"})


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of a site with all samples."""
    yield from _serve(SampleReader(every_timeline(), crowd(120)))


@pytest.fixture
def changing_site(reader: SampleReader) -> Iterator[str]:
    """A site of one test's own, whose orders the test may change."""
    yield from _serve(reader)


def _serve(reader: SampleReader) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_site(reader), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()
