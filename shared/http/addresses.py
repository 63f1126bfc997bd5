"""Whose address a request comes from: the peer's, or what a trusted proxy says of it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

Network = IPv4Network | IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR blocks. Raises `ValueError` for anything else."""
    return tuple(ip_network(text, strict=False) for text in texts)


def client_address(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """The nearest address that is no trusted proxy's; what a proxy passes on that is none counts as the proxy's."""
    address = request.remote or "unknown"
    hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")]
    while hops and _is_trusted(address, trusted) and _parsed(hops[-1]):
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
