"""What determines how evidence becomes facts about orders, as digests: other digests, other rows. Pure.

Not in it: privacy rules. They are applied to what comes in: what they left out is nowhere, and what they kept stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from ..settings import Settings
from ..store.statements import digest_of

_REVISION = 1  # raised where code beside the statements joins otherwise than before

TELEMETRY_COLUMNS = frozenset({"order.id", "order.status"})
"""Parts that speak of columns of stored spans and log records, too."""

MESSAGE_COLUMNS = frozenset({"broker.message", "step", "system"})
"""Parts that speak of columns of stored messages: what rules find in them, and who publishes which status."""


def build_prints(settings: Settings) -> dict[str, str]:
    """A digest for each part of the settings that facts depend on, and one for our own doing."""
    services = [(system.name, system.services or (system.name,), system.closed) for system in settings.system]
    messages = [(broker.name, [section.model_dump() for section in broker.message]) for broker in settings.broker]
    steps = [(step.status, step.system) for step in settings.step]
    return {
        "order.id": _digest(settings.order.id),
        "order.status": _digest(settings.order.status),
        "order.key": _digest([key.model_dump() for key in settings.order.key]),
        "step": _digest(steps),
        "system": _digest(services),
        "flow": _digest([sorted(settings.flow.closed), sorted(settings.flow.cancelled)]),
        "broker": _digest(bool(settings.broker)),
        "broker.message": _digest(messages),
        "ordertrace": f"{_REVISION}-{digest_of('join_', 'link_', 'replay_message_facts', 'replay_log_places')}",
    }


def differing(prints: Mapping[str, str], before: Mapping[str, str]) -> tuple[str, ...]:
    """The parts that are not as they were."""
    return tuple(sorted(part for part in {*prints, *before} if prints.get(part) != before.get(part)))


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
