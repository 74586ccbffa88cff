"""The doctor says what is missing, and its own commands mend it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from alexandrite.broker import RabbitNode
from alexandrite.rights import company_url, prepare_watch
from ordertrace.rabbit.doctor import Advice, examine
from ordertrace.settings import Settings
from ordertrace.settings.brokers import BrokerSettings, RepublishSettings

from .company import company_at, until

VHOST = "alexandrite.doctor"


@pytest.fixture(scope="module")
def url(watched_node: RabbitNode) -> Iterator[str]:
    prepare_watch(watched_node, VHOST)
    yield company_url(watched_node, VHOST).format(system="ordertrace")
    prepare_watch(watched_node, VHOST)


async def advice_on(url: str, management: str, *, republish: bool = False) -> dict[str, Advice]:
    again = RepublishSettings(enabled=republish)
    broker = BrokerSettings(name="main", url=SecretStr(url), management=management, republish=again)
    found = await examine(Settings(broker=(broker,)))
    return {f"{advice.subject}" + ("" if advice.ok else " missing"): advice for advice in found}


def run(node: RabbitNode, advice: Advice) -> None:
    for command in advice.commands:
        if command.startswith("rabbitmqctl "):
            node.control(*shlex.split(command, comments=True)[1:])


async def test_a_prepared_broker_is_fine(watched_node: RabbitNode, url: str) -> None:
    async with company_at(watched_node, VHOST):
        found = await advice_on(url, watched_node.management_url)
    assert set(found) == {"connection", "rights", "events", "management", "tracing", "dead_letters"}


async def test_what_is_missing_is_said_and_mended_by_the_commands(watched_node: RabbitNode, url: str) -> None:
    nothing = "^$"
    watched_node.control("set_permissions", "-p", VHOST, "ordertrace", nothing, nothing, nothing)
    watched_node.control("set_user_tags", "ordertrace")
    found = await advice_on(url, watched_node.management_url)
    assert set(found) == {"connection", "rights missing", "events", "management missing"}
    assert "unroutable" in found["rights missing"].invisible
    run(watched_node, found["rights missing"])
    run(watched_node, found["management missing"])
    watched_node.control("trace_off", "-p", VHOST)
    watched_node.control("clear_policy", "-p", VHOST, "ordertrace-dlx")
    async with company_at(watched_node, VHOST) as company:
        await company.declare("mes.bare")
        found = await advice_on(url, watched_node.management_url)
        assert {"rights", "tracing missing", "dead_letters missing"} <= set(found)
        assert "mes.bare" in found["dead_letters missing"].text
        assert "expired" in found["dead_letters missing"].invisible
        run(watched_node, found["tracing missing"])
        run(watched_node, found["dead_letters missing"])

        async def mended() -> bool:  # what the management API tells of policies is a few seconds old
            return {"tracing", "dead_letters"} <= set(await advice_on(url, watched_node.management_url))

        await until(mended)
        await company.channels["alexandrite"].queue_delete("mes.bare")


async def test_a_broker_that_does_not_know_us_and_one_that_is_not_there(watched_node: RabbitNode) -> None:
    wrong = f"amqp://nobody:secret@127.0.0.1:{watched_node.port}/{VHOST}"
    found = await advice_on(wrong, "")
    assert "rabbitmqctl add_user nobody" in found["connection missing"].commands[0]
    assert "secret" not in repr(found)
    assert not (await advice_on("amqp://x:y@127.0.0.1:1/", ""))["connection missing"].ok


async def test_without_the_management_api_something_stays_unknown(watched_node: RabbitNode, url: str) -> None:
    found = await advice_on(url, "")
    assert found["management missing"].invisible == ("unacked",)


async def test_sending_again_needs_a_right_that_the_watch_does_not(watched_node: RabbitNode, url: str) -> None:
    found = await advice_on(url, watched_node.management_url, republish=True)
    assert "at once" in found["management"].text
    (command,) = found["republish missing"].commands
    assert "amq\\.default" in command
    assert "alexandrite\\.orders" in command
    run(watched_node, found["republish missing"])
    assert {"rights", "republish"} <= set(await advice_on(url, watched_node.management_url, republish=True))
