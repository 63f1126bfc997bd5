"""Contents as objects of a bucket in an S3-compatible store."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp_s3_client import S3Client

from services.recognition.files.storage.interface import CHUNK, Missing
from services.recognition.settings import S3Settings
from shared.errors import Unavailable

TIMEOUT = ClientTimeout(total=None, sock_connect=2, sock_read=10)
PUT_SECONDS = 30.0
DELETE_SECONDS = 10.0


class Bucket:
    """An object is there whole or not at all, as S3 has it."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    @property
    def incoming(self) -> Path:
        return Path(tempfile.gettempdir())

    async def put(self, key: str, source: Path) -> None:
        with source.open("rb") as content:
            size = source.stat().st_size
            async with _answering(), asyncio.timeout(PUT_SECONDS):
                data = _chunks(content.fileno())
                async with self._client.put(key, data, data_length=size) as answer:
                    _check(answer)

    async def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        async with _answering(), self._client.get(key, headers={"Range": f"bytes={start}-{stop - 1}"}) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                raise Missing(key)
            _check(answer)
            async for chunk in answer.content.iter_chunked(CHUNK):
                yield chunk

    async def delete(self, key: str) -> None:
        async with _answering(), asyncio.timeout(DELETE_SECONDS), self._client.delete(key) as answer:
            if answer.status != HTTPStatus.NOT_FOUND:
                _check(answer)


async def _chunks(descriptor: int) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(os.read, descriptor, CHUNK):
        yield chunk


def _check(answer: ClientResponse) -> None:
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise Unavailable(f"The files' store answered with {answer.status}")


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except (ClientError, TimeoutError) as error:
        raise Unavailable("The files' store does not answer now") from error


@asynccontextmanager
async def bucket(settings: S3Settings) -> AsyncIterator[Bucket]:
    """The bucket that the settings name."""
    async with ClientSession(cookie_jar=DummyCookieJar(), timeout=TIMEOUT, trust_env=True) as session:
        yield Bucket(
            S3Client(
                session,
                settings.url,
                access_key_id=settings.access_key_id,
                secret_access_key=settings.secret_access_key,
                region=settings.region,
            )
        )
