"""Errors of the command: one line that says what to do, the right exit code, never a traceback."""

from __future__ import annotations

import pytest

from ordertrace.cli.main import explain, first_cause
from ordertrace.errors import Unavailable
from tests.cli.conftest import Run

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--colour"], 2, "--colour"),
        (["sing"], 2, "sing"),
        (["orders", "--state", "lost"], 2, "'lost'"),
        (["orders", "--limit", "0"], 2, "--limit"),
        (["order"], 2, "ID"),
        (["orders", "--api", "nowhere"], 1, "write it as http"),
        (["orders", "--api", NOWHERE], 1, "ordertrace serve"),
        (["order", "A-1", "--api", NOWHERE], 1, NOWHERE),
        (["import", "--api", NOWHERE, "x.bin"], 1, NOWHERE),
        (["import"], 2, "PATH"),
        (["serve", "--config", "none.toml"], 2, "none.toml"),
        (["demo", "--faults", "gremlins"], 2, "gremlins"),
    ],
)
def test_one_line_and_a_code(run: Run, arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("ordertrace: ")
    assert says in done.stderr


def test_a_wrong_setting_in_the_environment_is_wrong_use(run: Run) -> None:
    done = run("serve", ORDERTRACE_LISTN__WEB="x")
    assert done.returncode == 2
    assert "ORDERTRACE_LISTN__WEB" in done.stderr


def test_help_and_version(run: Run) -> None:
    assert run("--version").stdout.startswith("ordertrace ")
    assert "import" in run("--help").stdout
    assert run().returncode == 2


def test_the_cause_of_a_group_is_what_gets_told() -> None:
    cause = Unavailable("port 1 is taken")
    group = ExceptionGroup("outer", [ValueError("x"), ExceptionGroup("inner", [cause])])
    assert explain(first_cause(group)) == ("port 1 is taken", 1)


def test_the_unexpected_names_its_place_but_not_its_values() -> None:
    try:
        raise KeyError("secret")
    except KeyError as error:
        text, code = explain(error)
    assert code == 1
    assert "secret" not in text
    assert "test_errors.py" in text
