"""`python -m services doctor` on a sound installation, and with exactly one thing broken in the broker at a time."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel

from deploy.broker import rights
from services.catalogue import SUBSCRIPTIONS
from services.doctor import bindings, examine
from services.doctor.broker import queues
from services.doctor.place import Broker
from shared.bus import topology
from shared.bus.connection import close, connect
from tests.support import doctored
from tests.support.doctored import InstalledWithBroker
from tests.support.ports import free_port
from tests.support.servers import Rabbitmq
from tests.support.servers_rabbitmq import PrivateRabbitmq

LISTED = "and their bindings as declared"


@pytest.fixture(scope="module")
async def installed(rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InstalledWithBroker]:
    async with doctored.installed_with_broker(tmp_path_factory.mktemp("doctor"), rabbitmq) as made:
        yield made


async def test_everything_is_well_and_the_command_says_so(installed: InstalledWithBroker, tmp_path: Path) -> None:
    code, text = await installed.cli("--bindings", "-", given=await installed.listing())
    assert code == 0, text
    assert [line[:5] for line in text.splitlines()] == ["OK   "] * 17
    assert LISTED in text
    (tmp_path / "bindings.json").write_text(await installed.listing())
    code, text = await installed.cli("--json", "--bindings", str(tmp_path / "bindings.json"))
    found = json.loads(text)
    assert (code, found["ok"], len(found["checks"])) == (0, True, 17)
    assert {name for check in found["checks"] for name in check} == {"check", "ok", "says", "todo"}


@pytest.mark.parametrize("given", ["", "{}", "[1]", "[{}]"])
async def test_what_is_no_listing_is_refused(installed: InstalledWithBroker, given: str) -> None:
    assert await installed.cli("--bindings", "-", given=given) == (2, "")


Work = Callable[[AbstractChannel], Awaitable[object]]


async def on_broker(broker: Broker, work: Work) -> None:
    connection = await connect(broker.admin, 5)
    try:
        await work(await connection.channel())
    finally:
        await close(connection)


async def without_queue(channel: AbstractChannel) -> None:
    await channel.queue_delete("quota.events")


async def with_other_limits(channel: AbstractChannel) -> None:
    await channel.queue_delete("quota.events")
    await channel.declare_queue("quota.events", durable=True, arguments={"x-queue-type": "quorum"})


def unbinding(queue: str, exchange: str, key: str) -> Work:
    async def work(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).unbind(exchange, key)

    return work


def binding(queue: str, exchange: str, key: str) -> Work:
    async def work(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).bind(exchange, key)

    return work


async def without_exchange(channel: AbstractChannel) -> None:
    await channel.exchange_delete("peerly.quota")


async def with_a_dead_letter(channel: AbstractChannel) -> None:
    await channel.default_exchange.publish(Message(b"dead"), "dead.quota")


async def emptied(channel: AbstractChannel) -> None:
    await (await channel.get_queue("dead.quota", ensure=False)).purge()


TO_QUOTA = ("quota.events", "peerly.recognition", "Hi5Spent.v1")
TO_ALL = ("quota.events", "peerly.auth", "UserJoined.v1")
REPLAYS = ("quota.events", "peerly.auth", "replay.quota")
DEAD = ("dead.quota", "dead.quota", "")
ANOTHERS = ("quota.events", "peerly.moderation", "#")


@pytest.mark.parametrize(
    ("check", "broken", "mended", "says"),
    [
        ("queues", without_queue, None, "queue quota.events is missing"),
        ("queues", with_other_limits, without_queue, "queue quota.events differs"),
        ("queues", without_exchange, None, "exchange peerly.quota is missing"),
        ("queues", unbinding(*TO_QUOTA), None, "quota.events lacks Hi5Spent.v1 of peerly.recognition"),
        ("queues", unbinding(*TO_ALL), None, "quota.events lacks UserJoined.v1 of peerly.auth"),
        ("queues", unbinding(*REPLAYS), None, "quota.events lacks replay.quota of peerly.auth"),
        ("queues", unbinding(*DEAD), None, "dead.quota lacks what comes of dead.quota"),
        ("queues", binding(*ANOTHERS), unbinding(*ANOTHERS), "quota.events should not get # of peerly.moderation"),
        ("dead letters", with_a_dead_letter, emptied, "1 in dead.quota"),
    ],
)
async def test_what_is_broken_in_the_broker_is_said_in_its_line_alone(
    installed: InstalledWithBroker, check: str, broken: Work, mended: Work | None, says: str
) -> None:
    await on_broker(installed.broker, broken)
    await installed.only(check, says)
    if mended is not None:
        await on_broker(installed.broker, mended)
    await installed.declared()
    await installed.well()


async def test_what_the_doctor_counts_in_dead_queues_the_tool_for_it_lists(installed: InstalledWithBroker) -> None:
    """With the same addresses, which name neither the virtual host's administrator nor the services' users."""
    assert "given up by the broker" not in await listed(installed)
    await on_broker(installed.broker, with_a_dead_letter)
    found = re.search(r"^(\d+) .*given up by the broker", await listed(installed), re.MULTILINE)
    assert found is not None
    code, _ = await installed.cli("quota", "drop", found[1], tool="dead")
    assert (code, "given up by the broker" in await listed(installed)) == (0, False)


async def listed(installed: InstalledWithBroker) -> str:
    code, text = await installed.cli("list", tool="dead")
    assert code == 0, text
    return text


async def test_without_a_listing_a_type_that_no_queue_takes_is_found(
    installed: InstalledWithBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`rabbitmqctl` is not to be had here."""
    monkeypatch.setenv("PATH", str(tmp_path))
    sound = await queues(installed.broker)
    assert (sound.ok, LISTED in sound.says, "not listed" in sound.says) == (True, False, True)
    await on_broker(installed.broker, unbinding(*TO_QUOTA))
    assert (await queues(installed.broker)).says == "no queue takes Hi5Spent.v1 of recognition"
    await installed.declared()
    assert await queues(installed.broker) == sound


async def test_rabbitmqctl_is_asked_where_it_reaches_this_broker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with PrivateRabbitmq(tmp_path / "rabbitmq") as own:
        _put_on_path(own, tmp_path / "bin", monkeypatch)
        broker = Broker(own.url, {})
        await topology.declare(own.url, SUBSCRIPTIONS)
        sound = await queues(broker)
        assert (sound.ok, LISTED in sound.says) == (True, True)
        await on_broker(broker, unbinding(*TO_ALL))
        assert (await queues(broker)).says == "quota.events lacks UserJoined.v1 of peerly.auth"
        await topology.declare(own.url, SUBSCRIPTIONS)
        assert await queues(broker) == sound
        elsewhere = own.url.replace(f":{own.port}", f":{free_port()}")
        assert await bindings.listed(own.url) is not None
        assert await bindings.listed(elsewhere) is None
        assert await bindings.listed(own.url.replace("127.0.0.1", "broker.example")) is None


def _put_on_path(own: PrivateRabbitmq, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `rabbitmqctl`, the one that reaches this private broker."""
    folder.mkdir()
    told = " ".join(shlex.quote(f"{name}={value}") for name, value in own._environment().items())
    script = folder / "rabbitmqctl"
    program = f"{shutil.which('env')} -i {told} {own._scripts / 'rabbitmqctl'} --node {own._node}"
    script.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_the_management_api_lists_the_same() -> None:
    """In its own words, with what every queue has by its name and what goes from exchange to exchange."""
    rows = [
        {"source": "peerly.auth", "vhost": "peerly", "destination": "quota.events", "destination_type": "queue",
         "routing_key": "UserJoined.v1", "arguments": {}, "properties_key": "UserJoined.v1"},
        {"source": "", "vhost": "peerly", "destination": "quota.events", "destination_type": "queue",
         "routing_key": "quota.events", "arguments": {}, "properties_key": "quota.events"},
        {"source": "peerly.auth", "vhost": "peerly", "destination": "copy", "destination_type": "exchange",
         "routing_key": "#", "arguments": {}, "properties_key": "%23"},
    ]  # fmt: skip
    assert bindings.parse(json.dumps(rows)) == {("peerly.auth", "quota.events", "UserJoined.v1")}


@pytest.mark.parametrize(
    ("rights_of_quota", "says"),
    [
        ({"write": ".*"}, "quota's user may publish as auth"),
        ({"read": ".*"}, "quota's user may read auth.events"),
        ({"configure": "doctor.*"}, "quota's user may declare queues"),
        ({"write": "^$"}, "quota's user may not publish"),
        ({"read": "^$"}, "quota's user may not read quota.events"),
    ],
)
async def test_a_user_of_the_broker_with_other_rights_is_found(
    installed: InstalledWithBroker, rights_of_quota: dict[str, str], says: str
) -> None:
    await installed.permit("quota", **{**rights("quota"), **rights_of_quota})
    await installed.only("broker users", says)
    await installed.permit("quota", **rights("quota"))
    await installed.well()


async def test_a_broker_that_is_away_is_said(installed: InstalledWithBroker) -> None:
    nowhere = Broker("amqp://127.0.0.1:1/", {})
    found = {line.check: line for line in await examine(replace(installed.place, broker=nowhere))}
    assert not found["broker"].ok
    assert "cannot be reached" in found["broker"].says
