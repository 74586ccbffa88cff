"""Every SQL statement is a file under `sql/`; this reads them. A statement's comments stay behind.

A line `-- with: NAME` makes `sql/NAME.sql` available to the statement as the common table expression NAME.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from ..errors import Internal


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql` without its comment lines. Raises Internal for a name that does not exist."""
    file = resources.files(__package__) / "sql" / f"{name}.sql"
    try:
        text = file.read_text("utf-8")
    except OSError:
        raise Internal(f"there is no statement {name!r}") from None
    shared = [line.removeprefix("-- with: ").strip() for line in text.splitlines() if line.startswith("-- with: ")]
    expressions = ", ".join(f"{part} AS ({statement(part)})" for part in shared)
    return (f"WITH {expressions}\n" if shared else "") + _without_comments(text)


def migrations() -> list[tuple[str, list[str]]]:
    """Numbered migrations in order, each with its statements: `[("0001_spans", ["CREATE TABLE …"]), …]`."""
    folder = resources.files(__package__) / "sql" / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(file.name.removesuffix(".sql"), _split(_without_comments(file.read_text("utf-8")))) for file in files]


def digest_of(*prefixes: str) -> str:
    """A digest of the statements whose names begin so: it changes when what they do may have changed."""
    names = sorted(file.name.removesuffix(".sql") for file in (resources.files(__package__) / "sql").iterdir())
    texts = [statement(name) for name in names if name.startswith(prefixes)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(";\n") if part.strip(" \n;")]
