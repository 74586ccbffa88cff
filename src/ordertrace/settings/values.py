"""What values of settings are written as: durations, one text or several."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """`"5m"` → five minutes; anything but a string passes through to pydantic. Raises ValueError for other texts."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value.strip())
    if not found:
        raise ValueError(f"{value!r} is not a duration; write it as 90s, 5m, 2h or 30d")
    return timedelta(seconds=float(found[1]) * _UNIT_SECONDS[found[2]])


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_texts(value: object) -> object:
    """One text or a list of them; an empty text is none."""
    return ((value,) if value else ()) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(parse_texts)]
