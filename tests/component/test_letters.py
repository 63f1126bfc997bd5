"""A database knows the cases of all letters, also on a server whose own locale is C."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.doctor.servers import letters
from services.processes.database import create_if_missing
from services.processes.settings import ProcessSettings
from tests.support.servers_postgres import PrivatePostgres

pytestmark = pytest.mark.fault


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    async with PrivatePostgres(tmp_path / "postgres") as private:
        connection = await asyncpg.connect(private.url)
        await connection.execute("UPDATE pg_database SET datcollate = 'C', datctype = 'C' WHERE datname = 'template0'")
        await connection.execute("CREATE DATABASE as_the_server_is TEMPLATE template0 ENCODING 'UTF8'")
        await connection.close()
        yield private.url


async def connected(server: str, name: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(urlunsplit(urlsplit(server)._replace(path=f"/{name}")))


async def test_a_database_of_our_making_knows_the_cases_of_letters(server: str, tmp_path: Path) -> None:
    url = urlunsplit(urlsplit(server)._replace(path="/made"))
    await create_if_missing(ProcessSettings(data_dir=tmp_path, database_url=url))
    connection = await connected(server, "made")
    assert await connection.fetchval("SELECT lower('СПАСИБО É')") == "спасибо é"
    assert (await letters(connection)).ok
    await connection.close()


async def test_the_doctor_tells_of_one_that_does_not(server: str) -> None:
    connection = await connected(server, "as_the_server_is")
    line = await letters(connection)
    assert (line.ok, line.says) == (False, "locale C: a search for é does not find É")
    assert "LC_CTYPE" in line.todo
    await connection.close()
