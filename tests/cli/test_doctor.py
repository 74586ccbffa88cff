"""`ordertrace doctor` against a real broker, prepared for a watch and not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alexandrite.broker import RabbitNode, prepare_watch

from .conftest import Run


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitNode]:
    with RabbitNode(plugins=True) as running:
        yield running


def settings_file(directory: Path, url: str, management: str) -> str:
    path = directory / "ordertrace.toml"
    path.write_text(
        f'[company]\nlanguage = "en"\n[[broker]]\nname = "main"\nurl = "{url}"\nmanagement = "{management}"\n', "utf-8"
    )
    return str(path)


def test_without_a_broker_it_says_what_cannot_be_seen(run: Run) -> None:
    done = run("doctor", "--api", "http://127.0.0.1:1", ORDERTRACE_COMPANY__LANGUAGE="en")
    assert done.returncode == 3
    assert "lost messages cannot be seen" in done.stdout
    assert "No server answers" in done.stdout


def test_unprepared_broker_gets_the_commands_that_fix_it(run: Run, node: RabbitNode, tmp_path: Path) -> None:
    done = run(
        "doctor", "--config", settings_file(tmp_path, node.url, node.management_url), "--api", "http://127.0.0.1:1"
    )
    assert done.returncode == 3
    assert "$ rabbitmqctl" in done.stdout
    assert "cannot be seen: " in done.stdout


def test_prepared_broker_leaves_nothing_to_say(run: Run, node: RabbitNode, tmp_path: Path) -> None:
    watch = prepare_watch(node)
    done = run(
        "doctor", "--config", settings_file(tmp_path, watch.url, watch.management), "--api", "http://127.0.0.1:1"
    )
    assert "\u2717" not in done.stdout, done.stdout
    assert done.returncode == 0


def test_unreachable_broker_is_one_line_without_its_password(run: Run, tmp_path: Path) -> None:
    done = run("doctor", "--config", settings_file(tmp_path, "amqp://ordertrace:geheim@127.0.0.1:1/x", ""))
    assert done.returncode == 3
    assert "geheim" not in done.stdout + done.stderr


def test_broker_of_recordings_alone_is_not_asked(run: Run, tmp_path: Path) -> None:
    done = run("doctor", "--config", settings_file(tmp_path, "", ""), "--api", "http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    assert "unexpected" not in done.stderr
