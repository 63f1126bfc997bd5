"""Which store the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.recognition.files.storage.directory import Directory
from services.recognition.files.storage.interface import Storage
from services.recognition.settings import Settings


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Storage]:
    """The bucket where one is named, else the directory."""
    if settings.files_s3 is None:
        yield Directory(settings.files_directory)
        return
    from services.recognition.files.storage.s3 import bucket  # who has no bucket need not carry its client

    async with bucket(settings.files_s3) as found:
        yield found
