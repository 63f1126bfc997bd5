"""Keys that sign, changed while everybody works: no valid token is refused, no retired key is accepted (S13)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import random
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import aio_pika
import aiohttp
import asyncpg
import jwt
import pytest
from aio_pika.abc import AbstractQueue

from deploy.broker import ADMIN, SERVICES
from services.auth.keys import Vault
from services.processes import Processes
from services.secrets import FILE
from shared.bus.connection import connect
from shared.bus.topology import exchange_of
from tests.support.processes import running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.sessions import Sessions
from tests.support.waiting import eventually

pytestmark = pytest.mark.alone

CLIENTS = 8
TOKENS_KEPT = 12
BETWEEN = 0.02
ROTATIONS = 3
COMMAND_SECONDS = 30
SIGNS_WITHIN = 30
EVERYWHERE = dict.fromkeys(SERVICES, 200)
NOWHERE = dict.fromkeys(SERVICES, 401)
SESSION = "session"
SCOPES = ["review:recognition", "view:core_value", "view:profile", "view:quota"]
KINDS = {SESSION, "API key", "personal token", "access token"}


@dataclass(slots=True)
class Office:
    """Who runs the installation: its sessions, its keys' command line, and an ear on every exchange."""

    sessions: Sessions
    tap: AbstractQueue
    private: dict[str, bytes] = field(default_factory=dict)

    @property
    def system(self) -> Processes:
        return self.sessions.system

    @property
    def secret(self) -> str:
        return str(json.loads((self.system.settings.data_dir / FILE).read_text())["secret"])

    async def keys(self, *words: str) -> str:
        """What `python -m services.auth keys` says, as an operator calls it."""
        told = {**os.environ, "DATABASE_URL": self.system.database_url("auth"), "PEERLY_SECRET": self.secret}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.auth", "keys", *words,
            env=told, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
        assert process.returncode == 0, said.decode()
        await self.open_keys()
        return said.decode()

    async def open_keys(self) -> None:
        """Remembers the private halves of all keys that there are."""
        owner = await asyncpg.connect(self.system.settings.database_url)
        rows = await owner.fetch("SELECT kid, sealed FROM auth.key_pairs")
        await owner.close()
        vault = Vault(self.secret)
        self.private |= {row["kid"]: vault.open(row["kid"], row["sealed"]).private_bytes_raw() for row in rows}


@pytest.fixture(scope="module")
async def office(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    timeout = aiohttp.ClientTimeout(total=15)
    async with (
        running_system(postgres, rabbitmq, tmp_path_factory.mktemp("keys")) as system,
        aiohttp.ClientSession(timeout=timeout) as http,
        await connect(system.amqp_url(ADMIN), 5) as broker,
    ):
        begun = Office(Sessions(system, http), await _tap(await broker.channel()))
        await begun.sessions.begin()
        await begun.open_keys()
        yield begun


async def _tap(channel: aio_pika.abc.AbstractChannel) -> AbstractQueue:
    """A queue that gets a copy of everything that is published from now on."""
    queue = await channel.declare_queue(exclusive=True)
    for service in SERVICES:
        await queue.bind(exchange_of(service), "#")
    return queue


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@dataclass(slots=True)
class Load:
    """People who sign in and work, and programs; every answer counts by service, kind, key and status."""

    sessions: Sessions
    people: list[str]
    answers: Counter[tuple[str, str, str, int]] = field(default_factory=Counter)
    sign_ins: Counter[int] = field(default_factory=Counter)
    tokens: dict[tuple[str, str], deque[str]] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, kind: str, token: str) -> None:
        self.tokens.setdefault((kind, kid_of(token)), deque(maxlen=TOKENS_KEPT)).append(token)

    async def begin_programs(self) -> None:
        """A credential of each kind that programs have, signed by the key of the moment."""
        done, admin = self.sessions.done, self.sessions.admin
        body = {"name": "Program", "scopes": SCOPES}
        self.keep("API key", (await done("POST", "/api-keys", admin, body, 201))["key"])
        lasting = {**body, "expires_at": int(time.time()) + 3600}
        self.keep("personal token", (await done("POST", "/users/me/tokens", admin, lasting, 201))["token"])
        application = await done("POST", "/oauth/clients", admin, {**body, "redirect_uris": []}, 201)
        form = {name: application[name] for name in ("client_id", "client_secret")}
        url = self.sessions.system.service_url("auth") + "/oauth/token"
        async with self.sessions.http.post(url, data={**form, "grant_type": "client_credentials"}) as answer:
            assert answer.status == 200, await answer.text()
            self.keep("access token", (await answer.json())["access_token"])

    async def work(self, person: str) -> None:
        """Signs in again and again and shows old and new tokens around."""
        while not self.stop.is_set():
            body = {"access_token": self.sessions.email(person)}
            status, answer = await self.sessions.ask("auth", "POST", "/oauth/google", body=body)
            self.sign_ins[status] += 1
            if status == 200:
                self.keep(SESSION, answer["data"]["token"])
            for (kind, kid), kept in [(group, random.choice(several)) for group, several in self.tokens.items()]:
                for service, seen in (await self.sessions.statuses(kept)).items():
                    self.answers[service, kind, kid, seen] += 1
            await asyncio.sleep(BETWEEN)

    def accepted(self, kid: str) -> set[tuple[str, str]]:
        """The services that took a credential of this key, with its kind."""
        return {(service, kind) for service, kind, key, status in self.answers if (key, status) == (kid, 200)}

    def wrong(self) -> dict[str, int]:
        others = {str(key): count for key, count in self.answers.items() if key[3] != 200}
        return others | {f"sign-in {status}": count for status, count in self.sign_ins.items() if status != 200}


async def test_s13_three_rotations_under_load_refuse_no_valid_token(office: Office) -> None:
    sessions, everything = office.sessions, set(itertools.product(SERVICES, KINDS))
    load = Load(sessions, [f"client-{number}" for number in range(CLIENTS)])
    for person in load.people:
        await sessions.moderator(person)
    [first] = office.private
    await load.begin_programs()
    working = [asyncio.create_task(load.work(person)) for person in load.people]
    await eventually(lambda: load.accepted(first) == everything, within=SIGNS_WITHIN)
    rotated = [(await office.keys("rotate")).split()[0] for _ in range(ROTATIONS)]
    await eventually(lambda: (SESSION, rotated[-1]) in load.tokens, within=SIGNS_WITHIN)
    await load.begin_programs()
    await eventually(lambda: load.accepted(rotated[-1]) == everything, within=SIGNS_WITHIN)
    load.stop.set()
    await asyncio.gather(*working)
    assert load.wrong() == {}
    assert load.accepted(first) == everything
    assert load.answers.total() > 1_000
    assert [line.split()[0] for line in (await office.keys("list")).splitlines()] == [*reversed(rotated), first]
    for kind, kid in itertools.product(KINDS, (first, rotated[-1])):
        assert await sessions.statuses(load.tokens[kind, kid][-1]) == EVERYWHERE


async def test_s13_a_retired_key_is_refused_everywhere_within_a_second(office: Office) -> None:
    sessions = office.sessions
    await sessions.moderator("leaked")
    leaked = [await sessions.sign_in("leaked") for _ in range(5)]
    assert [await sessions.statuses(token) for token in leaked] == [EVERYWHERE] * 5
    kid = kid_of(leaked[0])
    await office.keys("retire", kid)
    deadline = time.monotonic() + 1
    await eventually(lambda: _refused(sessions, leaked[0]), within=1)
    await asyncio.sleep(max(0.0, deadline - time.monotonic()))
    for _ in range(10):
        assert [await sessions.statuses(token) for token in leaked] == [NOWHERE] * 5
    fresh = await sessions.sign_in("leaked")
    assert kid_of(fresh) != kid
    await eventually(lambda: _accepted(sessions, fresh), within=2)
    for service in SERVICES:
        await office.system.restart(service)
        assert [await sessions.status(service, token) for token in (leaked[0], fresh)] == [401, 200]


async def _refused(sessions: Sessions, token: str) -> bool:
    return await sessions.statuses(token) == NOWHERE


async def _accepted(sessions: Sessions, token: str) -> bool:
    return await sessions.statuses(token) == EVERYWHERE


async def test_s13_private_keys_are_in_no_log_no_event_no_queue_and_no_table(office: Office) -> None:
    """Of no key that these tests made; that each kid is found shows that the right places are looked through."""
    assert office.system.settings.logs is not None
    logs = {path.name: path.read_bytes() for path in office.system.settings.logs.iterdir()}
    places = {**logs, **await _messages(office.tap), **await _tables(office.system.settings.database_url)}
    assert any("outbox" in name for name in places)
    hidden = [needle for private in office.private.values() for needle in _spellings(private)]
    hidden += [office.secret.encode()]
    assert [name for name, text in places.items() if any(needle in text for needle in hidden)] == []
    for kid in office.private:
        told = [name for name, text in places.items() if kid.encode() in text]
        assert any(name.startswith("message") for name in told)
        assert any("outbox" in name for name in told)


def _spellings(private: bytes) -> Iterable[bytes]:
    """A key as it may be written down: its bytes, in hexadecimal, in both kinds of base64, as a list of numbers."""
    yield private
    yield private.hex().encode()
    yield private.hex().upper().encode()
    yield base64.b64encode(private).rstrip(b"=")
    yield base64.urlsafe_b64encode(private).rstrip(b"=")
    yield ", ".join(map(str, private)).encode()
    yield repr(private)[2:-1].encode()


async def _messages(tap: AbstractQueue) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    while (message := await tap.get(no_ack=True, fail=False)) is not None:
        found[f"message {len(found)}"] = message.body + repr(message.info()).encode()
    return found


async def _tables(url: str) -> dict[str, bytes]:
    """Every table of every schema as text."""
    owner = await asyncpg.connect(url)
    names = await owner.fetch(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
    )
    found = {}
    for row in names:
        text = await owner.fetchval(f"SELECT string_agg(one::text, ' ') FROM {row['name']} AS one")
        found[row["name"]] = (text or "").encode()
    await owner.close()
    return found
