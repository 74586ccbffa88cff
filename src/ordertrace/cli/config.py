"""`ordertrace config show|check`: the settings in force, where each comes from, and whether they hold together."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, SecretStr

from ..errors import Invalid
from ..settings import Settings, load_settings, origin_of
from .shared import config_option, settings_of

FOUND_SOMETHING = 3
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@click.group()
def config() -> None:
    """The settings."""


@config.command()
@config_option
def show(path: Path | None) -> None:
    """Every setting in force as TOML, and whether it is a default or comes from file or environment; secrets masked."""
    settings = settings_of(path)
    content = tomllib.loads(path.read_text("utf-8")) if path else {}
    for line in setting_lines(settings, content):
        click.echo(line)


@config.command()
@config_option
def check(path: Path | None) -> int:
    """Whether the settings can be used; exit code 3 where they cannot."""
    try:
        load_settings(path)
    except Invalid as error:
        click.echo(str(error), err=True)
        return FOUND_SOMETHING
    click.echo(f"The settings hold together: {path or 'defaults and environment'}")
    return 0


def setting_lines(settings: Settings, content: dict[str, Any]) -> Iterator[str]:
    """TOML with the origin of each value as a comment; `content` is the parsed file."""
    for section in type(settings).model_fields:
        value = getattr(settings, section)
        if isinstance(value, BaseModel):
            yield f"[{section}]"
            for name in type(value).model_fields:
                yield _line(name, getattr(value, name), origin_of(f"{section}.{name}", content))
            yield ""
            continue
        for entry in value:
            yield f"[[{section}]]  # {origin_of(section, content)}"
            yield from _entry(entry)
            yield ""


def _entry(entry: BaseModel) -> Iterator[str]:
    for name in type(entry).model_fields:
        yield _line(name, getattr(entry, name), "")


def _line(name: str, value: object, origin: str) -> str:
    text = f"{name} = {to_toml(value)}" if value is not None else f"# {name}: not set"
    return f"{text}  # {origin}" if origin else text


def to_toml(value: object) -> str:
    """A value as it is written in `ordertrace.toml`, without what is secret in it."""
    if isinstance(value, SecretStr):
        return json.dumps(without_password(value.get_secret_value()), ensure_ascii=False)
    if isinstance(value, timedelta):
        return json.dumps(duration(value))
    if isinstance(value, BaseModel):
        inside = ", ".join(f"{name} = {to_toml(getattr(value, name))}" for name in type(value).model_fields)
        return f"{{ {inside} }}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(to_toml(one) for one in value)}]"
    return json.dumps(without_password(value) if isinstance(value, str) else value, ensure_ascii=False)


def without_password(url: str) -> str:
    """A URL whose password is masked; other texts are left alone."""
    return re.sub(r"(?<=://)([^:/@\s]*):[^@/\s]+@", r"\1:…@", url)


def duration(length: timedelta) -> str:
    """`90s`, `5m`, `2h`, `30d`: the largest unit without a rest."""
    seconds = length.total_seconds()
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{round(seconds * 1000)}ms"
