"""`python -m services doctor` with exactly one thing broken in the settings or the database at a time."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.broker import SERVICES
from services import secrets
from services.connections import role_addresses
from services.doctor import examine
from services.doctor.place import Place
from services.doctor.servers import REMEDY
from services.quota.app import SERVICE as QUOTA
from shared.migrate import read
from tests.support import doctored
from tests.support.doctored import Installed
from tests.support.installation import ROOT


@pytest.fixture(scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installed]:
    async with doctored.installed(tmp_path_factory.mktemp("doctor")) as made:
        yield made


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
        "durability",
        "ALTER ROLE peerly_quota IN DATABASE postgres SET synchronous_commit = off",
        "ALTER ROLE peerly_quota IN DATABASE postgres RESET synchronous_commit",
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
    await installed.only(check, says)
    await installed.sql(mended, "SELECT pg_reload_conf()")
    await installed.well()


async def test_a_setting_that_no_service_can_read_is_found(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("PEERLY_POOL_SIZE", "0")
        await installed.only("configuration", "PEERLY_POOL_SIZE")
    await installed.well()


async def test_secrets_that_others_can_read_are_found(installed: Installed) -> None:
    file = installed.place.folder / secrets.FILE
    file.chmod(0o644)
    await installed.only("configuration", "can be read by others")
    code, text = await installed.cli()
    assert code == 1
    assert [line for line in text.splitlines() if line.startswith("WRONG")] == [
        f"WRONG configuration {file} can be read by others. To do: {REMEDY}"
    ]
    file.chmod(0o600)
    await installed.well()


async def test_a_database_that_is_away_is_said(installed: Installed) -> None:
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
