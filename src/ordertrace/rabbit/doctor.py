"""Examines how brokers let themselves be watched: rights, tracing, plugins, policies, and what stays invisible without them.

Declares and changes nothing. Each advice names the losses that cannot be seen and the commands that an administrator of
the broker runs to change that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiormq
from aio_pika.abc import AbstractConnection

from ..errors import Forbidden, OrdertraceError, Unavailable
from ..settings import Settings
from ..settings.brokers import BrokerSettings
from .events import EVENTS_EXCHANGE
from .link import LINK_ERRORS, connected, open_channel
from .management import Management, user_of, vhost_of
from .tap import TRACE
from .tap_record import OWN
from .topology import DEAD_LETTERS, setting_of

_FROM_DEAD_LETTERS = ("expired", "maxlen", "rejected", "delivery_limit")
_FROM_TAP = (
    "unroutable",
    "stuck_in_queue",
    "redelivery_loop",
    "removed",
    "overflow_rejected",
    "queue_deleted",
    "broker_restart",
)
_FROM_MANAGEMENT = ("unacked",)
_OURS = r"^ordertrace\..*"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that was looked at. `ok` False: `text` says what is missing, `invisible` which losses cannot be seen or
    named for certain therefore, `commands` what to run on the broker's machine.
    """

    broker: str
    subject: str  # connection, rights, tracing, management, events, dead_letters or identity
    ok: bool
    text: str
    invisible: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


async def examine(settings: Settings) -> list[Advice]:
    """What there is to say about every configured broker; a broker that cannot be reached is one advice, one
    without an address (recordings only) none."""
    found = await asyncio.gather(*(_examine(broker) for broker in settings.broker if broker.url.get_secret_value()))
    return [advice for some in found for advice in some]


async def _examine(broker: BrokerSettings) -> list[Advice]:
    async with AsyncExitStack() as parts:
        try:
            connection = await parts.enter_async_context(connected(broker.url.get_secret_value()))
        except OrdertraceError as error:
            everything = (*_FROM_TAP, *_FROM_DEAD_LETTERS, *_FROM_MANAGEMENT)
            commands = _make_user(broker) if isinstance(error, Forbidden) else ()
            return [Advice(broker.name, "connection", False, str(error), everything, commands)]
        try:
            advice = [Advice(broker.name, "connection", True, f"connected to {vhost_of(broker)} as {user_of(broker)}")]
            advice.append(await _rights(broker, connection))
            advice.append(await _events(broker, connection))
            if broker.republish.enabled:
                advice.append(await _republish(broker, connection))
        except LINK_ERRORS as error:
            return [Advice(broker.name, "connection", False, f"the connection ended: {type(error).__name__}")]
        return [*advice, *await _over_management(broker)]


async def _rights(broker: BrokerSettings, connection: AbstractConnection) -> Advice:
    """Whether the trace exchange may be bound, tried with a queue that goes away with its channel."""
    if await _may_bind(connection, TRACE, "publish.ordertrace.examination"):
        return Advice(broker.name, "rights", True, "own queues may be declared and the firehose may be read")
    return Advice(
        broker.name,
        "rights",
        False,
        f"{user_of(broker)} may not declare {OWN}* or read {TRACE}",
        _FROM_TAP,
        (_grant(broker),),
    )


async def _events(broker: BrokerSettings, connection: AbstractConnection) -> Advice:
    text = "queue deletions are told by the event exchange"
    if not broker.events:
        return Advice(broker.name, "events", True, "not wanted: deletions are noticed by counting only")
    try:
        if broker.event_vhost == vhost_of(broker):
            readable = await _may_bind(connection, EVENTS_EXCHANGE, "ordertrace.examination")
        else:
            async with connected(broker.url.get_secret_value(), broker.event_vhost) as other:
                readable = await _may_bind(other, EVENTS_EXCHANGE, "ordertrace.examination")
    except (Forbidden, Unavailable):
        readable = False
    if readable:
        return Advice(broker.name, "events", True, text)
    commands = ("rabbitmq-plugins enable rabbitmq_event_exchange", _grant(broker, broker.event_vhost, EVENTS_EXCHANGE))
    missing = f"{EVENTS_EXCHANGE} in {broker.event_vhost} cannot be read: a queue that is deleted and made again is not noticed"
    return Advice(broker.name, "events", False, missing, ("queue_deleted",), commands)


async def _republish(broker: BrokerSettings, connection: AbstractConnection) -> Advice:
    """Whether we may publish to the default exchange, tried with a message that goes nowhere."""
    channel = await open_channel(connection)
    try:
        await channel.basic_publish(b"", exchange="", routing_key=f"{OWN}examination")
        await channel.queue_declare(f"{OWN}examination", exclusive=True, auto_delete=True)  # waits for an answer
        await channel.queue_delete(f"{OWN}examination")
    except aiormq.exceptions.ChannelClosed:
        text = f"{user_of(broker)} may not publish to the default exchange: no lost message can be sent again"
        return Advice(broker.name, "republish", False, text, (), (_grant(broker),))
    await channel.close()
    return Advice(broker.name, "republish", True, "lost messages can be sent again to the queues that lost them")


async def _may_bind(connection: AbstractConnection, exchange: str, key: str) -> bool:
    channel = await open_channel(connection)
    name = f"{OWN}examination"
    try:
        await channel.queue_declare(name, exclusive=True, auto_delete=True)
        await channel.queue_bind(name, exchange, routing_key=key)
        await channel.queue_delete(name)
    except aiormq.exceptions.ChannelClosed:
        return False
    await channel.close()
    return True


async def _over_management(broker: BrokerSettings) -> list[Advice]:
    if not broker.management:
        text = (
            "no management API is configured: arguments of queues, transactions and unacknowledged messages are unknown"
        )
        commands = ("rabbitmq-plugins enable rabbitmq_management",)
        return [Advice(broker.name, "management", False, text, _FROM_MANAGEMENT, commands)]
    async with Management(broker) as management:
        try:
            queues, bindings = await management.queues(), await management.bindings()
            vhost, totals = await management.vhost(), await management.totals()
        except Forbidden as error:
            tag = f"rabbitmqctl set_user_tags {user_of(broker)} monitoring"
            return [Advice(broker.name, "management", False, str(error), _FROM_MANAGEMENT, (tag,))]
        except Unavailable as error:
            commands = ("rabbitmq-plugins enable rabbitmq_management",)
            return [Advice(broker.name, "management", False, str(error), _FROM_MANAGEMENT, commands)]
    age = "at once" if totals or not queues else "up to 10 s late"
    text = f"{len(queues)} queues are listed, and what is unacknowledged is known {age}"
    advice = [Advice(broker.name, "management", True, text)]
    advice.append(_tracing(broker, vhost))
    advice.extend(_dead_letters(broker, queues, bindings))
    return advice


def _tracing(broker: BrokerSettings, vhost: Mapping[str, Any]) -> Advice:
    name = vhost_of(broker)
    keep = f'[{{rabbit,[{{trace_vhosts,[<<"{name}">>]}}]}}].'
    if vhost.get("tracing"):
        text = f"the firehose is on; it is off after a restart of the broker unless advanced.config on every node has {keep}"
        return Advice(broker.name, "tracing", True, text)
    commands = (f"rabbitmqctl trace_on -p {_quoted(name)}", f"# in advanced.config on every node: {keep}")
    return Advice(broker.name, "tracing", False, "the firehose is off: nothing is seen", _FROM_TAP, commands)


def _dead_letters(
    broker: BrokerSettings, queues: Sequence[Mapping[str, Any]], bindings: Sequence[Mapping[str, Any]]
) -> list[Advice]:
    """Whose dead letters do not come to us, and what leads them here: a policy, its own policy, or a binding."""
    led = {str(b.get("source")) for b in bindings if b.get("destination") == DEAD_LETTERS}
    names = [str(queue["name"]) for queue in queues if not str(queue["name"]).startswith((OWN, "amq."))]
    by_name = {str(queue["name"]): queue for queue in queues}
    silent = [name for name in names if not by_name[name].get("exclusive") and not _is_led(by_name[name], led)]
    if not silent:
        return [Advice(broker.name, "dead_letters", True, f"the dead letters of all {len(names)} queues come here")]
    vhost = _quoted(vhost_of(broker))
    own = {name: setting_of(by_name[name], "dead-letter-exchange") for name in silent}
    plain = [name for name in silent if own[name] is None and not by_name[name].get("policy")]
    with_policy = [name for name in silent if own[name] is None and by_name[name].get("policy")]
    found = []
    if plain:
        command = (
            f"rabbitmqctl set_policy -p {vhost} ordertrace-dlx '{_pattern(plain)}' "
            f'\'{{"dead-letter-exchange":"{DEAD_LETTERS}"}}\' --apply-to queues --priority -1'
        )
        found.append(_silent(broker, plain, "drop their dead letters unseen", (command,)))
    if with_policy:
        policies = sorted({str(by_name[name]["policy"]) for name in with_policy})
        commands = tuple(
            f'# add "dead-letter-exchange":"{DEAD_LETTERS}" to the policy {name} in {vhost}' for name in policies
        )
        found.append(
            _silent(broker, with_policy, "have a policy of their own, and only one applies to a queue", commands)
        )
    exchanges = sorted({str(own[name]) for name in silent if own[name]})
    if exchanges:
        commands = tuple(_bind(broker, exchange, silent, by_name) for exchange in exchanges)
        parked = [name for name in silent if own[name]]
        found.append(
            _silent(broker, parked, f"have dead-letter exchanges of their own ({', '.join(exchanges)})", commands)
        )
    if parked := [name for name in silent if own[name] == ""]:
        text = "give their dead letters to the default exchange, which cannot be copied; they are seen when somebody reads them"
        found.append(_silent(broker, parked, text, ()))
    return found


def _is_led(queue: Mapping[str, Any], led: set[str]) -> bool:
    exchange = setting_of(queue, "dead-letter-exchange")
    expects_none = setting_of(queue, "message-ttl") is not None and exchange not in (
        None,
        "",
        DEAD_LETTERS,
    )  # a delay queue
    is_parking = str(queue["name"]).endswith((".dlq", ".parking", ".dead")) and exchange is None
    return exchange == DEAD_LETTERS or exchange in led or expects_none or is_parking


def _bind(broker: BrokerSettings, exchange: str, silent: Sequence[str], queues: Mapping[str, Mapping[str, Any]]) -> str:
    keys = sorted(
        {
            str(setting_of(queues[name], "dead-letter-routing-key") or "#")
            for name in silent
            if setting_of(queues[name], "dead-letter-exchange") == exchange
        }
    )
    return "; ".join(
        f"rabbitmqadmin -V {_quoted(vhost_of(broker))} declare binding source={exchange} destination={DEAD_LETTERS} "
        f"destination_type=exchange routing_key={_quoted(key)}"
        for key in keys
    )


def _silent(broker: BrokerSettings, queues: Sequence[str], what: str, commands: tuple[str, ...]) -> Advice:
    some = ", ".join(queues[:5]) + (f" and {len(queues) - 5} more" if len(queues) > 5 else "")
    return Advice(broker.name, "dead_letters", False, f"{some} {what}", _FROM_DEAD_LETTERS, commands)


def _pattern(queues: Sequence[str]) -> str:
    heads = sorted({queue.partition(".")[0] for queue in queues if "." in queue})
    whole = sorted(queue for queue in queues if "." not in queue)
    parts = [*(rf"{re.escape(head)}\." for head in heads), *(f"{re.escape(name)}$" for name in whole)]
    return f"^({'|'.join(parts)})"


def _make_user(broker: BrokerSettings) -> tuple[str, ...]:
    user = user_of(broker)
    return (
        f"rabbitmqctl add_user {user} # asks for the password",
        f"rabbitmqctl set_user_tags {user} monitoring",
        _grant(broker),
        _grant(broker, broker.event_vhost, EVENTS_EXCHANGE),
    )


def _grant(broker: BrokerSettings, vhost: str | None = None, exchange: str = TRACE) -> str:
    where = vhost_of(broker) if vhost is None else vhost
    readable = [TRACE] if where == vhost_of(broker) else []
    readable += [EVENTS_EXCHANGE] if where == broker.event_vhost else []
    sources = "|".join(name.replace(".", r"\.") for name in dict.fromkeys([*readable, exchange]))
    read = rf"^(ordertrace\..*|{sources})$"
    write = _writable(broker) if where == vhost_of(broker) else _OURS
    return f"rabbitmqctl set_permissions -p {_quoted(where)} {user_of(broker)} '{_OURS}' '{write}' '{read}'"


def _writable(broker: BrokerSettings) -> str:
    """What may be published to: nothing of the applications, unless lost messages are to be sent again."""
    if not broker.republish.enabled:
        return _OURS
    named = [re.escape(message.exchange).replace(r"\*", ".*") for message in broker.message if message.exchange]
    return rf"^(ordertrace\..*|amq\.default|{'|'.join(named)})$"


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w./-]+", text) else f"'{text}'"
