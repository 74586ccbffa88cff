"""What the doctor says of a server that passes telemetry on to a backend that is away."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

from bench.server import Server

from tests.ingest.requests import request, span

from .conftest import Run


def test_a_backend_that_is_away_is_named_with_what_to_do(run: Run, tmp_path: Path) -> None:
    with Server(
        tmp_path, {"ORDERTRACE_FORWARD__URL": "http://127.0.0.1:9", "ORDERTRACE_COMPANY__LANGUAGE": "en"}
    ) as server:
        url = f"http://127.0.0.1:{server.ports['WEB']}"
        assert "forward http://127.0.0.1:9: 0 spans and log records passed on" in doctor(run, url)
        traces = f"http://127.0.0.1:{server.ports['OTLP_HTTP']}/v1/traces"
        sent = urllib.request.Request(
            traces, request(span()).SerializeToString(), {"Content-Type": "application/x-protobuf"}
        )
        with urllib.request.urlopen(sent):
            pass
        until = time.monotonic() + 30
        while not server.metric("ordertrace_forward_retries_total") and time.monotonic() < until:
            time.sleep(0.05)
        said = doctor(run, url)
        assert "1 groups wait since" in said
        assert "no answer from http://127.0.0.1:9" in said
        assert "$ curl -i -X POST -H 'Content-Type: application/json' -d '{}' http://127.0.0.1:9/v1/traces" in said


def doctor(run: Run, url: str) -> str:
    return str(
        run(
            "doctor", "--api", url, ORDERTRACE_COMPANY__LANGUAGE="en", ORDERTRACE_FORWARD__URL="http://127.0.0.1:9"
        ).stdout
    )
