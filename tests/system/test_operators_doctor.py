"""`python -m services doctor` on a sound installation, and with exactly one thing broken at a time."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel

from deploy.broker import EVERYONE, SERVICES, definitions, rights, user_name
from services import secrets as kept_secrets
from services.auth.commands.keys import ensure_key
from services.auth.keys import Vault
from services.catalogue import SUBSCRIPTIONS
from services.connections import role_addresses
from services.doctor import examine
from services.doctor.place import Broker, Place
from services.doctor.servers import REMEDY
from services.migrations import migrate_all
from services.processes import ProcessSettings
from services.processes.broker import url_of
from services.processes.system import name_in_broker
from services.quota.app import SERVICE as QUOTA
from shared.bus import topology
from shared.bus.connection import close, connect
from shared.clock import utc_now
from shared.database import Database
from shared.embedded_postgres import EmbeddedPostgres
from shared.identity.principal import SYSTEM_ORGANISATION
from shared.migrate import read
from tests.support.installation import ROOT
from tests.support.processes import import_definitions, remove_users
from tests.support.servers import Rabbitmq
from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Installed:
    """A migrated database of its own in a data folder, a virtual host with users, and nobody at work."""

    place: Place
    rabbitmq: Rabbitmq
    vhost: str

    async def wrong(self) -> dict[str, str]:
        return {line.check: line.says for line in await examine(self.place) if not line.ok}

    async def sql(self, *statements: str) -> None:
        admin = await asyncpg.connect(self.place.addresses.admin)
        try:
            for statement in statements:
                await admin.execute(statement)
        finally:
            await admin.close()

    async def permit(self, who: str, *, write: str, read: str, configure: str) -> None:
        patterns = ", ".join(f'<<"{pattern}">>'.replace("\\", "\\\\") for pattern in (configure, write, read))
        name = user_name(self.vhost, who)
        assert self.rabbitmq.control is not None
        await self.rabbitmq.control(
            "eval",
            f'rabbit_auth_backend_internal:set_permissions(<<"{name}">>, <<"{self.vhost}">>, {patterns}, <<"tests">>).',
        )

    async def declared(self) -> None:
        assert self.place.broker is not None
        await topology.declare(self.place.broker.admin, SUBSCRIPTIONS)

    async def cli(self, *words: str) -> tuple[int, str]:
        broker = urlsplit(self.rabbitmq.url)
        told = {
            **os.environ,
            "PEERLY_DATA_DIR": str(self.place.folder),
            "AMQP_URL": f"amqp://{broker.hostname}:{broker.port or 5672}",
            "PEERLY_BROKER_VHOST": self.vhost,
            "DATABASE_URL": "",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", "doctor", *words, cwd=ROOT, env=told, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode()


@pytest.fixture(scope="module")
async def installed(rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installed]:
    folder, vhost = tmp_path_factory.mktemp("doctor"), f"peerly_test_{secrets.token_hex(5)}"
    kept = kept_secrets.load_or_make(folder, ["secret", *SERVICES, *map(name_in_broker, EVERYONE)])
    async with EmbeddedPostgres(folder / "postgres") as server:
        passwords = {service: kept[service] for service in SERVICES}
        await migrate_all(server.url, passwords)
        where = role_addresses(server.url, passwords)
        try:
            urls = await _broker(rabbitmq, vhost, {who: kept[name_in_broker(who)] for who in EVERYONE})
            broker = Broker(urls["admin"], {service: urls[service] for service in SERVICES})
            made = Installed(Place(folder, where, broker), rabbitmq, vhost)
            await made.declared()
            await _sign(made, kept["secret"])
            yield made
        finally:
            await remove_users(vhost, rabbitmq)


async def _broker(rabbitmq: Rabbitmq, vhost: str, passwords: dict[str, str]) -> dict[str, str]:
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


async def test_everything_is_well_and_the_command_says_so(installed: Installed) -> None:
    code, text = await installed.cli()
    assert code == 0, text
    assert [line[:5] for line in text.splitlines()] == ["OK   "] * 16
    code, text = await installed.cli("--json")
    found = json.loads(text)
    assert (code, found["ok"], len(found["checks"])) == (0, True, 16)
    assert {name for check in found["checks"] for name in check} == {"check", "ok", "says", "todo"}


async def only(installed: Installed, check: str, says: str) -> None:
    """A reloaded configuration takes a moment."""

    async def said() -> None:
        found = await installed.wrong()
        assert set(found) == {check}, found
        assert says in found[check]

    await eventually(said, within=20)


async def well(installed: Installed) -> None:
    async def said() -> None:
        assert await installed.wrong() == {}

    await eventually(said, within=20)


FIRST = read(QUOTA.migrations, QUOTA.shared_parts)[0]
TABLES = [
    ("durability", "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM RESET fsync", "fsync is off"),
    (
        "durability",
        "ALTER SYSTEM SET full_page_writes = off",
        "ALTER SYSTEM RESET full_page_writes",
        "full_page_writes is off",
    ),
    (
        "durability",
        "ALTER DATABASE postgres SET synchronous_commit = off",
        "ALTER DATABASE postgres RESET synchronous_commit",
        "synchronous_commit is off",
    ),
    (
        "durability",
        "ALTER ROLE peerly_quota SET synchronous_commit = off",
        "ALTER ROLE peerly_quota RESET synchronous_commit",
        "peerly_quota has synchronous_commit=off of its own",
    ),
    (
        "clocks",
        """
        CREATE SCHEMA skewed;
        CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql
            RETURN pg_catalog.clock_timestamp() + interval '7 seconds';
        ALTER DATABASE postgres SET search_path = skewed, pg_catalog
        """,
        "ALTER DATABASE postgres RESET search_path; DROP SCHEMA skewed CASCADE",
        "7.0 s away",
    ),
    ("roles", "ALTER ROLE peerly_auth SUPERUSER", "ALTER ROLE peerly_auth NOSUPERUSER", "peerly_auth is a superuser"),
    (
        "roles",
        "ALTER ROLE peerly_quota BYPASSRLS",
        "ALTER ROLE peerly_quota NOBYPASSRLS",
        "bypasses row-level security",
    ),
    ("roles", "ALTER ROLE peerly_quota_owner LOGIN", "ALTER ROLE peerly_quota_owner NOLOGIN", "owner may log in"),
    (
        "roles",
        "GRANT peerly_auth_owner TO peerly_moderation",
        "REVOKE peerly_auth_owner FROM peerly_moderation",
        "peerly_moderation is a member of peerly_auth_owner",
    ),
    (
        "roles",
        "ALTER TABLE quota.policies OWNER TO peerly_quota",
        "ALTER TABLE quota.policies OWNER TO peerly_quota_owner",
        "peerly_quota owns relation quota.policies",
    ),
    (
        "roles",
        "GRANT USAGE ON SCHEMA auth TO peerly_quota",
        "REVOKE USAGE ON SCHEMA auth FROM peerly_quota",
        "peerly_quota has too many rights in schema auth",
    ),
    (
        "row security",
        "ALTER TABLE recognition.hi5s NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE recognition.hi5s FORCE ROW LEVEL SECURITY",
        "recognition.hi5s is open",
    ),
    (
        "row security",
        "CREATE TABLE quota.later (org_id bigint)",
        "DROP TABLE quota.later",
        "quota.later is open",
    ),
    (
        "migrations",
        f"DELETE FROM quota.schema_migrations WHERE name = '{FIRST.name}'",
        f"INSERT INTO quota.schema_migrations VALUES ('{FIRST.name}', '{FIRST.checksum}')",
        f"quota: {FIRST.name} is pending",
    ),
    (
        "migrations",
        "INSERT INTO quota.schema_migrations VALUES ('own/9999_later.sql', '')",
        "DELETE FROM quota.schema_migrations WHERE name = 'own/9999_later.sql'",
        "quota: own/9999_later.sql is newer than this software",
    ),
    (
        "migrations",
        "UPDATE quota.schema_migrations SET checksum = 'x' || checksum WHERE name = 'shared/0001_messaging.sql'",
        "UPDATE quota.schema_migrations SET checksum = substr(checksum, 2) WHERE name = 'shared/0001_messaging.sql'",
        "quota: shared/0001_messaging.sql was edited",
    ),
    (
        "gaps",
        """
        INSERT INTO quota.inbox_positions (publisher, type, epoch, positions, head, missing, missing_since)
        VALUES ('recognition', 'Hi5Spent.v1', 1, '{[1,4)}', 9, 4, now() - interval '40 seconds')
        """,
        "DELETE FROM quota.inbox_positions",
        "quota misses recognition's Hi5Spent.v1 from 4 on (of 9)",
    ),
    (
        "outbox",
        """
        INSERT INTO recognition.outbox (org_id, type, subject, data, occurred_at)
        VALUES (1, 'RecognitionGiven.v1', 'recognition/1', '{}', now() - interval '1 minute')
        """,
        "DELETE FROM recognition.outbox",
        "1 of recognition, the oldest ",
    ),
    (
        "parked",
        """
        INSERT INTO quota.parked (event_id, type, body, waits_for, reason, tries, parked_at, next_try_at)
        VALUES (gen_random_uuid(), 'x', '', 'allowance:1:1', 'r', 0, now() - interval '1 minute', now())
        """,
        "DELETE FROM quota.parked",
        "1 in quota, such as allowance:1:1",
    ),
    ("dead", "INSERT INTO auth.dead (body, reason) VALUES ('x', 'y')", "DELETE FROM auth.dead", "1 in auth"),
    (
        "signing keys",
        "UPDATE auth.key_pairs SET signs_from = signs_from - interval '91 days'",
        "UPDATE auth.key_pairs SET signs_from = signs_from + interval '91 days'",
        "signs since 91 days",
    ),
    (
        "signing keys",
        "UPDATE auth.key_pairs SET created_at = now() - interval '2 minutes'; UPDATE quota.signing_keys SET kid = 'x'",
        "UPDATE quota.signing_keys SET kid = (SELECT kid FROM auth.key_pairs)",
        "quota does not know 1 of the keys",
    ),
    (
        "signing keys",
        "UPDATE auth.key_pairs SET not_after = 'infinity'",
        "UPDATE auth.key_pairs SET not_after = NULL",
        "there is none that signs",
    ),
]


@pytest.mark.parametrize(("check", "broken", "mended", "says"), TABLES, ids=[f"{row[0]}: {row[3]}" for row in TABLES])
async def test_what_is_broken_in_the_database_is_said_in_its_line_alone(
    installed: Installed, check: str, broken: str, mended: str, says: str
) -> None:
    await installed.sql(broken, "SELECT pg_reload_conf()")
    await only(installed, check, says)
    await installed.sql(mended, "SELECT pg_reload_conf()")
    await well(installed)


Channel = Callable[[AbstractChannel], Awaitable[object]]


async def on_broker(installed: Installed, work: Channel) -> None:
    assert installed.place.broker is not None
    connection = await connect(installed.place.broker.admin, 5)
    try:
        await work(await connection.channel())
    finally:
        await close(connection)


async def without_queue(channel: AbstractChannel) -> None:
    await channel.queue_delete("quota.events")


async def with_other_limits(channel: AbstractChannel) -> None:
    await channel.queue_delete("quota.events")
    await channel.declare_queue("quota.events", durable=True, arguments={"x-queue-type": "quorum"})


async def without_binding(channel: AbstractChannel) -> None:
    queue = await channel.get_queue("quota.events", ensure=False)
    await queue.unbind("peerly.recognition", "Hi5Spent.v1")


async def without_exchange(channel: AbstractChannel) -> None:
    await channel.exchange_delete("peerly.quota")


async def with_a_dead_letter(channel: AbstractChannel) -> None:
    await channel.default_exchange.publish(Message(b"dead"), "dead.quota")


async def emptied(channel: AbstractChannel) -> None:
    await (await channel.get_queue("dead.quota", ensure=False)).purge()


@pytest.mark.parametrize(
    ("check", "broken", "mended", "says"),
    [
        ("queues", without_queue, None, "queue quota.events is missing"),
        ("queues", with_other_limits, without_queue, "queue quota.events differs"),
        ("queues", without_binding, None, "no queue takes Hi5Spent.v1 of recognition"),
        ("queues", without_exchange, None, "exchange peerly.quota is missing"),
        ("dead letters", with_a_dead_letter, emptied, "1 in dead.quota"),
    ],
)
async def test_what_is_broken_in_the_broker_is_said_in_its_line_alone(
    installed: Installed, check: str, broken: Channel, mended: Channel | None, says: str
) -> None:
    await on_broker(installed, broken)
    await only(installed, check, says)
    if mended is not None:
        await on_broker(installed, mended)
    await installed.declared()
    await well(installed)


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
    installed: Installed, rights_of_quota: dict[str, str], says: str
) -> None:
    await installed.permit("quota", **{**rights("quota"), **rights_of_quota})
    await only(installed, "broker users", says)
    await installed.permit("quota", **rights("quota"))
    await well(installed)


async def test_a_setting_that_no_service_can_read_is_found(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("PEERLY_POOL_SIZE", "0")
        await only(installed, "configuration", "PEERLY_POOL_SIZE")
    await well(installed)


async def test_secrets_that_others_can_read_are_found(installed: Installed) -> None:
    file = installed.place.folder / kept_secrets.FILE
    file.chmod(0o644)
    await only(installed, "configuration", "can be read by others")
    code, text = await installed.cli()
    assert code == 1
    assert [line for line in text.splitlines() if line.startswith("WRONG")] == [
        f"WRONG configuration {file} can be read by others. To do: {REMEDY}"
    ]
    file.chmod(0o600)
    await well(installed)


async def test_servers_that_are_away_are_said(installed: Installed) -> None:
    nowhere = Broker("amqp://127.0.0.1:1/", {})
    found = {line.check: line for line in await examine(replace(installed.place, broker=nowhere))}
    assert not found["broker"].ok
    assert "cannot be reached" in found["broker"].says
    away = role_addresses("postgresql://127.0.0.1:1/postgres", dict.fromkeys(SERVICES, "x"))
    found = {line.check: line for line in await examine(Place(installed.place.folder, away, None))}
    assert [check for check, line in found.items() if not line.ok] == ["database"]


async def test_an_empty_folder_holds_no_installation(tmp_path: Path) -> None:
    told = {**os.environ, "PEERLY_DATA_DIR": str(tmp_path / "none"), "DATABASE_URL": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "doctor", cwd=ROOT, env=told, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert out.decode().startswith("WRONG installation  there is none in ")
    assert not (tmp_path / "none").exists()
