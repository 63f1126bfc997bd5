"""Asks Google about an access token, for three seconds at most."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from services.auth.domain.google import Identity, identity_of
from services.auth.settings import Settings
from shared.clock import Clock
from shared.errors import InvalidToken, Unavailable

SECONDS_IN_ALL = 3.0
LARGEST_ANSWER = 64 * 1024
_REFUSALS = {400, 401, 403}


class Google:
    """Google's two answers: what a token is good for, and whose it is."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings, clock: Clock) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock

    async def identify(self, access_token: str) -> Identity:
        """The token's owner. Raises `InvalidToken` when Google says no, `Unavailable` when it says nothing of use."""
        client_id = self._settings.google_client_id
        if client_id is None:
            raise Unavailable("Sign-in with Google is not set up here (GOOGLE_CLIENT_ID); sign in with a password")
        try:
            async with asyncio.timeout(SECONDS_IN_ALL):
                token = await self._ask(self._settings.google_tokeninfo_url, params={"access_token": access_token})
                bearer = {"Authorization": f"Bearer {access_token}"}
                person = await self._ask(self._settings.google_userinfo_url, headers=bearer)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise _silent() from None
        return identity_of(token, person, client_id, self._clock())

    async def _ask(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        async with self._session.get(url, allow_redirects=False, params=params, headers=headers) as response:
            if response.status in _REFUSALS:
                raise InvalidToken
            if response.status != 200:
                raise _silent()
            return _object(await _limited(response))


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        raw += chunk
        if len(raw) > LARGEST_ANSWER:
            raise _silent()
    return bytes(raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise _silent() from None
    if not isinstance(value, dict):
        raise _silent()
    return value


def _silent() -> Unavailable:
    return Unavailable("Google does not answer; try again in a moment, or sign in with a password")
