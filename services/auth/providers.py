"""Asks identity providers for their keys: for three seconds, by https, never inside of the own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from services.auth.domain.providers import ProviderFailure, jwks_uri_of, keys_of
from services.auth.domain.providers_addresses import WrongAddress, check_url, is_inside, is_outside
from shared.contracts.providers import ProviderKey

SECONDS_IN_ALL = 3.0
LARGEST_ANSWER = 64 * 1024
DISCOVERY = "/.well-known/openid-configuration"
AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Peerly"}


class InsideAddress(OSError):
    """A name stands for an address of the own network."""


class Providers:
    """A way to identity providers. With `inside` also to those of the own network, there also by plain http."""

    def __init__(self, *, inside: bool) -> None:
        self.inside = inside
        self._sessions = {
            "https": _session(lambda address: is_outside(address) or (inside and is_inside(address))),
            "http": _session(lambda address: inside and is_inside(address)),
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    async def keys(self, issuer: str, jwks_uri: str | None) -> tuple[ProviderKey, ...]:
        """The keys that a provider signs with now. Raises `ProviderFailure`."""
        try:
            async with asyncio.timeout(SECONDS_IN_ALL):
                if jwks_uri is None:
                    jwks_uri = jwks_uri_of(await self._document(issuer.rstrip("/") + DISCOVERY), issuer)
                return keys_of(await self._document(jwks_uri))
        except WrongAddress as error:
            raise ProviderFailure(f"The address of the keys cannot be asked: {error}") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise ProviderFailure("The provider does not answer") from None

    async def _document(self, url: str) -> dict[str, Any]:
        session = self._sessions[check_url(url, inside=self.inside).scheme]
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200 or "Content-Encoding" in response.headers:
                raise ProviderFailure(f"The provider answers {response.status} instead of a document")
            return _object(await _limited(response))


def _session(allowed: Callable[[str], bool]) -> aiohttp.ClientSession:
    """No proxy of the environment: it would look names up by itself, where nobody sees what they stand for."""

    def guarded(address: AddressInfo) -> socket.socket:
        """The last thing before a connection: whatever was written or resolved, this is where it would go."""
        family, kind, protocol, _, place = address
        if not allowed(str(place[0])):
            raise InsideAddress("not an address that may be asked")
        return socket.socket(family=family, type=kind, proto=protocol)

    connector = aiohttp.TCPConnector(socket_factory=guarded, use_dns_cache=False, force_close=True)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
        trust_env=False,
    )


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        raw += chunk
        if len(raw) > LARGEST_ANSWER:
            raise ProviderFailure("The provider's document is larger than 64 kB")
    return bytes(raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ProviderFailure("The provider's document is no JSON object")
    return value
