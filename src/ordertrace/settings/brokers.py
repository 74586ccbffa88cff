"""The sections of a watched broker: `[[broker]]` and what lies in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from .rules import parse_message_rule
from .values import Duration, Section, Texts

MuteableVerdict = Literal[
    "*", "unroutable", "expired", "maxlen", "overflow_rejected", "rejected", "delivery_limit", "dead_lettered",
    "queue_deleted", "removed", "broker_restart", "stuck_in_queue", "unacked", "redelivery_loop",
]  # fmt: skip


class BrokerMessageSettings(Section):
    """How to read messages that were published to `exchange` (a name, or a pattern with `*`); first match wins."""

    exchange: str
    order_id: Texts = ()
    status: Texts = ()


class BrokerQueueSettings(Section):
    """What is allowed in queues of this name (or pattern with `*`), and which verdicts are nothing to report there."""

    name: str
    wait: Duration | None = None
    unacked: Duration | None = None
    mute: tuple[MuteableVerdict, ...] = ()


class BrokerExchangeSettings(Section):
    """Exchanges of this name (or pattern with `*`) to which nobody needs to listen."""

    name: str
    mute: tuple[MuteableVerdict, ...] = ("unroutable",)


class RepublishSettings(Section):
    """Sending lost messages again, off by default. What may be sent waits at the broker, in a bounded queue of ours."""

    enabled: bool = False
    messages_max: int = Field(1_000, ge=1, le=10_000)
    bytes_max: int = Field(32 * 1024 * 1024, ge=1024)
    age: Duration = timedelta(days=1)


DEFAULT_MESSAGES = (
    BrokerMessageSettings(
        exchange="alexandrite.orders",
        order_id=("body:$.orderId", "body:$.OrderId", "header:x-order-id", "baggage:order.id"),
        status=("body:$.status", "body:$.Status", r"routing_key:^order\.(?P<status>[a-z_]+)$"),
    ),
)


class BrokerSettings(Section):
    """One virtual host of a broker, and the bounds of watching it; see `[[broker]]` in the reference."""

    name: str
    url: SecretStr = SecretStr("")  # empty: only recordings of its firehose are taken
    management: str = ""
    message: tuple[BrokerMessageSettings, ...] = DEFAULT_MESSAGES
    queue: tuple[BrokerQueueSettings, ...] = ()
    exchange: tuple[BrokerExchangeSettings, ...] = ()
    wait: Duration = timedelta(minutes=1)
    unacked: Duration = timedelta(minutes=5)
    redeliveries_max: int = Field(10, ge=2)
    tap: bool = True
    tap_keys: tuple[str, ...] = ("publish.#", "deliver.#")
    tap_messages_max: int = Field(5_000, ge=100, le=50_000)
    dead_letters: bool = True
    dead_letters_max: int = Field(10_000, ge=100)
    dead_letters_age: Duration = timedelta(hours=1)
    events: bool = True
    event_vhost: str = "/"
    events_max: int = Field(5_000, ge=100)
    poll: Duration = timedelta(milliseconds=500)
    management_poll: Duration = timedelta(seconds=1)
    beat: Duration = timedelta(milliseconds=500)
    blind_after: Duration = timedelta(seconds=3)
    reconnect_max: Duration = timedelta(seconds=15)
    in_flight_max: int = Field(100_000, ge=1_000)
    unsettled_max: int = Field(50_000, ge=1_000)
    queues_max: int = Field(500, ge=1)
    republish: RepublishSettings = RepublishSettings()

    @model_validator(mode="after")
    def _reads_messages(self) -> BrokerSettings:
        for message in self.message:
            for rule in (*message.order_id, *message.status):
                parse_message_rule(rule)
        return self
