"""`ordertrace config`: loadable TOML, true origins, no secrets."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from ordertrace.cli.config import duration, setting_lines
from ordertrace.settings import Settings, load_settings
from tests.cli.conftest import Run


def test_shows_every_setting_as_toml_that_means_the_same(tmp_path: Path) -> None:
    text = "\n".join(setting_lines(Settings(), {}))
    path = tmp_path / "ordertrace.toml"
    path.write_text(text, "utf-8")
    assert set(tomllib.loads(text)) >= {"company", "store", "system", "step", "listen", "privacy"}
    assert load_settings(path).model_dump() == Settings().model_dump()


def test_says_where_each_value_comes_from(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "ordertrace.toml"
    path.write_text('[company]\nname = "Ювелир"\n[[broker]]\nname = "main"\nurl = "amqp://me:hidden@host/v"\n', "utf-8")
    done = run("config", "show", "--config", str(path), ORDERTRACE_LISTEN__WEB="127.0.0.1:9999")
    assert done.returncode == 0
    assert 'name = "Ювелир"  # file' in done.stdout
    assert 'web = "127.0.0.1:9999"  # environment' in done.stdout
    assert 'language = "ru"  # default' in done.stdout
    assert "hidden" not in done.stdout
    assert 'url = "amqp://me:…@host/v"' in done.stdout


def test_check_accepts_the_defaults(run: Run) -> None:
    assert run("config", "check").returncode == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[compny]\nname = 1\n", "compny"),
        ('[flow]\ndeadline = "soon"\n', "'soon' is not a duration"),
        ("name = \n", "not valid TOML"),
    ],
)
def test_check_names_what_is_wrong(tmp_path: Path, run: Run, text: str, says: str) -> None:
    path = tmp_path / "ordertrace.toml"
    path.write_text(text)
    done = run("config", "check", "--config", str(path))
    assert (done.returncode, done.stdout) == (3, "")
    assert says in done.stderr
    assert run("config", "show", "--config", str(path)).returncode == 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "500ms"), (90, "90s"), (300, "5m"), (7200, "2h"), (86400 * 30, "30d")]
)
def test_durations_are_written_as_they_are_read(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
