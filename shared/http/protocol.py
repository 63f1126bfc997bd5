"""What no route sees: unreadable requests are answered in the envelope, too, and heads that do not come end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from shared import telemetry
from shared.errors import InternalError, InvalidData
from shared.http import answers
from shared.http.headers import SECURITY_HEADERS
from shared.http.unnamed import Response

HEAD_SECONDS = 5.0
"""From a connection's begin, or from the first byte of a further request, to the end of its head."""
LINGERING_SECONDS = 4.0
"""How long an answer given before its request has come waits for the rest of it."""


class _Handler(RequestHandler):
    __slots__ = ("_head_deadline",)
    _head_deadline: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_deadline = self._loop.call_later(HEAD_SECONDS, self.force_close)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._forget_deadline()
        elif self._head_deadline is None and self._waiter is not None:
            self._head_deadline = self._loop.call_later(HEAD_SECONDS, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def _forget_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to bytes that are no HTTP, or to a failure below every route; the connection ends with it."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        telemetry.log("request unreadable", level=logging.INFO, status=status, reason=type(exc).__name__)
        if status >= 500:
            response = answers.refuse(InternalError())
        else:
            what = "a line or header is too long" if isinstance(exc, LineTooLong) else "this is not valid HTTP"
            response = answers.refuse(InvalidData(f"The request cannot be read: {what}"))
        headers = {**response.headers, **SECURITY_HEADERS, "X-Request-Id": secrets.token_hex(16)}
        unnamed = Response(status=response.status, body=response.body, headers=headers)
        unnamed.force_close()
        return unnamed


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """aiohttp's runner, with connections that answer unreadable requests as everything else here is answered.

    Heads have a deadline, as bodies have one in `shared.http.parsing`.
    """

    def __init__(self, app: web.Application, **options: Any) -> None:
        super().__init__(app, lingering_time=LINGERING_SECONDS, **options)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        return server
