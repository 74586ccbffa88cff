"""What `ordertrace doctor` says about passing telemetry on to another backend, and what to do where it does not arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..settings.sections import ForwardSettings
from .words import say

_TRACES_PATH = "/v1/traces"


def arrives(state: dict[str, Any]) -> bool:
    """Whether nothing is in the way now and nothing was given up since the start."""
    return not state["failing_since"] and not state["dropped_groups"] and not state["rejected"]


def forwarding_lines(state: dict[str, Any], settings: ForwardSettings, language: str) -> Iterator[str]:
    """One line about what was passed on, then what is in the way and what to do; `state` is as the API gives it."""
    target, queued = state["target"], state["queued_groups"]
    parts = [say(language, "%(count)s spans and log records passed on", count=state["sent"])]
    if queued:
        parts.append(say(language, "%(count)s groups wait since %(time)s", count=queued, time=state["queued_since"]))
    if state["rejected"]:
        parts.append(say(language, "%(count)s were rejected there", count=state["rejected"]))
    if dropped := state["dropped_groups"]:
        by_reason = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))
        parts.append(say(language, "groups given up: %(reasons)s", reasons=by_reason))
    yield f"forward {target}: " + "; ".join(parts)
    if state["failing_since"]:
        said = {"time": state["failing_since"], "error": state["last_error"]}
        yield say(language, "nothing gets through since %(time)s: %(error)s", **said)
    if not arrives(state):
        yield from _to_do(state, settings, language)


def _to_do(state: dict[str, Any], settings: ForwardSettings, language: str) -> Iterator[str]:
    dropped = state["dropped_groups"]
    if state["failing_since"] and not dropped.get("refused"):
        yield say(language, "Start the backend, or correct [forward] url. It answers at:")
        parts = urlsplit(state["target"])
        yield f"  $ {_probe(parts.scheme, parts.netloc, state['target'])}"
    if dropped.get("refused"):
        yield say(language, "It refuses what we send: check the path in [forward] url, and headers_file for its token.")
    if state["rejected"]:
        yield say(language, "It takes requests but not all in them: its log says why.")
    if dropped.get("queue"):
        yield say(
            language,
            "It was away too long or is too slow: raise [forward] groups_max (%(now)s).",
            now=settings.groups_max,
        )
    if dropped.get("age"):
        age = f"{settings.age_max.total_seconds():.0f} s"
        yield say(language, "It was away longer than [forward] age_max (%(now)s); raise it.", now=age)
    if dropped.get("disk"):
        yield say(language, "The disk of the data directory is full.")


def _probe(scheme: str, address: str, target: str) -> str:
    """A command that an operator can try the backend with."""
    if scheme in ("grpc", "grpcs"):
        host, _, port = address.rpartition(":")
        return f"nc -zv {host} {port}"
    url = target.rstrip("/").removesuffix(_TRACES_PATH) + _TRACES_PATH
    return f"curl -i -X POST -H 'Content-Type: application/json' -d '{{}}' {url}"
