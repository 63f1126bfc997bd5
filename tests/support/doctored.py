"""An installation for the doctor: sound until a test breaks one thing, and nobody at work."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from deploy.broker import EVERYONE, SERVICES, definitions, user_name
from services import secrets as kept_secrets
from services.auth.commands.keys import ensure_key
from services.auth.keys import Vault
from services.catalogue import SUBSCRIPTIONS
from services.connections import role_addresses
from services.doctor import bindings, examine
from services.doctor.bindings import COLUMNS
from services.doctor.place import Broker, Place
from services.migrations import migrate_all
from services.processes import ProcessSettings
from services.processes.broker import url_of
from services.processes.system import name_in_broker
from shared.bus import topology
from shared.clock import utc_now
from shared.database import Database
from shared.embedded_postgres import EmbeddedPostgres
from shared.identity.principal import SYSTEM_ORGANISATION
from tests.support.installation import ROOT
from tests.support.processes import import_definitions, remove_users
from tests.support.servers import Rabbitmq
from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Installed:
    """A migrated database of its own in a data folder, without a broker."""

    place: Place

    async def now(self) -> Place:
        """Where the doctor looks."""
        return self.place

    async def wrong(self) -> dict[str, str]:
        return {line.check: line.says for line in await examine(await self.now()) if not line.ok}

    async def only(self, check: str, says: str) -> None:
        """Waits for it: a reloaded configuration takes a moment."""

        async def said() -> None:
            found = await self.wrong()
            assert set(found) == {check}, found
            assert says in found[check]

        await eventually(said, within=20)

    async def well(self) -> None:
        async def said() -> None:
            assert await self.wrong() == {}

        await eventually(said, within=20)

    async def sql(self, *statements: str) -> None:
        admin = await asyncpg.connect(self.place.addresses.admin)
        try:
            for statement in statements:
                await admin.execute(statement)
        finally:
            await admin.close()

    def told(self) -> dict[str, str]:
        """The environment in which an operator starts the doctor."""
        return {"PEERLY_DATA_DIR": str(self.place.folder), "DATABASE_URL": "", "AMQP_URL": ""}

    async def cli(self, *words: str, given: str = "", tool: str = "doctor") -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", tool, *words, cwd=ROOT, env={**os.environ, **self.told()},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(given.encode()), 90)
        assert process.returncode is not None
        return process.returncode, out.decode()


@dataclass(frozen=True, slots=True)
class InstalledWithBroker(Installed):
    """And with a virtual host that has its users, exchanges and queues."""

    rabbitmq: Rabbitmq
    vhost: str

    @property
    def broker(self) -> Broker:
        assert self.place.broker is not None
        return self.place.broker

    async def now(self) -> Place:
        return replace(self.place, broker=replace(self.broker, bindings=bindings.parse(await self.listing())))

    async def listing(self) -> str:
        """The bindings, as somebody lists them who may."""
        assert self.rabbitmq.control is not None
        return await self.rabbitmq.control("list_bindings", "-p", self.vhost, "--formatter", "json", *COLUMNS)

    async def declared(self) -> None:
        await topology.declare(self.broker.admin, SUBSCRIPTIONS)

    async def permit(self, who: str, *, write: str, read: str, configure: str) -> None:
        patterns = ", ".join(f'<<"{pattern}">>'.replace("\\", "\\\\") for pattern in (configure, write, read))
        name = user_name(self.vhost, who)
        assert self.rabbitmq.control is not None
        await self.rabbitmq.control(
            "eval",
            f'rabbit_auth_backend_internal:set_permissions(<<"{name}">>, <<"{self.vhost}">>, {patterns}, <<"tests">>).',
        )

    def told(self) -> dict[str, str]:
        place = urlsplit(self.rabbitmq.url)
        address = f"amqp://{place.hostname}:{place.port or 5672}"
        return {**Installed.told(self), "AMQP_URL": address, "PEERLY_BROKER_VHOST": self.vhost}


@asynccontextmanager
async def installed(folder: Path) -> AsyncIterator[Installed]:
    kept = kept_secrets.load_or_make(folder, ["secret", *SERVICES])
    async with EmbeddedPostgres(folder / "postgres") as server:
        passwords = {service: kept[service] for service in SERVICES}
        await migrate_all(server.url, passwords)
        made = Installed(Place(folder, role_addresses(server.url, passwords), None))
        await _sign(made, kept["secret"])
        yield made


@asynccontextmanager
async def installed_with_broker(folder: Path, rabbitmq: Rabbitmq) -> AsyncIterator[InstalledWithBroker]:
    vhost = f"peerly_test_{secrets.token_hex(5)}"
    kept = kept_secrets.load_or_make(folder, map(name_in_broker, EVERYONE))
    async with installed(folder) as made:
        try:
            urls = await _users(rabbitmq, vhost, {who: kept[name_in_broker(who)] for who in EVERYONE})
            broker = Broker(urls["admin"], {service: urls[service] for service in SERVICES})
            complete = InstalledWithBroker(replace(made.place, broker=broker), rabbitmq, vhost)
            await complete.declared()
            yield complete
        finally:
            await remove_users(vhost, rabbitmq)


async def _users(rabbitmq: Rabbitmq, vhost: str, passwords: dict[str, str]) -> dict[str, str]:
    place = urlsplit(rabbitmq.url)
    settings = ProcessSettings(data_dir=Path(), broker_url=f"amqp://{place.hostname}:{place.port or 5672}", vhost=vhost)
    await import_definitions(rabbitmq, json.dumps(definitions(vhost, passwords, dict.fromkeys(EVERYONE, b"salt"))))
    return {who: url_of(settings, who, passwords[who]) for who in EVERYONE}


async def _sign(made: Installed, secret: str) -> None:
    """A key that everybody knows, as after a first start."""
    database = await Database.connect(made.place.addresses.services["auth"], schema="auth", size=1)
    async with database.transaction(SYSTEM_ORGANISATION) as tx:
        await ensure_key(tx, Vault(secret), utc_now())
    await database.close()
    await made.sql(
        "UPDATE auth.outbox SET sent_at = now()",
        *(f"INSERT INTO {name}.signing_keys SELECT * FROM auth.signing_keys" for name in SERVICES if name != "auth"),
    )
