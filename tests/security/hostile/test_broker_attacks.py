"""S39, S40: what each service's broker user tries beyond its own part is refused by the real broker."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import pytest
import yaml
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelPreconditionFailed

from deploy.broker import SERVICES, definitions, rights
from services.catalogue import SUBSCRIPTIONS
from shared.bus import Message, Unroutable
from shared.bus.rabbitmq import RabbitBus
from shared.bus.topology import dead_of, declare, exchange_of, queue_of
from tests.support.servers import Rabbitmq

ROOT = Path(__file__).parents[3]
PASSWORD = "a password of the tests"
Act = Callable[[AbstractChannel, str, str], Awaitable[object]]


@pytest.fixture(scope="module")
async def users(rabbitmq: Rabbitmq) -> AsyncIterator[dict[str, str]]:
    """A virtual host with the shipped topology; the address of each service's own user."""
    assert rabbitmq.control is not None
    async with rabbitmq.virtual_host() as url:
        await declare(url, SUBSCRIPTIONS)
        parts, mark = urlsplit(url), uuid4().hex[:8]
        addresses = {}
        for service in SERVICES:
            user, allowed = f"peerly_test_{mark}_{service}", rights(service)
            await rabbitmq.control("add_user", user, PASSWORD)
            may = (allowed["configure"], allowed["write"], allowed["read"])
            await rabbitmq.control("set_permissions", "-p", parts.path[1:], user, *may)
            place = f"{user}:{quote(PASSWORD)}@{parts.hostname}:{parts.port}"
            addresses[service] = urlunsplit(parts._replace(netloc=place))
        yield addresses
        for service in SERVICES:
            await rabbitmq.control("delete_user", f"peerly_test_{mark}_{service}")


@asynccontextmanager
async def channel_on(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(url)
    try:
        yield await connection.channel(on_return_raises=True)
    finally:
        await connection.close()


async def publish(channel: AbstractChannel, exchange: str, key: str, user_id: str | None = None) -> object:
    message = aio_pika.Message(b"{}", user_id=user_id)
    if not exchange:
        return await channel.default_exchange.publish(message, key)
    return await (await channel.get_exchange(exchange, ensure=False)).publish(message, key)


async def consume(channel: AbstractChannel, name: str) -> object:
    async def take(message: AbstractIncomingMessage) -> None:
        await message.ack()

    return await (await channel.get_queue(name, ensure=False)).consume(take)


async def with_queue(channel: AbstractChannel, name: str, act: str, *arguments: str) -> object:
    queue = await channel.get_queue(name, ensure=False)
    return await getattr(queue, act)(*arguments)


ATTACKS: dict[str, Act] = {
    "publishes as another": lambda channel, _, other: publish(channel, exchange_of(other), "UserJoined.v1"),
    "publishes to another's queue": lambda channel, _, other: publish(channel, "", queue_of(other)),
    "publishes to its own queue": lambda channel, own, _: publish(channel, "", queue_of(own)),
    "buries for another": lambda channel, _, other: publish(channel, dead_of(other), ""),
    "signs as another user": lambda channel, own, _: publish(channel, exchange_of(own), "x", user_id="guest"),
    "consumes another's events": lambda channel, _, other: consume(channel, queue_of(other)),
    "consumes another's dead": lambda channel, _, other: consume(channel, dead_of(other)),
    "gets another's events": lambda channel, _, other: with_queue(channel, queue_of(other), "get"),
    "purges another's events": lambda channel, _, other: with_queue(channel, queue_of(other), "purge"),
    "binds its queue to another": lambda channel, own, other: with_queue(
        channel, queue_of(own), "bind", exchange_of(other), "#"
    ),
    "unbinds its queue": lambda channel, own, other: with_queue(
        channel, queue_of(own), "unbind", exchange_of(other), "#"
    ),
    "declares a queue": lambda channel, own, _: channel.declare_queue(f"{own}.of-my-own"),
    "declares an exchange": lambda channel, own, _: channel.declare_exchange(f"peerly.{own}.more"),
    "deletes its queue": lambda channel, own, _: channel.queue_delete(queue_of(own)),
    "deletes another's queue": lambda channel, _, other: channel.queue_delete(queue_of(other)),
    "deletes its exchange": lambda channel, own, _: channel.exchange_delete(exchange_of(own)),
    "reads what nobody takes": lambda channel, *_: consume(channel, "unrouted"),
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_s39_the_broker_refuses(users: dict[str, str], attack: Act, service: str) -> None:
    for other in SERVICES:
        if other != service:
            async with channel_on(users[service]) as channel:
                with pytest.raises((ChannelAccessRefused, ChannelPreconditionFailed)):
                    await attack(channel, service, other)


@pytest.mark.parametrize("service", SERVICES)
async def test_s39_a_service_comes_into_no_other_virtual_host(users: dict[str, str], service: str) -> None:
    elsewhere = urlunsplit(urlsplit(users[service])._replace(path="/%2f"))
    with pytest.raises((AMQPError, ConnectionError)):
        await aio_pika.connect(elsewhere, timeout=5)


@pytest.mark.parametrize("service", SERVICES)
async def test_s39_its_own_part_is_allowed(users: dict[str, str], service: str) -> None:
    bus, stop, seen = RabbitBus(users[service]), asyncio.Event(), list[bytes]()

    async def keep(body: bytes, _: str) -> None:
        seen.append(body)

    async def handle(_: object) -> None:
        """Nothing is there to be handled."""

    assert await bus.bury(service, b"{}", "a test")
    assert await bus.exhume(service, keep) == 1
    with pytest.raises(Unroutable):
        await bus.publish(Message(uuid4(), service, "NobodyDeclaredThis.v1", b"{}"))
    stop.set()
    await bus.consume(service, handle, stop)
    await bus.close()
    assert seen == [b"{}"]


def test_s40_the_definitions_have_no_guest_and_no_tags() -> None:
    who = ("admin", *SERVICES)
    made = definitions("peerly", dict.fromkeys(who, "secret"), dict.fromkeys(who, b"salt"))
    assert {user["name"] for user in made["users"]} == {f"peerly_{one}" for one in who}
    assert not any(user["tags"] for user in made["users"])
    assert {one["vhost"] for one in made["permissions"]} == {"peerly"}
    for service in SERVICES:
        [may] = [one for one in made["permissions"] if one["user"] == f"peerly_{service}"]
        others = [name for other in SERVICES if other != service for name in (exchange_of(other), dead_of(other))]
        assert may["configure"] == "^$"
        assert not [name for name in (*others, "", "amq.topic", "unrouted") if re.search(may["write"], name)]
        assert not [
            name for name in map(queue_of, SERVICES) if re.search(may["read"], name) and name != queue_of(service)
        ]


def test_s40_compose_publishes_the_gateway_alone() -> None:
    """Broker, port mapper and distribution stay on the loopback address of their own container."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["gateway"]
    broker = compose["services"]["rabbitmq"]
    assert broker["environment"]["ERL_EPMD_ADDRESS"] == "127.0.0.1"
    assert "inet_dist_use_interface {127,0,0,1}" in broker["environment"]["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    assert broker["networks"] == ["data"]
    assert compose["networks"]["data"] == {"internal": True}
    settings = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()
    assert re.findall(r"^listeners\.\S+ = (\d+)$", settings, re.MULTILINE) == ["5672"]
    assert "management" not in settings
