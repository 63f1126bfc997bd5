"""What one process has for files: the store, the way of pictures, and how many transfers it takes on at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from services.recognition.files.rewriting import Rewriter
from services.recognition.files.storage import Storage, opened
from services.recognition.places import Places
from services.recognition.settings import Settings
from shared.context import Context
from shared.errors import Unavailable

UPLOADS_AT_ONCE, UPLOADS_OF_ONE = 8, 2
DOWNLOADS_AT_ONCE, DOWNLOADS_OF_ONE = 64, 16
"""Of what is larger than a connection takes at once: who reads slowly keeps a place at the gateway."""


class TooManyTransfers(Unavailable):
    message = "Too many uploads or downloads at once; try again as Retry-After says"

    def __init__(self) -> None:
        super().__init__(retry_after=2)


@dataclass(frozen=True, slots=True)
class Files:
    storage: Storage
    rewriter: Rewriter = field(default_factory=Rewriter)
    uploads: Places = field(default_factory=lambda: Places(UPLOADS_AT_ONCE, UPLOADS_OF_ONE, TooManyTransfers))
    downloads: Places = field(default_factory=lambda: Places(DOWNLOADS_AT_ONCE, DOWNLOADS_OF_ONE, TooManyTransfers))


@asynccontextmanager
async def storing(context: Context) -> AsyncIterator[None]:
    """The store that the settings name."""
    async with opened(cast(Settings, context.settings)) as storage:
        context.provide(Files(storage))
        yield
