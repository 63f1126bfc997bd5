"""TM-10: both stores keep contents; memory stays flat; nothing that nobody uses stays for ever."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from environs import Env
from moto.server import ThreadedMotoServer

from services.recognition.commands import files as commands
from services.recognition.domain.files import LARGEST
from services.recognition.files import collecting, receiving, transfers
from services.recognition.files.storage import Missing, Storage, opened
from services.recognition.files.storage.directory import Directory
from services.recognition.places import Places
from services.recognition.settings import Settings
from shared.clock import utc_now
from shared.context import Context
from shared.errors import Unavailable
from shared.identity import Verifier
from shared.identity.usage import Usage
from shared.service import expected_of
from tests.component.recognition.filing import PDF, content, form_of, picture, send, upload, uploaded
from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, Api, World
from tests.support.ports import free_port
from tests.support.waiting import eventually

KEY, OTHER = "0" * 32, "1" * 32
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an empty S3."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, which the environment names."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{s3}/moto-api/reset") as done:
            assert done.status == 200
        async with session.put(f"{s3}/contents") as made:
            assert made.status == 200
    monkeypatch.setenv("PEERLY_FILES_S3_URL", f"{s3}/contents")
    monkeypatch.setenv("PEERLY_FILES_S3_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("PEERLY_FILES_S3_SECRET_ACCESS_KEY", "a secret")
    return f"{s3}/contents"


@asynccontextmanager
async def storage_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Storage]:
    environment: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    environment.setenv("DATABASE_URL", "postgresql://nowhere")
    environment.setenv("PEERLY_FILES_DIRECTORY", str(folder / "files"))
    async with opened(Settings.read("recognition", Env())) as storage:
        assert type(storage).__name__ == kind
        yield storage


async def read(storage: Storage, key: str, start: int, stop: int) -> bytes:
    return b"".join([chunk async for chunk in storage.read(key, start, stop)])


async def use(storage: Storage, folder: Path) -> None:
    body = bytes(range(256)) * 1000
    for key in (KEY, OTHER):
        source = folder / "source"
        source.write_bytes(body)
        await storage.put(key, source)
    assert await read(storage, KEY, 0, len(body)) == body
    assert await read(storage, KEY, 5, 100_000) == body[5:100_000]
    assert await read(storage, KEY, len(body) - 1, len(body)) == body[-1:]
    for _ in range(2):
        await storage.delete(KEY)
        with pytest.raises(Missing):
            await read(storage, KEY, 0, 1)
    assert await read(storage, OTHER, 0, 3) == body[:3]
    assert storage.incoming.is_dir()


async def test_tm10_a_directory_keeps_contents(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async with storage_of("Directory", request, tmp_path) as storage:
        await use(storage, tmp_path)
        assert [path.stat().st_mode & 0o077 for path in (tmp_path / "files").iterdir()] == [0, 0, 0]


async def test_tm10_a_bucket_keeps_contents(bucket: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async with storage_of("Bucket", request, tmp_path) as storage:
        await use(storage, tmp_path)
    assert not (tmp_path / "files").exists()


async def test_tm10_a_store_that_is_away_is_unavailable(
    bucket: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERLY_FILES_S3_URL", f"http://127.0.0.1:{free_port()}/contents")
    (tmp_path / "source").write_bytes(b"x")
    async with storage_of("Bucket", request, tmp_path) as storage:
        for failing in (storage.put(KEY, tmp_path / "source"), storage.delete(KEY), read(storage, KEY, 0, 1)):
            with pytest.raises(Unavailable):
                await failing


@pytest.mark.parametrize("url", ["ftp://a.test/b", "https://a.test", "https://a.test/", "bucket", "https://a.test/b?c"])
def test_tm10_a_wrong_bucket_stops_the_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere")
    monkeypatch.setenv("PEERLY_FILES_S3_URL", url)
    with pytest.raises(ValueError, match="PEERLY_FILES_S3_URL"):
        Settings.read("recognition", Env())


async def test_tm10_s3_serves_uploads_and_downloads(bucket: str, api: Api) -> None:
    made = await uploaded(api, ANNA, "users", ANNA.user_id, picture())
    whole = await content(api, BEN, made["file_id"])
    assert len(whole.raw) == made["size"]
    part = await content(api, BEN, made["file_id"], Range="bytes=10-19")
    assert (part.status, part.raw) == (206, whole.raw[10:20])
    async with aiohttp.ClientSession() as session, session.get(bucket) as listed:
        assert (await listed.text()).count("<Key>") == 1
        async with session.post(bucket.replace("/contents", "/moto-api/reset")) as emptied:
            assert emptied.status == 200
    assert (await content(api, BEN, made["file_id"])).status in {404, 503}
    assert (await upload(api, ANNA, "users", ANNA.user_id, picture())).code == (503, "unavailable")


async def test_tm10_s47_ten_mebibytes_leave_memory_flat(api: Api) -> None:
    """In this process are the client and the service."""
    given = await api.given(ANNA, BEN, await api.new_value())
    await uploaded(api, ANNA, "recognitions", given, PDF)

    async def body() -> Any:
        yield PDF
        for _ in range((LARGEST - len(PDF)) // MEBIBYTE * 16):
            yield bytes(MEBIBYTE // 16)

    tracemalloc.start()
    try:
        made = (await send(api, ANNA, "recognitions", given, form_of(body()))).data
        received = await _downloaded(api, made["file_id"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received == made["size"] > 9 * MEBIBYTE
    assert peak < 4 * MEBIBYTE


async def _downloaded(api: Api, file_id: int) -> int:
    received = 0
    headers = {"Authorization": f"Bearer {CLEO.token}"}
    async with api.session.get(f"{api.address}/filecontent/{file_id}", headers=headers) as answer:
        async for chunk in answer.content.iter_chunked(MEBIBYTE // 16):
            received += len(chunk)
    return received


@pytest.fixture
async def context(api: Api, world: World) -> AsyncIterator[Context]:
    """What the job has, beside the service that answers."""
    settings = Settings.read("recognition", Env())
    made = Context(
        "recognition", settings, world.database, Verifier(expected_of(settings), utc_now), utc_now,
        Usage("recognition", utc_now),
    )  # fmt: skip
    async with transfers.storing(made):
        yield made


async def ages(world: World) -> None:
    """Everything that nobody uses has been so for two days."""
    await world.as_administrator("UPDATE file_contents SET unused_since = unused_since - interval '2 days'")


def kept(context: Context) -> int:
    folder = cast(Settings, context.settings).files_directory
    return len([path for path in folder.glob("??/*") if path.is_file()])


async def test_tm10_contents_that_nobody_uses_go_after_a_day(api: Api, world: World, context: Context) -> None:
    given = await api.given(ANNA, BEN, await api.new_value())
    taken_back = await api.given(ANNA, BEN, await api.new_value("Care"))
    stays, removed = [await uploaded(api, ANNA, "recognitions", given, PDF) for _ in range(2)]
    await uploaded(api, ANNA, "recognitions", taken_back, PDF)
    for _ in range(2):
        await uploaded(api, ANNA, "users", ANNA.user_id, picture())
    await api.ask(ANNA, "DELETE", f"/filecontent/{removed['file_id']}")
    await api.ask(ADMIN, "DELETE", f"/recognitions/{taken_back}")
    assert (await collecting.collect(context), kept(context)) == (0, 5)
    await ages(world)
    assert (await collecting.collect(context), kept(context)) == (3, 2)
    assert (await collecting.collect(context), kept(context)) == (0, 2)
    assert (await content(api, BEN, stays["file_id"])).raw == PDF
    assert await world.value("SELECT count(*) FROM file_contents") == 2


async def test_tm10_an_upload_that_never_committed_is_collected(
    api: Api, world: World, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = await api.given(ANNA, BEN, await api.new_value())

    async def fails(*_: Any) -> Any:
        raise RuntimeError("just before the commit")

    with monkeypatch.context() as broken:
        broken.setattr(commands, "attach_file", fails)
        assert (await upload(api, ANNA, "recognitions", given, PDF)).status == 500
    assert kept(context) == 1
    await ages(world)
    assert (await collecting.collect(context), kept(context)) == (1, 0)


async def test_tm10_what_was_being_received_in_a_crash_is_cleared(api: Api, context: Context) -> None:
    incoming = context.get(transfers.Files).storage.incoming
    old, new = incoming / "peerly-upload-old", incoming / "peerly-upload-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "received").write_bytes(b"x")
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(old, (long_ago, long_ago))
    await collecting.collect(context)
    assert (old.exists(), new.exists()) == (False, True)


async def test_tm10_a_content_that_is_lost_is_404_and_told_in_the_log(api: Api, context: Context) -> None:
    made = await uploaded(api, ANNA, "users", ANNA.user_id, picture())
    for path in cast(Settings, context.settings).files_directory.glob("??/*"):
        path.unlink()
    assert (await content(api, BEN, made["file_id"])).code == (404, "not_found")


async def test_tm10_no_more_than_two_uploads_of_one_person_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, take = asyncio.Event(), Places.take
    taken: list[Hashable] = []
    monkeypatch.setattr(receiving, "PAUSE_SECONDS", 60.0)

    def noting(places: Places, whose: Hashable) -> AbstractContextManager[None]:
        taken.append(whose)
        return take(places, whose)

    monkeypatch.setattr(Places, "take", noting)

    async def slow() -> Any:
        yield PDF
        await go_on.wait()

    given = await api.given(ANNA, BEN, await api.new_value())
    first = [asyncio.create_task(send(api, ANNA, "recognitions", given, form_of(slow()))) for _ in range(2)]
    try:
        await eventually(lambda: taken == [ANNA.user_id] * 2)
        assert (await upload(api, ANNA, "users", ANNA.user_id, picture())).code == (503, "unavailable")
        assert (await upload(api, BEN, "users", BEN.user_id, picture())).status == 201
    finally:
        go_on.set()
    assert [(await task).status for task in first] == [201, 201]


async def test_s47_no_more_than_sixteen_large_downloads_of_one_person_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, read = asyncio.Event(), Directory.read

    async def slowly(storage: Directory, key: str, start: int, stop: int) -> Any:
        async for chunk in read(storage, key, start, stop):
            yield chunk
            await go_on.wait()

    given = await api.given(ANNA, BEN, await api.new_value())
    made = await uploaded(api, ANNA, "recognitions", given, PDF + bytes(MEBIBYTE))
    monkeypatch.setattr(Directory, "read", slowly)
    path, headers = f"/filecontent/{made['file_id']}", {"Authorization": f"Bearer {CLEO.token}"}
    unread = [await api.session.get(api.address + path, headers=headers) for _ in range(transfers.DOWNLOADS_OF_ONE)]
    assert [answer.status for answer in unread] == [200] * transfers.DOWNLOADS_OF_ONE
    assert (await api.get(CLEO, path)).code == (503, "unavailable")
    assert (await api.get(CLEO, path, Range="bytes=0-9")).status == 206
    go_on.set()
    assert (await api.get(BEN, path)).status == 200
    for answer in unread:
        answer.close()

    async def again() -> bool:
        return (await api.get(CLEO, path)).status == 200

    await eventually(again)
