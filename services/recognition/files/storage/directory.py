"""Contents as files of a directory, which several processes may share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.recognition.files.storage.interface import CHUNK, Missing
from shared.errors import Unavailable

OWNER_ONLY = 0o700


class Directory:
    """A content is there whole or not at all: it is moved to its place once it is on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def incoming(self) -> Path:
        folder = self._root / "incoming"
        with _disk():
            _make(folder)
        return folder

    async def put(self, key: str, source: Path) -> None:
        await asyncio.to_thread(self._put, key, source)

    def _put(self, key: str, source: Path) -> None:
        place = self._place(key)
        with _disk():
            _make(place.parent)
            _flush(source)
            source.replace(place)
            _flush(place.parent)

    async def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        content = await asyncio.to_thread(self._open, key, start)
        try:
            left = stop - start
            while left > 0:
                with _disk():
                    chunk = await asyncio.to_thread(content.read, min(CHUNK, left))
                if not chunk:
                    raise Missing(key)
                left -= len(chunk)
                yield chunk
        finally:
            content.close()

    def _open(self, key: str, start: int) -> BinaryIO:
        try:
            with _disk():
                content = self._place(key).open("rb")
                content.seek(start)
        except FileNotFoundError:
            raise Missing(key) from None
        return content

    async def delete(self, key: str) -> None:
        with _disk():
            await asyncio.to_thread(self._place(key).unlink, missing_ok=True)

    def _place(self, key: str) -> Path:
        return self._root / key[:2] / key


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable("The files' directory cannot be used now") from error


def _make(folder: Path) -> None:
    folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)


def _flush(path: Path) -> None:
    """To the disk: a file's bytes, or a folder's names."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
