"""`ordertrace rules test` and what `doctor` says, against a real server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run, running
from tests.cli.test_server import STATUSES, ask, recording


def test_rules_are_tried_and_other_ones_compared(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(recording("RUL-1", STATUSES))
    other = tmp_path / "other.toml"
    other.write_text('[order]\nid = ["pattern:order.id:^RUL-(?P<id>.)$"]\nstatus = []\n', "utf-8")
    with running(tmp_path, "serve", ORDERTRACE_COMPANY__LANGUAGE="en") as server:
        server.wait_for("OTLP HTTP")
        assert ask(server, "import", str(tmp_path / "a.bin")).returncode == 0
        said = ask(server, "rules", "test", "--order", "RUL-1").stdout
        assert "3  id      attribute:order.id" in said
        assert "server to CLOSED" in said
        assert "RUL-1 1.00  (attribute:order.id)  CLOSED ← attribute:order.status" in said
        compared = ask(server, "rules", "test", "--order", "RUL-1", "--config", str(other)).stdout
        assert "→ server to CLOSED" in compared
        assert "[RUL-1 CLOSED]" in compared
        assert "would change: 3" in compared
        answer = json.loads(ask(server, "rules", "test", "--order", "RUL-1", "--json").stdout)
        assert (answer["differences"], len(answer["traces"])) == (0, 3)
        missing = ask(server, "rules", "test", "--trace", "0" * 32)
        assert (missing.returncode, missing.stdout) == (1, "")
        assert "is the id right?" in missing.stderr
        assert server.stop() == 0


def test_one_order_or_one_trace_is_tried(run: Run) -> None:
    for arguments in ([], ["--order", "A", "--trace", "B"]):
        done = run("rules", "test", *arguments)
        assert done.returncode == 2
        assert "--order ID or --trace ID" in done.stderr
