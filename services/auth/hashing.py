"""Passwords to argon2id hashes and back to yes or no, in threads and few at a time."""

from __future__ import annotations

import asyncio
import gzip
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from services.auth.domain.passwords import canonical
from shared.errors import Unavailable

AT_ONCE = 2
WAIT_SECONDS = 5.0
T = TypeVar("T")


@cache
def common_passwords() -> frozenset[str]:
    """Passwords that are guessed first, in lower case."""
    return frozenset(gzip.decompress(Path(__file__).with_name("common_passwords.txt.gz").read_bytes()).decode().split())


class Hasher:
    """19 MiB and two passes a hash: what OWASP advises where memory is scarce; two hashes at a time in a process."""

    def __init__(self, passes: int = 2, kibibytes: int = 19_456) -> None:
        self._argon2 = PasswordHasher(time_cost=passes, memory_cost=kibibytes, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._nobodys = self._argon2.hash(secrets.token_urlsafe())

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A turn to hash; raises `Unavailable` when too many wait already."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable("Too many people sign in just now; try again in a moment") from None
        try:
            yield
        finally:
            self._places.release()

    async def hash(self, password: str) -> str:
        """A new hash; the caller holds a place."""
        return await self._in_thread(lambda: self._argon2.hash(canonical(password)))

    async def matches(self, known: str | None, password: str) -> bool:
        """Whether this is the hashed password; without a hash it says no, after as long. The caller holds a place."""
        found = await self._in_thread(lambda: self._check(known or self._nobodys, canonical(password)))
        return found and known is not None

    def is_outdated(self, known: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(known)

    def close(self) -> None:
        """Lets running hashes end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, known: str, password: str) -> bool:
        try:
            return self._argon2.verify(known, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
