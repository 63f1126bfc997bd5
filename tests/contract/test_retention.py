"""What is kept for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from shared.bus import InProcessBus
from shared.retention import clean
from tests.contract.conftest import network_on
from tests.contract.station import SUBSCRIPTIONS, Station, changed
from tests.support.databases import ScratchDatabase

NOW = datetime(2026, 6, 1, tzinfo=UTC)


async def test_each_kind_of_row_lives_as_long_as_it_should(scratch: ScratchDatabase) -> None:
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station = network.publisher
        await station.record(*(changed(number) for number in range(3)))
        await network.administer(
            f"""
            SET search_path = recognition;
            UPDATE outbox SET position = id, sent_at = '{NOW - timedelta(days=31)}' WHERE id = 1;
            UPDATE outbox SET position = id, sent_at = '{NOW - timedelta(days=29)}' WHERE id = 2;
            INSERT INTO inbox (event_id, type, received_at) VALUES
                (gen_random_uuid(), 'old', '{NOW - timedelta(days=46)}'),
                (gen_random_uuid(), 'new', '{NOW - timedelta(days=44)}');
            INSERT INTO idempotency_keys (org_id, caller, route, key, body_hash, created_at) VALUES
                (1, 'a', 'b', 'old', '', '{NOW - timedelta(hours=49)}'),
                (2, 'a', 'b', 'old', '', '{NOW - timedelta(hours=49)}'),
                (2, 'a', 'b', 'new', '', '{NOW - timedelta(hours=47)}');
            INSERT INTO revocations (credential, version, expires_at) VALUES
                ('jti:old', 1, '{NOW - timedelta(seconds=1)}'), ('jti:new', 1, '{NOW + timedelta(seconds=1)}');
            """
        )
        taken = await clean(station.database, NOW)
        assert list(taken.values()) == [1, 1, 2, 1]
        assert await kept(station, "SELECT id FROM outbox ORDER BY id") == [2, 3]
        assert await kept(station, "SELECT id FROM outbox_archive") == [1]
        assert await kept(station, "SELECT type FROM inbox") == ["new"]
        assert await kept(station, "SELECT credential FROM revocations") == ["jti:new"]
        async with station.database.transaction(2) as tx:
            assert [row["key"] for row in await tx.fetch("SELECT key FROM idempotency_keys")] == ["new"]
        assert list((await clean(station.database, NOW)).values()) == [0, 0, 0, 0]


FORBIDDEN = (
    "DELETE FROM outbox",
    "UPDATE outbox SET data = '{}'",
    "UPDATE outbox SET org_id = 2",
    "TRUNCATE outbox",
    "DELETE FROM outbox_archive",
    "UPDATE outbox_archive SET data = '{}'",
    "INSERT INTO outbox_archive SELECT * FROM outbox",
    "UPDATE outbox_epoch SET epoch = 0",
)


async def test_service_cannot_change_what_it_has_said(scratch: ScratchDatabase) -> None:
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        for statement in FORBIDDEN:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await network.publisher.value(statement)


async def kept(station: Station, query: str) -> list[object]:
    async with station.database.connection() as connection:
        return [row[0] for row in await connection.fetch(query)]
