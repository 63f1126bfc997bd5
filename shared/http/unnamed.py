"""Answers that do not tell which server and version made them."""

from __future__ import annotations

from aiohttp import hdrs, web


class Unnamed(web.StreamResponse):
    """Without the Server header that aiohttp adds at last; a signal of the application would cost each answer more."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


class Response(Unnamed, web.Response):
    """An answer whose body is known."""
