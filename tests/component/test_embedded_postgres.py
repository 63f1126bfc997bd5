"""The database that Peerly brings along: whatever is killed, the next start finds the data."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from shared.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from shared.embedded_postgres.cluster import embedded_binaries
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
OWNER = """
import asyncio, sys
from pathlib import Path
from shared.embedded_postgres import EmbeddedPostgres

async def own() -> None:
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(own())
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder below a parent that is closed to everybody else; no process may be left in it."""
    tmp_path.chmod(0o700)
    yield tmp_path / "data"
    await eventually(lambda: _at_work_in(tmp_path) == [])


def _at_work_in(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@asynccontextmanager
async def _connected(server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(server.url, timeout=5)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def _keep_word(server: EmbeddedPostgres) -> str:
    word = secrets.token_hex(8)
    async with _connected(server) as connection:
        await connection.execute(f"CREATE TABLE words AS SELECT '{word}'::text AS word")
    return word


async def _kept_word(server: EmbeddedPostgres) -> str:
    async with _connected(server) as connection:
        word: str = await connection.fetchval("SELECT word FROM words")
        return word


@asynccontextmanager
async def _killed_owner(folder: Path) -> AsyncIterator[int]:
    """The process of a server whose owner was killed the moment that it was ready."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(folder), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    server = int(await asyncio.wait_for(owner.stdout.readline(), 60))
    owner.kill()
    await owner.wait()
    yield server


async def test_data_outlives_a_stop_and_nothing_else_does(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        word = await _keep_word(server)
    assert _at_work_in(folder) == []
    assert not (folder / "cluster" / "postmaster.pid").exists()
    async with EmbeddedPostgres(folder) as server:
        assert await _kept_word(server) == word


async def test_server_is_utf8_with_checksums_and_listens_on_loopback_alone(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server, _connected(server) as connection:
        names = ("server_encoding", "data_checksums", "listen_addresses", "password_encryption")
        assert [await connection.fetchval(f"SHOW {name}") for name in names] == [
            "UTF8",
            "on",
            "127.0.0.1",
            "scram-sha-256",
        ]
        assert await connection.fetchval("SELECT datcollate FROM pg_database WHERE datname = 'template0'") == "C.UTF-8"


async def test_no_one_comes_in_without_the_password(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        kept = folder / "password"
        assert kept.stat().st_mode & 0o777 == 0o600
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url.replace(kept.read_text().strip(), "guessed"), timeout=5)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=str(folder), port=server.port, user="postgres", password="guessed", database="postgres", timeout=5
            )


async def test_path_too_long_for_a_socket(folder: Path) -> None:
    async with EmbeddedPostgres(folder / ("long" * 30)) as server:
        socket_dir = server.socket_dir
        connection = await asyncpg.connect(f"{server.url}?host={socket_dir}", port=server.port, timeout=5)
        await connection.close()
        assert socket_dir.stat().st_mode & 0o777 == 0o700
    assert not socket_dir.exists()


async def test_server_of_a_killed_owner_is_adopted(folder: Path) -> None:
    async with _killed_owner(folder) as left_alive, EmbeddedPostgres(folder) as server:
        assert server.pid == left_alive
        await _keep_word(server)


async def test_server_of_a_killed_owner_that_is_ending_is_started_anew(folder: Path) -> None:
    async with _killed_owner(folder) as left_alive:
        os.kill(left_alive, signal.SIGINT)
        async with EmbeddedPostgres(folder) as server:
            assert server.pid != left_alive
            await _keep_word(server)


async def test_killed_server_recovers_at_the_next_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    await server.start()
    word = await _keep_word(server)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()
    async with EmbeddedPostgres(folder) as server:
        assert await _kept_word(server) == word


async def test_whole_machine_lost(folder: Path) -> None:
    """Owner, server and its children end at once, and another program has the server's number now."""
    async with _killed_owner(folder) as left_alive:
        for process in (psutil.Process(left_alive), *psutil.Process(left_alive).children()):
            process.kill()
        await eventually(lambda: _at_work_in(folder) == [])
    pid_file = folder / "cluster" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(left_alive), str(os.getppid()), 1))
    async with EmbeddedPostgres(folder) as server:
        await _keep_word(server)


async def test_second_owner_is_told_to_take_another_folder(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as first:
        with pytest.raises(EmbeddedPostgresError, match=rf"process {os.getpid()}\).*PEERLY_DATA_DIR"):
            await EmbeddedPostgres(folder).start()
        await _keep_word(first)


async def test_interrupted_first_start_is_made_good(folder: Path) -> None:
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, str(folder), cwd=ROOT)
    await eventually(lambda: any(folder.glob("partial-*/*")), within=60)
    owner.kill()
    await owner.wait()
    assert not (folder / "cluster").exists()
    async with EmbeddedPostgres(folder) as server:
        await _keep_word(server)
    await eventually(lambda: _at_work_in(folder) == [])
    async with EmbeddedPostgres(folder):
        assert not list(folder.glob("partial-*"))


async def test_taken_port_is_named(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "first") as first:
        with pytest.raises(EmbeddedPostgresError, match="Address already in use"):
            await EmbeddedPostgres(folder / "second", port=first.port).start()


async def test_lost_password_is_named(folder: Path) -> None:
    async with EmbeddedPostgres(folder):
        pass
    (folder / "password").unlink()
    with pytest.raises(EmbeddedPostgresError, match="password is missing"):
        await EmbeddedPostgres(folder).start()


async def test_cluster_of_another_version_is_left_alone(folder: Path) -> None:
    async with EmbeddedPostgres(folder):
        pass
    (folder / "cluster" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 9"):
        await EmbeddedPostgres(folder).start()


if os.geteuid() == 0:
    # Only root can become somebody else; started by anybody else, PostgreSQL simply runs as that user.

    @pytest.fixture
    def open_folder() -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp())
        folder.chmod(0o755)
        yield folder
        shutil.rmtree(folder)

    @pytest.fixture
    def open_binaries(open_folder: Path) -> Path:
        """PostgreSQL where everybody may run it; the virtual environment may lie in a closed folder."""
        binaries = embedded_binaries()
        packages = binaries.parents[2]
        for part in packages.glob("embedded_postgres*"):
            shutil.copytree(part, open_folder / "packages" / part.name)
        return open_folder / "packages" / binaries.relative_to(packages)

    async def test_root_without_namespaces_becomes_nobody(
        open_folder: Path, open_binaries: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        async with EmbeddedPostgres(open_folder / "data", binaries=open_binaries) as server:
            assert psutil.Process(server.pid).username() == "nobody"
            word = await _keep_word(server)
        monkeypatch.undo()
        async with EmbeddedPostgres(open_folder / "data", binaries=open_binaries) as server:
            assert await _kept_word(server) == word

    async def test_root_without_namespaces_in_a_closed_folder_is_told_what_to_do(
        folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(EmbeddedPostgresError, match=r"may not enter .* PEERLY_DATA_DIR"):
            await EmbeddedPostgres(folder).start()

    async def test_namespaces_refused_later_change_the_files_owner(
        open_folder: Path, open_binaries: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with EmbeddedPostgres(open_folder / "data", binaries=open_binaries) as server:
            word = await _keep_word(server)
        monkeypatch.setenv("PATH", "")
        async with EmbeddedPostgres(open_folder / "data", binaries=open_binaries) as server:
            assert await _kept_word(server) == word
