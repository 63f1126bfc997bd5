"""No address of the own network is ever asked for keys, however it is written or resolved (S26)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.auth.domain.providers import ProviderFailure
from services.auth.providers import Providers
from tests.component.auth.providing import (
    path,
)
from tests.component.auth.world import World

INSIDE = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "017700000001",
    "0177.0x0.0.1", "127.0.0.1.",
    "127.000.000.001", "127.255.255.254", "0", "0.0.0.0", "0x0", "localhost", "localhost.",
    "LOCALHOST", "api.localhost", "peerly.local", "db.internal", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]",
    "[fc00::1]", "[fd00:ec2::254]", "[::1%25lo]", "[::1%lo]", "169.254.169.254", "2852039166", "0xa9fea9fe", "10.0.0.1",
    "172.16.0.1", "192.168.0.1", "100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255",
    "1\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "\uff11\uff12\uff17.0.0.1", "%31%32%37.0.0.1",
    "127.0.0.1%00.example",
    "peerly", "127.0.0.1\\.example.com", "example.com\\@127.0.0.1", "example.com@127.0.0.1", "user:pass@127.0.0.1",
    "127.0.0.1#.example.com", "127.0.0.1?.example.com", "127.0.0.1\t", "127.0.0.1\n.example.com", "{127.0.0.1}",
]  # fmt: skip
OTHER_SCHEMES = ["http", "HTTP", "file", "ftp", "gopher", "unix", "data", "ws", "jar", "//", "", "https:", "https:/"]


@dataclass(slots=True)
class Listener:
    """Counts who comes to this machine."""

    port: int = 0
    connections: list[Any] = field(default_factory=list)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections.append(writer.get_extra_info("sockname"))
        writer.close()

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(count, "127.0.0.1", 0))
        made.port = server.sockets[0].getsockname()[1]
        await stack.enter_async_context(await asyncio.start_server(count, "::1", made.port))
        yield made


@pytest.fixture
async def outside_only() -> AsyncIterator[Providers]:
    async with Providers(inside=False) as way:
        yield way


@pytest.mark.parametrize("inside", ["off"])
async def test_no_spelling_of_an_inside_address_is_taken_or_asked(world: World, listener: Listener) -> None:
    """Neither as issuer nor as address of keys; nobody outside may learn what is inside."""
    addresses = [f"https://{host}:{listener.port}" for host in INSIDE]
    addresses += [f"{scheme}://127.0.0.1:{listener.port}" for scheme in OTHER_SCHEMES]
    for address in addresses:
        for body in (
            {"issuer": address, "audience": "x"},
            {"issuer": "https://idp.example", "audience": "x", "jwks_uri": address},
        ):
            reply = await world.post("ada", path(world), body)
            assert reply.status == 400, body
    assert listener.connections == []


async def test_no_document_leads_inside(listener: Listener, outside_only: Providers) -> None:
    """The last wall: what a discovery document names is looked at like what an admin names."""
    for host in [*INSIDE, "localtest.example"]:
        for address in (f"https://{host}:{listener.port}", f"http://{host}:{listener.port}"):
            with pytest.raises(ProviderFailure):
                await outside_only.keys("https://idp.example", address)
    assert listener.connections == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "169.254.169.254"])
async def test_a_name_that_stands_for_an_inside_address_is_not_asked(
    listener: Listener, outside_only: Providers, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Also when it stood for another one a moment ago: the very address of the connection is looked at."""
    asked = []

    async def rebinds(_: Any, host: str, port: int = 0, **__: Any) -> list[Any]:
        asked.append(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [{"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", rebinds)
    monkeypatch.setattr("aiohttp.resolver.AsyncResolver.resolve", rebinds, raising=False)
    with pytest.raises(ProviderFailure, match="does not answer"):
        await outside_only.keys(f"https://rebinding.example:{listener.port}", None)
    assert asked == ["rebinding.example"]
    assert listener.connections == []


async def test_plain_http_is_for_the_inside_only(listener: Listener) -> None:
    async with Providers(inside=True) as way:
        with pytest.raises(ProviderFailure, match="does not answer"):
            await way.keys(f"http://127.0.0.1:{listener.port}", None)
        assert listener.connections
        with pytest.raises(ProviderFailure, match="does not answer"):
            await way.keys("http://8.8.8.8", None)
