"""Which system is at the other end of a connection: by broker user, else by the connection's name. Not for rights."""

from __future__ import annotations

from collections.abc import Sequence

from ..settings.sections import SystemSettings

_CONNECTIONS_MAX = 10_000


class Peers:
    """Systems by broker user and by connection name; connections are known as `client -> server` addresses."""

    def __init__(self, systems: Sequence[SystemSettings]) -> None:
        self._systems = {
            user.casefold(): system.name
            for system in reversed(systems)
            for user in (*(system.users or (system.name, *system.services)),)
        }
        self._names: dict[str, str] = {}

    def name_connection(self, address: str, name: str) -> None:
        """The name that a client gave its connection."""
        if name:
            self._names[address] = name
        while len(self._names) > _CONNECTIONS_MAX:
            del self._names[next(iter(self._names))]

    def find(self, user: str, connection: str, app_id: str = "") -> str:
        """The system's name; the broker user where it is none that settings know."""
        known = self._systems.get(user.casefold()) or self._systems.get(self._names.get(connection, "").casefold())
        return known or self._systems.get(app_id.casefold()) or user
