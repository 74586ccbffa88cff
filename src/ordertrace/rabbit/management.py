"""What the management API of one broker tells: queues, bindings, channels, connections. Reads only."""

from __future__ import annotations

from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx2

from ..errors import Forbidden, Unavailable
from ..settings.brokers import BrokerSettings

_QUEUE_COLUMNS = (
    "name,type,durable,auto_delete,exclusive,arguments,effective_policy_definition,messages_ready,"
    "messages_unacknowledged,consumers,policy"
)
_TOTALS = "name,messages_ready,messages_unacknowledged,consumers"  # the last one shows only in older figures
_ANSWER_SECONDS = 5.0


def vhost_of(settings: BrokerSettings) -> str:
    """The virtual host that the AMQP URL names."""
    path = urlsplit(settings.url.get_secret_value()).path
    return unquote(path[1:]) if len(path) > 1 else "/"


def user_of(settings: BrokerSettings) -> str:
    """The broker user that the AMQP URL names."""
    return unquote(urlsplit(settings.url.get_secret_value()).username or "guest")


class Management:
    """A client for one virtual host. Raises Unavailable where no answer comes, Forbidden where rights are missing."""

    def __init__(self, settings: BrokerSettings) -> None:
        url = urlsplit(settings.url.get_secret_value())
        self._vhost = quote(vhost_of(settings), safe="")
        self._client = httpx2.AsyncClient(
            base_url=f"{settings.management.rstrip('/')}/api",
            auth=(user_of(settings), unquote(url.password or "guest")),
            timeout=_ANSWER_SECONDS,
        )

    async def __aenter__(self) -> Management:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def queues(self) -> list[dict[str, Any]]:
        return list(await self.get(f"/queues/{self._vhost}?columns={_QUEUE_COLUMNS}"))

    async def totals(self) -> dict[str, tuple[int, int]]:
        """(ready, unacknowledged) of each queue as it counts now; empty where the broker has only older figures."""
        listed = await self.get(f"/queues/{self._vhost}?disable_stats=true&enable_queue_totals=true&columns={_TOTALS}")
        return {
            str(queue["name"]): (queue["messages_ready"], queue["messages_unacknowledged"])
            for queue in listed
            if "consumers" not in queue and "messages_ready" in queue and "messages_unacknowledged" in queue
        }

    async def bindings(self) -> list[dict[str, Any]]:
        return list(await self.get(f"/bindings/{self._vhost}"))

    async def channels(self) -> list[dict[str, Any]]:
        return list(await self.get("/channels?columns=name,vhost,transactional,confirm"))

    async def connections(self) -> list[dict[str, Any]]:
        return list(await self.get("/connections?columns=name,user_provided_name,client_properties.connection_name"))

    async def vhost(self) -> dict[str, Any]:
        """This one out of the list of all: asking for one by name takes an administrator."""
        listed = await self.get("/vhosts?columns=name,tracing")
        return next((dict(one) for one in listed if quote(one["name"], safe="") == self._vhost), {})

    async def get(self, path: str) -> Any:
        """The answer to GET `/api{path}`."""
        try:
            answer = await self._client.get(path)
        except (httpx2.HTTPError, OSError) as error:
            raise Unavailable(f"the management API does not answer: {type(error).__name__}") from None
        if answer.status_code in (401, 403):
            raise Forbidden(f"the management API refuses {path.split('?')[0]}: {answer.status_code}")
        if answer.status_code != 200:
            raise Unavailable(f"the management API answers {answer.status_code} to {path.split('?')[0]}")
        try:
            return answer.json()
        except ValueError:
            raise Unavailable(f"the management API answers {path.split('?')[0]} with no JSON") from None
