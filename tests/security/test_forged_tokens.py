"""Forged tokens against a running Peerly (S8 to S11): every service refuses each, and fetches nothing to decide it.

Each is a case by name. The names are known before there is an installation: the same tables, run for a key of no worth.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from multidict import CIMultiDict

from services.auth.keys import Vault
from services.secrets import FILE
from shared.identity.claims import SESSION, TYPES, Expected
from tests.support.databases import Databases, ScratchDatabase, build_template
from tests.support.forgery import Forger, wrong_algorithms, wrong_claims, wrong_headers, wrong_kinds
from tests.support.installation import Company, Installation, installation
from tests.support.tokens import EXPECTED, claims

ROUTES = {"auth": "/users/me", "recognition": "/core_values", "quota": "/quota/me", "moderation": "/moderation/cases"}
SCOPES = "view:profile view:core_value view:quota review:recognition"
LONGEST_HEADER = 8_000
Table = Callable[[Forger, str], Iterator[tuple[str, str]]]
TABLES: dict[str, tuple[int, Table]] = {
    "s8": (60, lambda forger, _: wrong_algorithms(forger)),
    "s9": (40, wrong_headers),
    "s10": (80, lambda forger, _: wrong_claims(forger)),
    "s11": (len(TYPES) * (len(TYPES) - 1), lambda forger, _: wrong_kinds(forger)),
}
_WORTHLESS = Forger(Ed25519PrivateKey.generate(), "kid", EXPECTED, claims)
CASES = {row: [name for name, _ in table(_WORTHLESS, "http://127.0.0.1")] for row, (_, table) in TABLES.items()}


@dataclass(slots=True)
class World:
    """The installation, who has its very key, and how often somebody was asked for another one."""

    peerly: Installation
    company: Company
    forger: Forger
    listener: str
    connections: list[Any]
    forged: dict[str, dict[str, str]] = field(default_factory=dict)

    def forge(self, row: str, name: str) -> str:
        """One token of a table, all of which is made at once."""
        if row not in self.forged:
            self.forged[row] = dict(TABLES[row][1](self.forger, self.listener))
        return self.forged[row][name]

    async def statuses(self, token: str) -> dict[str, int]:
        """What each service answers to the token."""
        replies = [await self.peerly.ask("GET", path, token=token) for path in ROUTES.values()]
        return dict(zip(ROUTES, (reply.status for reply in replies), strict=True))


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    database, folder = await databases.make(build_template), tmp_path_factory.mktemp("forged")
    connections: list[Any] = []

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer.get_extra_info("peername"))
        writer.close()

    listener = await asyncio.start_server(count, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, installation(database, folder) as peerly:
        company = await peerly.company()
        kid, private = await _stolen_key(database, folder)
        forger = Forger(private, kid, await _expected(peerly, company), _claims_of(company.moderator.token), slack=300)
        yield World(peerly, company, forger, address, connections)
    await databases.drop(database)


async def _stolen_key(database: ScratchDatabase, folder: Path) -> tuple[str, Ed25519PrivateKey]:
    secret = json.loads((folder / FILE).read_text())["secret"]
    owner = await asyncpg.connect(database.admin_url)
    [row] = await owner.fetch("SELECT kid, sealed FROM auth.key_pairs")
    await owner.close()
    return row["kid"], Vault(secret).open(row["kid"], row["sealed"])


async def _expected(peerly: Installation, company: Company) -> Expected:
    """As the tokens say; links are made with the public address, which is the OAuth issuer."""
    known = _claims_of(company.moderator.token)()
    path = f"/users/{company.colleague.id}/password-reset"
    link = (await peerly.expect(201, "POST", path, token=company.admin.token))["link"]
    return Expected(known["iss"], known["aud"], link.partition("/password-resets/")[0])


def _claims_of(token: str) -> Callable[[], dict[str, Any]]:
    payload = token.split(".")[1]
    text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return lambda: dict(json.loads(text))


@pytest.mark.parametrize("kind", TYPES)
async def test_s8_the_key_makes_tokens_that_every_service_accepts(world: World, kind: str) -> None:
    """Else the tables below would prove nothing."""
    assert await world.statuses(world.forger.valid(kind, SCOPES)) == dict.fromkeys(ROUTES, 200)


def test_s8_to_s11_the_tables_are_long_enough() -> None:
    for row, (at_least, _) in TABLES.items():
        assert len(set(CASES[row])) == len(CASES[row]) >= at_least, row


async def refused_everywhere(world: World, row: str, name: str) -> None:
    token = world.forge(row, name)
    # A header that is too long is refused before anybody looks into it.
    refusals = {401} if len(token) < LONGEST_HEADER else {400, 401}
    answers = await world.statuses(token)
    assert set(answers.values()) <= refusals, answers


@pytest.mark.parametrize("name", CASES["s8"])
async def test_s8_no_other_algorithm_or_signature_is_taken(world: World, name: str) -> None:
    await refused_everywhere(world, "s8", name)


@pytest.mark.parametrize("name", CASES["s9"])
async def test_s9_no_other_header_is_taken_and_nobody_asked(world: World, name: str) -> None:
    await refused_everywhere(world, "s9", name)
    assert world.connections == []


@pytest.mark.parametrize("name", CASES["s10"])
async def test_s10_no_other_claims_are_taken(world: World, name: str) -> None:
    await refused_everywhere(world, "s10", name)


@pytest.mark.parametrize("name", CASES["s11"])
async def test_s11_no_kind_of_token_passes_for_another(world: World, name: str) -> None:
    await refused_everywhere(world, "s11", name)


async def test_s9_after_all_of_them_nobody_was_asked_by_who_would_have_been_counted(world: World) -> None:
    assert world.connections == []
    place = urlsplit(world.listener)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    assert await reader.read() == b""
    writer.close()
    assert len(world.connections) == 1


@pytest.mark.parametrize("late", [0, 20])
async def test_s10_a_token_within_the_leeway_is_taken(world: World, late: int) -> None:
    """The edges of the table above are refused for the second that they are beyond it."""
    claims_then = world.forger.claims_of(SESSION) | {"exp": int(time.time()) + 5 - late}
    assert await world.statuses(world.forger.sign(claims_then)) == dict.fromkeys(ROUTES, 200)


async def test_s8_a_refusal_tells_nothing_of_its_reason(world: World) -> None:
    for table in (wrong_algorithms(world.forger), wrong_claims(world.forger), wrong_kinds(world.forger)):
        for _, token in list(table)[::10]:
            if len(token) < LONGEST_HEADER:
                reply = await world.peerly.ask("GET", "/users/me", token=token)
                assert reply.body == {"error": {"code": "invalid_token", "message": "unauthorized user"}}


async def test_s11_no_credential_stands_in_for_another(world: World) -> None:
    """What is made for one place is worth nothing in another: links, Google's tokens and ours."""
    peerly, company = world.peerly, world.company
    path = f"/users/{company.colleague.id}/password-reset"
    link = (await peerly.expect(201, "POST", path, token=company.admin.token))["link"].rpartition("/")[2]
    google = peerly.google_token(company.employee.email)
    for bearer in (link, google, world.forger.kid, company.domain):
        assert await world.statuses(bearer) == dict.fromkeys(ROUTES, 401), bearer
    ours = [world.forger.valid(kind, SCOPES) for kind in TYPES]
    for other in (*ours, google, world.forger.kid):
        new = {"password": "quite another walrus teapot"}
        assert (await peerly.ask("POST", f"/password-resets/{other}", body=new)).status == 400
    for other in (*ours, link):
        assert (await peerly.ask("POST", "/oauth/google", body={"access_token": other})).status == 401
        login = {"username": company.colleague.email, "password": other[:1024]}
        assert (await peerly.ask("POST", "/login", body=login)).status == 401


@pytest.mark.parametrize("header", ["Basic {}", "Token {}", "{}", "Bearer", "Bearer {}, Bearer {}", "Bearer \t{}"])
async def test_s9_only_one_bearer_token_in_the_header_is_a_credential(world: World, header: str) -> None:
    valid = world.forger.valid(SESSION)
    for path in ROUTES.values():
        reply = await world.peerly.ask("GET", path, headers={"Authorization": header.format(valid, valid)})
        assert reply.status == 401


@pytest.mark.parametrize("first", ["valid", "other", "nothing", "the same"])
async def test_s9_of_two_authorization_headers_none_is_a_credential(world: World, first: str) -> None:
    """Who is in between might have looked at the other one."""
    valid = world.forger.valid(SESSION)
    values = {"valid": (valid, "other"), "other": ("other", valid), "nothing": ("", valid), "the same": (valid, valid)}
    headers = CIMultiDict([("Authorization", f"Bearer {value}") for value in values[first]])
    for path in ROUTES.values():
        assert (await world.peerly.ask("GET", path, headers=headers)).status == 401


async def test_s9_a_token_outside_of_the_header_is_none(world: World) -> None:
    valid = world.forger.valid(SESSION)
    for path in ROUTES.values():
        for name in ("access_token", "token", "jwt"):
            assert (await world.peerly.ask("GET", path, params={name: valid})).status == 401
            assert (await world.peerly.ask("GET", path, headers={"Cookie": f"{name}={valid}"})).status == 401
        for name in ("X-User-Id", "X-Forwarded-User", "X-Org-Id", "X-Access-Token"):
            assert (await world.peerly.ask("GET", path, headers={name: valid[:500]})).status == 401
