"""What an administrator sets up once on a broker: a user for each system, and what ordertrace needs to watch, no more.

Done over the management API, as the node's own administrator. Not needed where ordertrace does not watch the broker.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from .bus import DEAD_LETTERS, QUEUES

if TYPE_CHECKING:
    from .broker import RabbitNode

VHOST = "alexandrite"
ADMINISTRATOR = "alexandrite"  # declares the queues and causes what strikes the whole company
USERS = (ADMINISTRATOR, "shop", "mes", "crm")
_THEIR_NAMES = r"^(alexandrite|shop|mes|crm)\..*"
_OURS = r"^ordertrace\..*"
# Transactions, and the default exchange, are for the company alone; nobody of it reads the firehose.
_COMPANY_RIGHTS = {
    "configure": _THEIR_NAMES,
    "write": rf"({_THEIR_NAMES}|^amq\.default$|^ordertrace\.dlx$)",
    "read": _THEIR_NAMES,
}


class WatchAddresses(NamedTuple):
    """Where ordertrace connects to: AMQP as its own user, and the management API without user."""

    url: str
    management: str


def company_url(node: RabbitNode, vhost: str = VHOST) -> str:
    """The AMQP URL of the company; `{system}` stands for the user that each system has."""
    return f"amqp://{{system}}:{{system}}@127.0.0.1:{node.port}/{quote(vhost, safe='')}"


def prepare_watch(node: RabbitNode, vhost: str = VHOST, *, republish: bool = False) -> WatchAddresses:
    """Creates the vhost, the systems' users and the user `ordertrace` with the rights it needs; turns the firehose on.

    The node must have been started with `plugins`, and with `trace_vhosts` where the firehose has to outlive restarts.
    With `republish` it may also send the company's lost messages again. Doing it twice changes nothing.
    Raises OSError where the management API does not answer or refuses.
    """
    api = _Management(node.management_url)
    at = quote(vhost, safe="")
    api.put(f"vhosts/{at}", {"tracing": True})
    for name in USERS:
        api.put(f"users/{name}", {"password": name, "tags": ""})
        api.put(f"permissions/{at}/{name}", _COMPANY_RIGHTS)
    api.put("users/ordertrace", {"password": "ordertrace", "tags": "monitoring"})
    again = rf"{_OURS}|^amq\.default$|{_THEIR_NAMES}" if republish else _OURS
    api.put(f"permissions/{at}/ordertrace", _watch_rights(r"amq\.rabbitmq\.trace") | {"write": again})
    api.put("permissions/%2F/ordertrace", _watch_rights(r"amq\.rabbitmq\.event"))
    api.put(f"permissions/{at}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    _lead_dead_letters(api, at)
    return WatchAddresses(f"amqp://ordertrace:ordertrace@127.0.0.1:{node.port}/{at}", node.management_url)


def _lead_dead_letters(api: _Management, at: str) -> None:
    """A copy of every dead letter: by policy where a queue has no exchange of its own for them, else by a binding."""
    api.put(f"exchanges/{at}/ordertrace.dlx", {"type": "fanout", "durable": True})
    api.put(f"exchanges/{at}/{DEAD_LETTERS}", {"type": "direct", "durable": True})
    for queue in QUEUES:
        api.post(f"bindings/{at}/e/{DEAD_LETTERS}/e/ordertrace.dlx", {"routing_key": f"{queue}.dlq"})
    definition = {"dead-letter-exchange": "ordertrace.dlx"}
    api.put(
        f"policies/{at}/ordertrace-dlx",
        {"pattern": r"^(mes|crm|shop|alexandrite)\.", "definition": definition, "apply-to": "queues", "priority": -1},
    )


def _watch_rights(source: str) -> dict[str, str]:
    return {"configure": _OURS, "write": _OURS, "read": rf"^(ordertrace\..*|{source})$"}


class _Management:
    """The management API, as the administrator whom a new node has."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api"
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(b'guest:guest').decode()}",
            "Content-Type": "application/json",
        }

    def put(self, path: str, content: dict[str, Any]) -> None:
        self._send("PUT", path, content)

    def post(self, path: str, content: dict[str, Any]) -> None:
        self._send("POST", path, content)

    def _send(self, method: str, path: str, content: dict[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310
            f"{self._url}/{path}", json.dumps(content).encode(), self._headers, method=method
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            """An answer of success says all."""
