"""Keys of programs: what of them is kept, and what each scope opens (S21)."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator

import asyncpg
import jwt
import pytest

from shared.identity.roles import PERMISSIONS, SCOPES, Role
from tests.support.databases import Databases
from tests.support.kinds import KINDS, PLACES, World, holding
from tests.support.walk import OPERATIONS, UNKNOWN_ID, refusal

HOUR = 3600
AT_ONCE = 8
LIMITED = [one for one in OPERATIONS if one.permission in SCOPES]
PATHS = {"API key": "/api-keys", "personal token": "/users/me/tokens"}
CLOSED_ALL_THE_SAME = {
    ("GET /quota/users/{id}/ledger", "view:quota"): "opens one's own",
}

# What a dump could offer to try: signed tokens, and random words of more than a hundred bits.
_TOKEN = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
_WORD = re.compile(r"(?<![\w-])[\w-]{20,86}(?![\w-])")


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with holding(databases, tmp_path_factory.mktemp("rest")) as made:
        yield made


@pytest.fixture(scope="module")
async def dump(world: World) -> dict[str, str]:
    """Every table of every schema as text; bytes that are text are written out besides."""
    owner = await asyncpg.connect(world.database.admin_url)
    names = await owner.fetch(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
    )
    texts = {
        row["name"]: await owner.fetchval(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {row['name']} AS t")
        for row in names
    }
    await owner.close()
    return {name: f"{text}\n{_bytes_of(text)}" for name, text in texts.items()}


def _bytes_of(text: str) -> str:
    found = re.findall(r"\\x((?:[0-9a-f]{2})+)", text)
    return "\n".join(bytes.fromhex(one).decode("latin-1") for one in found)


def _spellings(secret: str) -> list[str]:
    """As it is, its last part, and both in hexadecimal."""
    parts = [secret, secret.rsplit(".", 1)[-1]]
    return [*parts, *(part.encode().hex() for part in parts)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Google's token"])
def test_s21_no_credential_is_in_the_dump(world: World, dump: dict[str, str], kind: str) -> None:
    spellings = _spellings(world.held[kind])
    assert [name for name, text in dump.items() if any(one in text for one in spellings)] == []


def test_s21_the_dump_has_what_it_may_have(world: World, dump: dict[str, str]) -> None:
    """Hashes and prefixes: the scan looks at the right tables."""
    everything = "".join(dump.values())
    assert hashlib.sha256(world.held["refresh token"].encode()).hexdigest() in everything
    assert jwt.decode(world.held["API key"], options={"verify_signature": False})["jti"] in everything
    assert len(dump) > 30


async def test_s21_nothing_in_the_dump_can_be_used(world: World, dump: dict[str, str]) -> None:
    """Whatever looks like a credential is tried in every place where one is taken."""
    kept = "\n".join(text for name, text in dump.items() if name.startswith("auth."))
    words = {*_TOKEN.findall(kept), *_WORD.findall(kept)}
    assert len(words) > 50
    places = asyncio.Semaphore(AT_ONCE)

    async def usable(word: str, place: str) -> str | None:
        async with places:
            statuses = await PLACES[place](world, word)
        assert max(statuses) < 500
        return None if min(statuses) >= 400 else f"{word} as {place}"

    tries = [usable(word, place) for word in words for place in PLACES if place != "password"]
    assert [one for one in await asyncio.gather(*tries) if one] == []


async def test_s21_a_key_is_shown_once(world: World) -> None:
    token = world.company.admin.token
    body = {"name": "Once", "scopes": ["view:user"], "expires_at": int(time.time()) + HOUR}
    made = await world.peerly.expect(201, "POST", "/api-keys", token=token, body=body)
    for path in (f"/api-keys/{made['id']}", "/api-keys"):
        reply = await world.peerly.ask("GET", path, token=token)
        assert reply.status == 200
        assert not any(one.encode() in reply.raw for one in _spellings(made["key"]))


async def test_s21_a_key_has_128_random_bits_of_its_own(world: World) -> None:
    body = {"name": "Random", "scopes": ["view:user"], "expires_at": int(time.time()) + HOUR}
    seen = set()
    for _ in range(20):
        made = await world.peerly.expect(201, "POST", "/api-keys", token=world.company.admin.token, body=body)
        random = jwt.decode(made["key"], options={"verify_signature": False})["jti"].split(".", 1)[1]
        assert len(random) * 6 >= 128
        seen.add(random)
        await world.peerly.expect(204, "DELETE", f"/api-keys/{made['id']}", token=world.company.admin.token)
    assert len(seen) == 20


@pytest.mark.parametrize("scope", sorted(SCOPES))
@pytest.mark.parametrize("kind", PATHS)
async def test_s21_a_scope_opens_its_routes_and_no_other(world: World, kind: str, scope: str) -> None:
    """Of things that are not there: what is told apart is only whether the permission was missing."""
    admin = world.company.admin.token
    maker = admin if scope in PERMISSIONS[Role.ORGANISATION_ADMIN] else (await world.peerly.super_admin()).token
    body = {"name": "Narrow", "scopes": [scope], "expires_at": int(time.time()) + HOUR}
    made = await world.peerly.expect(201, "POST", PATHS[kind], token=maker, body=body)
    wrong = []
    for operation in LIMITED:
        path = operation.at(defaultdict(lambda: UNKNOWN_ID))
        reply = await world.peerly.ask(operation.method, path, token=made.get("key") or made["token"])
        assert reply.status in {200, 400, 403, 404, 409, 415}, (operation.name, reply.raw)
        is_closed = reply.status == 403 and reply.body == refusal(operation, "access_denied", "Permission required")
        is_opened = operation.permission == scope and (operation.name, scope) not in CLOSED_ALL_THE_SAME
        if is_closed == is_opened:
            wrong.append((operation.name, reply.status))
    assert wrong == []
