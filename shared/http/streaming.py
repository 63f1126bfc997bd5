"""Answers that are sent as they come about: files and exports, of any length in little memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from shared.http.load import seconds_for
from shared.http.unnamed import Unnamed
from shared.telemetry import log

if TYPE_CHECKING:
    from shared.http.answers import Answer

STALLED_SECONDS = 10.0
"""How long a client may take nothing; the gateway waits no longer either."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The `data` of an answer that is sent in chunks.

    `length` is in bytes, None where nobody knows; the whole takes `seconds` at most, or what the client allows.
    """

    chunks: AsyncGenerator[bytes, None]
    length: int | None
    seconds: float


class Streamed(Unnamed):
    """An answer whose body follows once all headers are set. One that breaks off is never taken for a whole one."""

    def __init__(self, answer: Answer, stream: Stream) -> None:
        headers = {name: value for name, value in answer.headers.items() if value}
        super().__init__(status=answer.status, headers={hdrs.CONTENT_TYPE: answer.content_type, **headers})
        self.content_length = stream.length
        self._stream = stream
        self._first = b""

    async def begin(self) -> None:
        """Waits for the first chunk: what fails until then is an ordinary answer."""
        self._first = await anext(self._stream.chunks, b"")

    async def send(self, request: web.Request) -> None:
        """The whole body; where it cannot be finished the connection ends."""
        if request.method == hdrs.METH_HEAD:
            return
        try:
            async with asyncio.timeout(seconds_for(request, self._stream.seconds)):
                await self.prepare(request)
                await self._write_all()
        except ConnectionError:
            self._break_off(request)
        except Exception as error:
            log("an answer broke off", level=logging.WARNING, reason=repr(error))
            self._break_off(request)
        finally:
            await self._stream.chunks.aclose()

    async def _write_all(self) -> None:
        chunk = self._first
        while chunk:
            async with asyncio.timeout(STALLED_SECONDS):
                await self.write(chunk)
            chunk = await anext(self._stream.chunks, b"")

    def _break_off(self, request: web.Request) -> None:
        self.force_close()
        if request.transport is not None:
            request.transport.abort()
