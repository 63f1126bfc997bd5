"""Identity providers over HTTP: who may set them up, and how their keys come."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.contracts.providers import IdentityProviderChanged
from tests.component.auth.providing import (
    COMING,
    REFUSED,
    add,
    answered,
    has_status,
    path,
    ready,
    state_is,
)
from tests.component.auth.world import World
from tests.support.identity_provider import AUDIENCE, IdentityProvider, jwk_of, serving
from tests.support.waiting import eventually


async def test_an_admin_trusts_a_provider_and_its_keys_come(world: World, idp: IdentityProvider) -> None:
    added = await add(world, idp)
    assert added == {
        "id": added["id"],
        "issuer": idp.address,
        "audience": AUDIENCE,
        "jwks_uri": None,
        "email_claim": None,
        "state": "ready",
        "failure": None,
        "key_ids": ["first"],
        "fetched_at": added["fetched_at"],
        "created_at": added["created_at"],
        "last_used_at": None,
    }
    assert (await world.get("ada", path(world, added["id"]))).data == added
    assert idp.asked == ["/.well-known/openid-configuration", "/keys"]
    told = await world.told(IdentityProviderChanged)
    assert [(event["org_id"], event["version"], len(event["keys"])) for event in told] == [
        (world.acme, 1, 0),
        (world.acme, 2, 1),
    ]
    assert told[-1]["domains"] == ["acme.test"]


async def test_a_removed_provider_is_trusted_no_more(world: World, idp: IdentityProvider) -> None:
    added = await ready(world, idp)
    token = idp.token("emil@acme.test")
    assert (await answered(world, token)).status == 200
    made = {"name": "made with it", "expires_at": int(time.time()) + 300}
    offspring = (await world.post(token, "/users/me/tokens", made)).data["token"]
    assert (await world.get(offspring, "/users/me")).status == 200
    assert (await world.delete("ada", path(world, added["id"]))).status == 204
    assert (await world.get(token, "/users/me")).code == REFUSED
    assert (await world.get(offspring, "/users/me")).code == REFUSED
    assert (await world.get("ada", path(world, added["id"]))).status == 404
    await ready(world, idp)
    again = idp.token("emil@acme.test", sub="a new subject", jti="new")
    assert (await answered(world, again)).data["id"] == world.id_of("emil")


async def test_a_changed_audience_ends_tokens_for_the_one_before(world: World, idp: IdentityProvider) -> None:
    added = await ready(world, idp)
    token = idp.token("emil@acme.test")
    assert (await answered(world, token)).status == 200
    changed = await world.ask("ada", "PATCH", path(world, added["id"]), {"audience": "another"})
    assert (changed.status, changed.data["audience"]) == (200, "another")
    await eventually(lambda: has_status(world, token, 401), within=1)
    assert (await answered(world, idp.token("emil@acme.test", aud="another"))).status == 200
    assert (await answered(world, idp.token("emil@acme.test", aud=["another"]))).status == 200
    assert (await answered(world, idp.token("emil@acme.test", aud=["another", "x"]))).code == REFUSED


async def test_keys_of_a_place_that_is_no_longer_named_count_no_more(world: World, idp: IdentityProvider) -> None:
    """Also while nobody answers at the new one: the old keys may be why it was changed."""
    added = await ready(world, idp)
    token, one = idp.token("emil@acme.test"), path(world, added["id"])
    assert (await answered(world, token)).status == 200
    idp.instead = idp.fails
    changed = await world.ask("ada", "PATCH", one, {"jwks_uri": f"{idp.address}/other-keys"})
    assert (changed.status, changed.data["key_ids"], changed.data["state"]) == (200, [], "pending")
    assert [event["keys"] for event in await world.told(IdentityProviderChanged)][-1] == []
    await eventually(lambda: has_status(world, token, 503), within=1)
    assert (await world.get(idp.token("emil@acme.test", jti="fresh"), "/users/me")).code == COMING
    await eventually(lambda: state_is(world, added["id"], "failing"))
    idp.instead = None
    assert (await world.ask("ada", "PATCH", one, {"jwks_uri": None})).data["failure"] is None
    assert (await answered(world, token)).status == 200
    kept = (await world.ask("ada", "PATCH", one, {"email_claim": "email"})).data
    assert (kept["key_ids"], kept["state"]) == (["first"], "ready")


async def test_what_admins_may_do_and_others_not(world: World, idp: IdentityProvider) -> None:
    added = await add(world, idp)
    body = {"issuer": idp.address, "audience": "other"}
    for who, status in {"emil": 403, "mona": 403, "gus": 404, None: 401}.items():
        one = path(world, added["id"])
        assert (await world.post(who, path(world), body)).status == status, who
        assert (await world.get(who, path(world))).status == status, who
        assert (await world.get(who, one)).status == status, who
        assert (await world.ask(who, "PATCH", one, {"audience": "x"})).status == status, who
        assert (await world.delete(who, one)).status == status, who
    for who in ("ada", "root"):
        assert [one["id"] for one in (await world.get(who, path(world))).data] == [added["id"]]
    gus = path(world, added["id"], org_id=world.globex)
    assert (await world.get("gus", gus)).code == (await world.get("gus", path(world, 99, org_id=world.globex))).code
    assert (await world.get("root", path(world, org_id=99_999))).status == 404
    assert (await world.post("root", path(world, org_id=99_999), body)).status == 404


async def test_a_narrowed_credential_makes_itself_no_way_to_all_rights(world: World, idp: IdentityProvider) -> None:
    body = {"name": "narrow", "expires_at": int(time.time()) + 300, "scopes": ["update:organisation"]}
    narrow = (await world.post("ada", "/users/me/tokens", body)).data["token"]
    trusted = {"issuer": idp.address, "audience": AUDIENCE}
    assert (await world.get(narrow, path(world))).status == 200
    assert (await world.post(narrow, path(world), trusted)).code == (403, "access_denied")


async def test_an_issuer_with_an_audience_is_one_provider_of_an_organisation(
    world: World, idp: IdentityProvider
) -> None:
    first, taken = await add(world, idp), {"issuer": idp.address, "audience": AUDIENCE}
    assert (await world.post("ada", path(world), taken)).code == (409, "conflict")
    await add(world, idp, audience="another")
    changed = await world.ask("ada", "PATCH", path(world, first["id"]), {"audience": "another"})
    assert changed.code == (409, "conflict")
    other_issuer = await world.ask("ada", "PATCH", path(world, first["id"]), {"issuer": "https://other.example"})
    assert (other_issuer.status, list(other_issuer.error["fields"])) == (400, ["issuer"])


async def test_whom_others_trust_is_not_told_and_each_provider_speaks_for_its_own_people(
    world: World, idp: IdentityProvider
) -> None:
    """Both name the same issuer and audience; Globex has the keys fetched from a place of its own."""
    await ready(world, idp)
    for token in (idp.token("gina@globex.test"), idp.token("gina@globex.test", sub="x")):
        assert (await answered(world, token)).code == REFUSED
    async with serving() as own:
        theirs = {"issuer": idp.address, "audience": AUDIENCE, "jwks_uri": f"{own.address}/keys"}
        assert (await world.post("gus", path(world, org_id=world.globex), theirs)).data["state"] == "ready"
        tokens = {
            "emil": idp.token("emil@acme.test", sub="same"),
            "gina": own.token("gina@globex.test", sub="same", iss=idp.address),
        }
        for name, token in tokens.items():
            assert (await answered(world, token)).data["id"] == world.id_of(name)
        wrong = {
            "Acme's people by the keys of Globex": own.token("emil@acme.test", iss=idp.address),
            "people of Globex by Acme's keys": idp.token("gina@globex.test", jti="other"),
            "nobody's": idp.token("emil@elsewhere.test"),
            "no address": idp.token("emil@acme.test", email=None),
        }
        for what, token in wrong.items():
            assert (await answered(world, token)).code == REFUSED, what
        assert (await world.delete("gus", path(world, 2, org_id=world.globex))).status == 204
        assert (await world.get(tokens["gina"], "/users/me")).code == REFUSED
        assert (await world.get(tokens["emil"], "/users/me")).status == 200


async def test_only_so_many_and_only_the_present_version(world: World, idp: IdentityProvider) -> None:
    added = await asyncio.gather(*(add(world, idp, audience=f"audience-{number}") for number in range(20)))
    full = await world.post("ada", path(world), {"issuer": idp.address, "audience": "one-more"})
    assert full.code == (409, "conflict")
    one = path(world, added[-1]["id"])
    tag = (await world.get("ada", one)).headers["ETag"]
    assert (await world.ask("ada", "PATCH", one, {"email_claim": "upn"}, If_Match=tag)).status == 200
    assert (await world.ask("ada", "PATCH", one, {"email_claim": None}, If_Match=tag)).status == 412
    assert (await world.delete("ada", one, If_Match=tag)).status == 412
    assert (await world.delete("ada", one)).status == 204


WRONG_BODIES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"issuer", "audience"}),
    ({"issuer": "https://idp.example"}, {"audience"}),
    ({"issuer": 7, "audience": "x"}, {"issuer"}),
    ({"issuer": "not an address", "audience": "x"}, {"issuer"}),
    ({"issuer": "ftp://idp.example", "audience": "x"}, {"issuer"}),
    ({"issuer": "https://idp.example?x=1", "audience": "x"}, {"issuer"}),
    ({"issuer": "https://idp.example#x", "audience": "x"}, {"issuer"}),
    ({"issuer": "https://user@idp.example", "audience": "x"}, {"issuer"}),
    ({"issuer": "https://peerly.test", "audience": "x"}, {"issuer"}),
    ({"issuer": "https://peerly.test/", "audience": "x"}, {"issuer"}),
    ({"issuer": "https://idp.example", "audience": ""}, {"audience"}),
    ({"issuer": "https://idp.example", "audience": ["x"]}, {"audience"}),
    ({"issuer": "https://idp.example", "audience": "x", "jwks_uri": "file:///etc/passwd"}, {"jwks_uri"}),
    ({"issuer": "https://idp.example", "audience": "x", "email_claim": "e mail"}, {"email_claim"}),
    ({"issuer": "https://idp.example", "audience": "x", "email_claim": 1}, {"email_claim"}),
]


async def test_wrong_bodies_name_what_is_wrong(world: World) -> None:
    for body, fields in WRONG_BODIES:
        reply = await world.post("ada", path(world), body)
        assert (reply.status, set(reply.error["fields"])) == (400, fields), body


SHORT = 1024
BAD_KEY_SETS: dict[str, Any] = {
    "no list": {"keys": {}},
    "nothing": {},
    "no keys": {"keys": []},
    "no objects": {"keys": [None, 1, "x", []]},
    "a secret": {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "HS256"}]},
    "a short RSA key": {"keys": [jwk_of(rsa.generate_private_key(65537, SHORT), "a", "RS256")]},
    "a key to encrypt": {"keys": [jwk_of(ec.generate_private_key(ec.SECP256R1()), "a", None, use="enc")]},
    "another curve": {"keys": [jwk_of(ec.generate_private_key(ec.SECP384R1()), "a", "ES384")]},
    "an algorithm of another kind": {"keys": [jwk_of(ec.generate_private_key(ec.SECP256R1()), "a", "RS256")]},
    "an empty kid": {"keys": [jwk_of(ec.generate_private_key(ec.SECP256R1()), "", "ES256")]},
    "a kid that is no text": {"keys": [{**jwk_of(ec.generate_private_key(ec.SECP256R1()), None, "ES256"), "kid": 7}]},
    "a private key": {"keys": [jwk_of(ec.generate_private_key(ec.SECP256R1()), "a", "ES256", d="AAAA")]},
    "a kid twice": {"keys": [jwk_of(ec.generate_private_key(ec.SECP256R1()), "a", "ES256") for _ in range(2)]},
    "no point": {"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": "AAAA", "y": "AAAA"}]},
    "numbers that are none": {"keys": [{"kty": "RSA", "kid": "a", "n": 7, "e": None}]},
    "a huge number": {"keys": [{"kty": "RSA", "kid": "a", "n": "A" * 5000, "e": "AQAB"}]},
    "no base64": {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "\u00e9"}]},
    "a list as type": {"keys": [{"kty": ["EC"], "kid": "a"}]},
}


async def test_key_sets_without_a_strong_key_are_no_keys(world: World, idp: IdentityProvider) -> None:
    added = await ready(world, idp)
    for what, document in BAD_KEY_SETS.items():
        idp.documents["keys"] = document
        await _ask_again(world, added["id"])
        found = (await world.get("ada", path(world, added["id"]))).data
        assert (found["state"], found["key_ids"]) == ("failing", ["first"]), what
    idp.documents.clear()
    await _ask_again(world, added["id"])
    assert (await world.get("ada", path(world, added["id"]))).data["state"] == "ready"


async def _ask_again(world: World, provider_id: int) -> None:
    query = "UPDATE auth.identity_providers SET due_at = now(), failure = 'asked by the test' WHERE id = $1"
    await world.owner.execute(query, provider_id)
    query = "SELECT failure IS DISTINCT FROM 'asked by the test' FROM auth.identity_providers WHERE id = $1"
    await eventually(lambda: world.owner.fetchval(query, provider_id))


async def test_only_a_plain_answer_of_the_issuer_itself_is_believed(world: World, idp: IdentityProvider) -> None:
    async def redirects(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{idp.address}/keys")

    async def floods(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"{" + b" " * 70_000 + b"}")

    async def squeezes(_: web.Request) -> web.StreamResponse:
        response = web.json_response({"keys": []})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def babbles(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>")

    added = await ready(world, idp)
    wrong: list[dict[str, Any]] = [
        {"issuer": f"{idp.address}/", "jwks_uri": f"{idp.address}/keys"},
        {"issuer": "https://other.example", "jwks_uri": f"{idp.address}/keys"},
        {"jwks_uri": f"{idp.address}/keys"},
        {"issuer": idp.address},
        {"issuer": idp.address, "jwks_uri": 7},
        {"issuer": idp.address, "jwks_uri": "file:///etc/passwd"},
        {"issuer": idp.address, "jwks_uri": "/keys"},
    ]
    for document in wrong:
        idp.documents["discovery"] = document
        await _ask_again(world, added["id"])
        assert (await world.get("ada", path(world, added["id"]))).data["state"] == "failing", document
    idp.documents.clear()
    for instead in (redirects, floods, squeezes, babbles):
        idp.instead = instead
        await _ask_again(world, added["id"])
        assert (await world.get("ada", path(world, added["id"]))).data["state"] == "failing", instead.__name__


async def test_a_provider_that_hangs_keeps_nobody_waiting(world: World, idp: IdentityProvider) -> None:
    idp.instead = idp.hangs
    began = time.monotonic()
    added = await add(world, idp)
    assert (added["state"], time.monotonic() - began < 4) == ("pending", True)
    token = idp.token("emil@acme.test")
    await eventually(lambda: has_status(world, token, 503))
    again = await world.post("ada", path(world), {"issuer": idp.address, "audience": "x"}, Idempotency_Key="once")
    replayed = await world.post("ada", path(world), {"issuer": idp.address, "audience": "x"}, Idempotency_Key="once")
    assert (replayed.status, replayed.data["id"]) == (201, again.data["id"])
    await eventually(lambda: state_is(world, added["id"], "failing"))
    idp.instead = None
    world.clock.ahead = timedelta(seconds=31)
    assert (await answered(world, token)).status == 200


async def test_given_keys_need_no_discovery(world: World, idp: IdentityProvider) -> None:
    idp.documents["discovery"] = {"issuer": "nobody"}
    await ready(world, idp, jwks_uri=f"{idp.address}/keys")
    assert idp.asked == ["/keys"]
    assert (await answered(world, idp.token("emil@acme.test"))).status == 200
