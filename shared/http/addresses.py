"""Whose address a request comes from: the peer's, or what a trusted proxy says of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

Network = IPv4Network | IPv6Network
MOST_KEPT, LONGEST_KEPT = 4_096, 100
"""Of the newest chains of addresses, in characters, it is remembered whose they are."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR blocks. Raises `ValueError` for anything else."""
    return tuple(ip_network(text, strict=False) for text in texts)


class Addresses:
    """Tells whose requests come, where these proxies are trusted. Raises `ValueError` for what is no network."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = networks(trusted)
        self._nearest = lru_cache(MOST_KEPT)(self._look)

    def of(self, request: web.Request) -> str:
        """The nearest address that is no trusted proxy's; what a proxy passes on that is none counts as the proxy's."""
        address = request.remote or "unknown"
        if not self._trusted:
            return address
        hops = ",".join(request.headers.getall("X-Forwarded-For", ()))
        return self._nearest(address, hops) if len(hops) <= LONGEST_KEPT else self._look(address, hops)

    def _look(self, address: str, passed_on: str) -> str:
        hops = [hop.strip() for hop in passed_on.split(",")]
        while hops and _is_trusted(address, self._trusted) and _parsed(hops[-1]):
            address = hops.pop()
        return address


def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
