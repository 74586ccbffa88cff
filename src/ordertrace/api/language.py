"""Which language a caller reads. Pure; the words themselves are in `texts`."""

from __future__ import annotations

from collections.abc import Sequence

LANGUAGES = ("ru", "en")


def choose_language(accepted: str, default: str, languages: Sequence[str] = LANGUAGES) -> str:
    """The supported language that an `Accept-Language` value likes best (RFC 9110, 12.5.4); `default` if it names none."""
    best, best_weight = default, 0.0
    for part in accepted[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        name = tag.strip().lower().partition("-")[0]
        language = default if name == "*" else name
        if language in languages and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
