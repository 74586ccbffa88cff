"""The reference is complete: every setting, metric, command, option and path is in it; links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from ordertrace.cli.main import cli
from ordertrace.metrics import Metrics
from ordertrace.settings import Settings
from ordertrace.settings.brokers import BrokerMessageSettings, BrokerSettings
from ordertrace.settings.sections import StepSettings, SystemSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LISTS: dict[str, type[BaseModel]] = {"system": SystemSettings, "step": StepSettings, "broker": BrokerSettings}
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def reference(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text("utf-8")


def chapters(text: str) -> dict[str, str]:
    """Text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def all_settings() -> Iterator[tuple[str, str]]:
    for section in Settings.model_fields:
        kind = LISTS.get(section) or type(getattr(Settings(), section))
        yield section, ""
        for key in kind.model_fields:
            yield section, key


@pytest.mark.parametrize(("section", "key"), list(all_settings()))
def test_every_setting_is_described(section: str, key: str) -> None:
    found = [text for title, text in chapters(reference("settings")).items() if f"[{section}]" in title]
    assert len(found) == 1
    assert not key or f"| `{key}` |" in found[0]


def test_keys_of_messages_are_described() -> None:
    assert all(f"`{key}`" in reference("settings") for key in BrokerMessageSettings.model_fields)


def test_no_setting_is_described_that_is_not_there() -> None:
    known = {f"{section}.{key}" for section, key in all_settings()}
    for title, text in chapters(reference("settings")).items():
        section = re.search(r"\[+(\w+)\]+", title)
        for key in re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE):
            assert section is not None
            assert f"{section[1]}.{key}" in known


def test_every_metric_is_described_with_its_labels() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+)$", reference("metrics"), flags=re.MULTILINE))
    collectors = list(Metrics().registry._collector_to_names)
    described = {}
    for collector in collectors:
        name, kind = collector._name, collector._type  # type: ignore[attr-defined]
        described[f"{name}_total" if kind == "counter" else name] = (kind, collector._labelnames)  # type: ignore[attr-defined]
    assert set(rows) == set(described)
    for name, (kind, labels) in described.items():
        assert rows[name].startswith(f"{kind} | {', '.join(f'`{label}`' for label in labels)}")


def all_commands(command: click.Command, path: str = "ordertrace") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from all_commands(inner, f"{path} {name}")
    else:
        yield path, command


@pytest.mark.parametrize(("path", "command"), list(all_commands(cli)))
def test_every_command_and_option_is_described(path: str, command: click.Command) -> None:
    text = chapters(reference("commands"))[f"`{path}`"]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in text
    assert command.help


def test_every_path_of_the_api_is_described() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src/ordertrace/api").glob("*.py"))
    paths = [path.replace(":path", "") for path in re.findall(r'@router\.(?:get|post)\(\s*"([^"]+)"', source)]
    assert len(paths) >= 8
    for path in paths:
        assert f"`{path}`" in reference("api") or f"`/api/v1{path}`" in reference("api")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_page_is_reachable_from_the_index() -> None:
    linked = set((DOCS / "index.md").read_text("utf-8").split("](")[1:])
    assert {path.split(")")[0] for path in linked} >= {
        str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.parent != DOCS and page.parent.name != "adr"
    }


def test_decisions_have_their_parts() -> None:
    for page in DOCS.glob("adr/0*.md"):
        assert list(chapters(page.read_text("utf-8"))) == ["Context", "Decision", "Rejected", "Consequences"]


def test_the_makefile_stays_small() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    assert len(re.findall(r"^([\w-]+):(?!=)", text, flags=re.MULTILINE)) <= 15


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_name_no_registry(name: str) -> None:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9_.-]+(\[[a-z,]+\])?==[^ @/]+( ;.*)?", line) for line in lines)


def test_what_tests_alone_need_is_not_installed_to_run() -> None:
    run, dev = (
        set((ROOT / name).read_text("utf-8").splitlines()) for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert run < dev, "the same versions"
    assert not [line for line in run if line.startswith(("pm4py==", "pytest==", "sphinx=="))]


def test_the_pages_build(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
