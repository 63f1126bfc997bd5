"""One checked request on its way through a handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from aiohttp import web

from shared import idempotency
from shared.context import Context
from shared.database import Connection
from shared.errors import InvalidToken, Refusal, RequestInProgress, Unavailable, VersionMismatch
from shared.http.answers import REPLAYED, Answer, Raw
from shared.http.operation import Operation
from shared.http.paging import Page
from shared.identity import Principal

TRIES = 3
ONCE_KNOWN_SECONDS = 0.5
ONCE_KNOWN_PAUSE = 0.04
Effect = Callable[[Connection], Awaitable[Answer]]
T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """A request whose caller, permission, path, query and body have been checked.

    Before it does what is dear, the handler of an operation with a `limit` calls `count_as_dear`, which raises
    `RateLimited`.
    """

    context: Context
    request: web.Request
    operation: Operation
    caller: Principal | None
    org_id: int
    request_id: str
    address: str
    path: dict[str, int]
    words: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    count_as_dear: Callable[[], None]
    if_match: frozenset[int] | None
    idempotency_key: idempotency.Key | None = None

    @property
    def principal(self) -> Principal:
        """Who asks; only public routes may be without. Raises `InvalidToken` there."""
        if self.caller is None:
            raise InvalidToken
        return self.caller

    @property
    def page(self) -> Page:
        """The page that the query asks for; its schema derives from `PageQuery`."""
        return Page.of(self.query)

    def check_version(self, version: int) -> None:
        """Raises `VersionMismatch` when `If-Match` names other versions than the present one."""
        if self.if_match is not None and version not in self.if_match:
            raise VersionMismatch

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A read-only transaction of the caller's organisation."""
        database = self.context.database
        async with database.transaction(self.org_id, request_id=self.request_id, read_only=True) as tx:
            yield tx

    async def write(self, effect: Effect) -> Answer:
        """Runs an effect in one transaction together with its Idempotency-Key, commits, and wakes the relay.

        The same request again gets the first answer. Raises `RequestInProgress` and what the effect raises;
        a deadlock is tried again.
        """
        for attempt in range(1, TRIES + 1):
            try:
                answer = await self._write_once(effect)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                if attempt == TRIES:
                    raise Unavailable from None
            else:
                self.context.wake()
                return answer
        raise Unavailable

    async def once_known(self, attempt: Callable[[], Awaitable[T]], *unknown: type[Refusal]) -> T:
        """Tries again for up to half a second while one of `unknown` is raised: events may be on their way."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ONCE_KNOWN_SECONDS
        while True:
            try:
                return await attempt()
            except unknown:
                if loop.time() >= deadline:
                    raise
            await asyncio.sleep(ONCE_KNOWN_PAUSE)

    async def _write_once(self, effect: Effect) -> Answer:
        actor_id = self.caller.user_id if self.caller else None
        database = self.context.database
        async with database.transaction(self.org_id, request_id=self.request_id, actor_id=actor_id) as tx:
            if self.idempotency_key is None:
                return await effect(tx)
            kept = await self._claim(tx, self.idempotency_key)
            if kept is not None:
                return kept
            answer = await effect(tx)
            await idempotency.keep(tx, self.idempotency_key, answer.status, answer.kept_body())
            return answer

    async def _claim(self, tx: Connection, key: idempotency.Key) -> Answer | None:
        try:
            kept = await idempotency.claim(tx, key)
        except asyncpg.LockNotAvailableError:
            raise RequestInProgress from None
        return None if kept is None else replayed(kept)


def replayed(kept: idempotency.Kept) -> Answer:
    """The first answer to a repeated request."""
    return Answer(kept.status, Raw(kept.bytes), headers={REPLAYED: "true"}, enveloped=False)
