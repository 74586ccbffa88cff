"""How queues are set up, from what the management API lists: arguments and policies, and where dead letters go. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .lives import QueueFacts
from .tap_record import OWN

DEAD_LETTERS = "ordertrace.dlx"


def build_facts(queues: Sequence[Mapping[str, Any]], bindings: Sequence[Mapping[str, Any]]) -> list[QueueFacts]:
    """The facts of every queue."""
    by_name = {str(queue["name"]): queue for queue in queues}
    facts = [_facts(queue, by_name, bindings) for name, queue in by_name.items() if not name.startswith(OWN)]
    users = Counter(each.parking for each in facts)
    return [replace(each, alone=users[each.parking] == 1) for each in facts]


def setting_of(queue: Mapping[str, Any], name: str) -> Any:
    """An argument of the queue, else what its policies say; of a length the smaller one holds."""
    argument = (queue.get("arguments") or {}).get(f"x-{name}")
    policy = queue.get("effective_policy_definition") or {}
    said = policy.get(name) if isinstance(policy, Mapping) else None
    if isinstance(argument, int) and isinstance(said, int):
        return min(argument, said)
    return said if argument is None else argument


def _facts(
    queue: Mapping[str, Any], queues: Mapping[str, Mapping[str, Any]], bindings: Sequence[Mapping[str, Any]]
) -> QueueFacts:
    exchange = setting_of(queue, "dead-letter-exchange")
    targets = list(_targets(queue, exchange, bindings))
    parking = [name for kind, name in targets if kind == "queue" and not name.startswith(OWN)]
    ttl = setting_of(queue, "message-ttl")
    return QueueFacts(
        name=str(queue["name"]),
        kind=str(queue.get("type", "classic")),
        durable=bool(queue.get("durable", True)),
        temporary=bool(queue.get("exclusive") or queue.get("auto_delete")),
        priorities=setting_of(queue, "max-priority") is not None,
        rejects=str(setting_of(queue, "overflow") or "").startswith("reject-publish"),
        length_max=setting_of(queue, "max-length"),
        ttl_seconds=ttl / 1000 if isinstance(ttl, int | float) else None,
        dead_letter_exchange=exchange,
        parking=parking[0] if parking else "",
        forwards=any(_is_delay(queues[name]) for name in parking if name in queues),
        delays=_is_delay(queue),
        ours=exchange == DEAD_LETTERS or any(kind == "exchange" and name == DEAD_LETTERS for kind, name in targets),
    )


def _is_delay(queue: Mapping[str, Any]) -> bool:
    """Nobody reads it, and what dies in it goes on to an exchange of the application: a waiting room before a new try."""
    exchange = setting_of(queue, "dead-letter-exchange")
    return exchange is not None and exchange != DEAD_LETTERS and not queue.get("consumers") and _expires(queue)


def _expires(queue: Mapping[str, Any]) -> bool:
    return setting_of(queue, "message-ttl") is not None or any(
        word in str(queue["name"]).lower() for word in ("retry", "delay", "wait")
    )


def _targets(
    queue: Mapping[str, Any], exchange: str | None, bindings: Iterable[Mapping[str, Any]]
) -> Iterable[tuple[str, str]]:
    """(kind, name) of what takes the queue's dead letters, as far as bindings tell."""
    key = setting_of(queue, "dead-letter-routing-key")
    if exchange is None:
        return
    if exchange == "":
        yield "queue", str(key or queue["name"])
        return
    for binding in bindings:
        if binding.get("source") == exchange and (key is None or binding.get("routing_key") in (key, "#", "")):
            yield str(binding.get("destination_type")), str(binding.get("destination"))
