"""What a store of contents does. Keys are made here: 32 hexadecimal digits."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

CHUNK = 64 * 1024


class Missing(LookupError):
    """The content is not there, though the database says so."""


class Storage(Protocol):
    """Contents by their keys. Every method raises `Unavailable` where the store does not answer."""

    @property
    def incoming(self) -> Path:
        """A folder of this machine for what is being received."""

    async def put(self, key: str, source: Path) -> None:
        """Keeps a copy of the file for good, or takes the file itself."""

    def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to before `stop`, in chunks. Raises `Missing`."""

    async def delete(self, key: str) -> None:
        """Removes a content; one that is not there is removed already."""
