"""S26: what a user writes as an address never makes a connection to the inside, however it is written or resolved."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from services.auth import providers
from services.auth.domain.providers import ProviderFailure
from services.auth.domain.providers_addresses import WrongAddress, check_issuer, check_url
from services.auth.providers import Providers
from tests.support import identity_provider

LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "2130706433", "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0x7f.1",
    "0177.0.0.1", "017700000001", "0177.0x0.0.1", "127.000.000.001", "127.255.255.254", "0", "0.0.0.0", "0x0", "00",
    "localhost", "localhost.", "LOCALHOST", "api.localhost", "ip6-localhost", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]",
    "[0000::0001]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:127.0.0.1]", "[::127.0.0.1]", "[::7f00:1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[::1%25lo]", "[::1%lo]", "1\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "\uff11\uff12\uff17.0.0.1",
    "%31%32%37.0.0.1", "127.0.0.1%00.example", "127.0.0.1%2eexample.com", "127.0.0.1\t", "127.0.0.1\n.example.com",
    "{127.0.0.1}", "127.0.0.1\\.example.com", "example.com\\@127.0.0.1", "example.com@127.0.0.1",
    "user:pass@127.0.0.1", "127.0.0.1#.example.com", "127.0.0.1?.example.com", "127.0.0.1;.example.com",
]  # fmt: skip
PRIVATE = [
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1", "198.18.0.1",
    "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[fc00::1]",
    "[fdff::1]", "[ff02::1]", "[2001:db8::1]", "[2002:a00:1::]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]",
    "peerly.local", "db.internal", "router.lan", "nas.home", "wiki.corp", "printer.intranet", "x.home.arpa", "peerly",
]  # fmt: skip
OF_THE_LINK = [
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "[fe80::1]", "[fe80::1%25eth0]", "[febf::1]", "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
    "[::169.254.169.254]", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518",
    "169.16689662",
]  # fmt: skip
SCHEMES = ["http", "HTTP", "file", "ftp", "gopher", "unix", "data", "ws", "jar", "dict", "ldap", "//", "", "https:"]
RESOLVED_OF_THE_LINK = [
    "169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
]  # fmt: skip
RESOLVED_INSIDE = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "0.0.0.0", "192.168.1.1", "fc00::1"]


@dataclass(slots=True)
class Listener:
    """Counts who comes to this machine."""

    port: int = 0
    connections: int = 0


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        writer.close()

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(count, "127.0.0.1", 0))
        made.port = server.sockets[0].getsockname()[1]
        await stack.enter_async_context(await asyncio.start_server(count, "::1", made.port))
        yield made


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every socket that is made to go to a provider."""
    made: list[Any] = []

    def counted(**options: Any) -> socket.socket:
        made.append(options)
        return socket.socket(**options)

    monkeypatch.setattr(providers, "socket", SimpleNamespace(socket=counted))
    return made


def resolve_to(address: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name stands for this address now; gives the names that were asked for."""
    asked: list[str] = []

    async def resolved(_: Any, host: str, port: int = 0, **__: Any) -> list[Any]:
        asked.append(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [{"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolved)
    monkeypatch.setattr("aiohttp.resolver.AsyncResolver.resolve", resolved, raising=False)
    return asked


def test_s26_there_are_enough_spellings() -> None:
    assert len(set(LOOPBACK + PRIVATE + OF_THE_LINK)) >= 80


@pytest.mark.parametrize("host", LOOPBACK + PRIVATE + OF_THE_LINK, ids=ascii)
async def test_s26_no_spelling_of_the_inside_is_asked(host: str, listener: Listener, sockets: list[Any]) -> None:
    async with Providers(inside=False) as way:
        for scheme in ("https", "http"):
            address = f"{scheme}://{host}:{listener.port}"
            with pytest.raises(WrongAddress):
                check_issuer(address, inside=False)
            for issuer, keys in ((address, None), ("https://idp.example", address)):
                with pytest.raises(ProviderFailure):
                    await way.keys(issuer, keys)
    assert (sockets, listener.connections) == ([], 0)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_s26_no_other_scheme_is_asked(scheme: str, listener: Listener, sockets: list[Any]) -> None:
    address = f"{scheme}://127.0.0.1:{listener.port}"
    async with Providers(inside=False) as way:
        with pytest.raises(ProviderFailure):
            await way.keys("https://idp.example", address)
    assert (sockets, listener.connections) == ([], 0)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("host", OF_THE_LINK)
async def test_s26_no_spelling_of_the_link_is_asked_even_where_the_inside_is_allowed(
    host: str, inside: bool, sockets: list[Any]
) -> None:
    for scheme in ("https", "http"):
        with pytest.raises(WrongAddress):
            check_url(f"{scheme}://{host}/latest/meta-data", inside=inside)
    async with Providers(inside=inside) as way:
        with pytest.raises(ProviderFailure):
            await way.keys("https://idp.example", f"http://{host}/latest/meta-data")
    assert sockets == []


@pytest.mark.parametrize(
    ("address", "inside"),
    [*((one, True) for one in RESOLVED_OF_THE_LINK), *((one, False) for one in RESOLVED_OF_THE_LINK + RESOLVED_INSIDE)],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_s26_no_name_that_stands_for_it_is_asked(
    address: str, inside: bool, scheme: str, sockets: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a name that stood for another address a moment ago: the address of the connection itself is looked at."""
    asked = resolve_to(address, monkeypatch)
    async with Providers(inside=inside) as way:
        with pytest.raises(ProviderFailure):
            await way.keys(f"{scheme}://rebinding.example", None)
    assert asked == (["rebinding.example"] if scheme == "https" or inside else [])
    assert sockets == []


async def test_s26_where_the_inside_is_allowed_it_is_asked(listener: Listener, sockets: list[Any]) -> None:
    """The counters of the other tests do count."""
    async with Providers(inside=True) as way:
        with pytest.raises(ProviderFailure, match="does not answer"):
            await way.keys(f"http://127.0.0.1:{listener.port}", None)
    assert len(sockets) == listener.connections > 0


@pytest.mark.parametrize(
    "leads_to", ["http://127.0.0.1:{port}/keys", "http://169.254.169.254/keys", "file:///etc/passwd"]
)
async def test_s26_no_answer_of_a_provider_leads_elsewhere(leads_to: str, listener: Listener) -> None:
    """Neither a redirect of its discovery nor of its keys is followed."""

    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": leads_to.format(port=listener.port)})

    async with identity_provider.serving() as idp, Providers(inside=True) as way:
        idp.instead = redirect
        for keys in (None, f"{idp.address}/keys"):
            with pytest.raises(ProviderFailure, match="answers 302"):
                await way.keys(idp.address, keys)
    assert listener.connections == 0


@pytest.mark.parametrize("host", OF_THE_LINK[:12])
async def test_s26_no_discovery_document_leads_to_the_link(host: str, sockets: list[Any]) -> None:
    async with identity_provider.serving() as idp, Providers(inside=True) as way:
        idp.documents["discovery"] = {"issuer": idp.address, "jwks_uri": f"http://{host}/keys"}
        with pytest.raises(ProviderFailure, match="cannot be asked"):
            await way.keys(idp.address, None)
    assert len(sockets) == 1
