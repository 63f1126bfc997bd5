"""Tokens of an organisation's identity provider as bearer tokens: whose they are, and when they are refused."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.contracts.auth import UserJoined
from shared.contracts.providers import ExternalIdentityResolved, ExternalIdentitySeen
from shared.errors import InvalidToken
from shared.identity.external import ExternalTokens
from tests.component.auth.providing import (
    A_PAUSE,
    COMING,
    REFUSED,
    answered,
    has_status,
    is_failing,
    path,
    ready,
)
from tests.component.auth.world import World
from tests.support.identity_provider import IdentityProvider, jwk_of
from tests.support.waiting import eventually


async def test_a_first_token_makes_an_employee_like_a_first_sign_in_with_google(
    world: World, idp: IdentityProvider
) -> None:
    await ready(world, idp)
    token = idp.token("Grace@Acme.test")
    assert (await world.get(token, "/users/me")).code == COMING
    me = (await answered(world, token)).data
    assert (me["email"], me["first_name"], me["last_name"], me["role_id"], me["org_id"], me["hi5_quota_balance"]) == (
        "Grace@Acme.test", "Grace", "Hopper", 3, world.acme, 10,
    )  # fmt: skip
    assert len(await world.told(UserJoined, email="Grace@Acme.test")) == 1
    assert len(await world.told(ExternalIdentitySeen, email="Grace@Acme.test")) == 1
    whoami = (await world.get(token, "/whoami")).data
    assert (whoami["kind"], whoami["user"]["id"]) == ("external", me["id"])
    assert (await answered(world, idp.token("grace@ACME.test"))).data["id"] == me["id"]


async def test_somebody_who_is_there_already_is_found_and_used_shows_at_the_provider(
    world: World, idp: IdentityProvider
) -> None:
    added = await ready(world, idp)
    me = (await answered(world, idp.token("mona@acme.test"))).data
    assert (me["id"], me["role_id"]) == (world.id_of("mona"), 4)
    assert not await world.told(UserJoined, email="mona@acme.test", version=2)

    async def used() -> bool:
        found = (await world.get("ada", path(world, added["id"]))).data
        return bool(abs((found["last_used_at"] or 0) - time.time()) < 10)

    await eventually(used)


async def test_simultaneous_first_tokens_make_one_person(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token = idp.token("grace@acme.test")
    replies = await asyncio.gather(*(answered(world, token) for _ in range(32)))
    assert len({reply.data["id"] for reply in replies}) == 1
    assert len(await world.told(UserJoined, email="grace@acme.test")) == 1
    assert len(await world.told(ExternalIdentitySeen)) == 1


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_each_algorithm_is_accepted_for_its_own_key(world: World, idp: IdentityProvider, algorithm: str) -> None:
    idp.rotate("only", algorithm)
    await ready(world, idp)
    assert (await answered(world, idp.token("emil@acme.test"))).data["id"] == world.id_of("emil")


async def test_another_subject_for_the_same_address_is_refused(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    assert (await answered(world, idp.token("emil@acme.test"))).status == 200
    other = idp.token("emil@acme.test", sub="somebody else")
    assert (await answered(world, other)).code == REFUSED
    assert (await answered(world, idp.token("emil@acme.test"))).status == 200
    assert await world.told(ExternalIdentityResolved, sub="somebody else", user_id=None)


NOBODYS: dict[str, dict[str, Any]] = {
    "of another organisation's domain": {"email": "gina@globex.test"},
    "of a super admin": {"email": "root@peerly.test"},
    "unverified": {"email_verified": False},
    "verified in other words": {"email_verified": "yes"},
    "without a word on verification": {"email_verified": None},
    "without an address": {"email": None},
    "for another audience": {"aud": "other"},
    "of another issuer": {"iss": "https://other.example"},
    "without an issuer": {"iss": None},
    "expired": {"exp": int(time.time()) - 60},
    "not yet valid": {"nbf": int(time.time()) + 300},
    "of the future": {"iat": int(time.time()) + 300},
}
FOREIGN_ADDRESSES = [
    "x@evil-acme.test", "x@acme.test.evil.example", "x@sub.acme.test", "x@acme.tes", "x@acme.testt", "x@acmetest",
    "x@\u0430cme.test", "x@a\u0441me.test", "x@xn--cme-7cd.test", "x@\uff41cme.test", "x@acme\u3002test",
    "x@acme.te\u017ft", "x@acme.test.", "x@.acme.test", "x@acme..test", "x@evil.example@acme.test",
    '"x@evil.example"@acme.test', "x y@acme.test", "@acme.test", "x@", "acme.test", "x@acme.test\n", "x@acme.test\0",
    "x@acme.test ", " x@acme.test", "x,y@acme.test", "<x@acme.test>", "x@[127.0.0.1]", "x@acme.test,evil.example",
    "x@acme.test;y@evil.example", "x@acme.test%00.evil.example", "x@%61cme.test",
]  # fmt: skip


async def test_tokens_that_prove_nothing_here_are_refused(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    for what, changes in NOBODYS.items():
        reply = await answered(world, idp.token("emil@acme.test", **changes))
        assert reply.code == REFUSED, what
    for email in FOREIGN_ADDRESSES:
        assert (await answered(world, idp.token("x", email=email))).code == REFUSED, email
    assert not await world.told(ExternalIdentitySeen)


async def test_a_moved_domain_is_no_longer_the_organisations(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token = idp.token("emil@acme.test")
    assert (await answered(world, token)).status == 200
    moved = {"domain_names": ["acme.example"]}
    assert (await world.ask("ada", "PATCH", f"/organisations/{world.acme}", moved)).status == 200
    await eventually(lambda: has_status(world, token, 401))
    assert (await answered(world, idp.token("new@acme.example"))).status == 200


async def test_an_address_claim_of_the_admins_choice_needs_no_second_word(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp, email_claim="upn")
    token = idp.token("someone@elsewhere.test", upn="emil@acme.test", email_verified=None)
    assert (await answered(world, token)).data["id"] == world.id_of("emil")
    assert (await answered(world, idp.token("mona@acme.test"))).code == REFUSED


async def test_signing_out_refuses_exactly_this_token(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token, other = idp.token("emil@acme.test"), idp.token("emil@acme.test", jti="another")
    assert (await answered(world, token)).status == (await answered(world, other)).status == 200
    assert (await world.post(token, "/logout")).status == 200
    assert (await world.get(token, "/users/me")).code == REFUSED
    assert (await world.get(other, "/users/me")).status == 200


async def test_a_token_that_was_signed_out_stays_so_when_its_provider_is_added_anew(
    world: World, idp: IdentityProvider
) -> None:
    added = await ready(world, idp)
    token, other = idp.token("emil@acme.test"), idp.token("emil@acme.test", jti="another")
    assert (await answered(world, token)).status == 200
    assert (await world.post(token, "/logout")).status == 200
    assert (await world.delete("ada", path(world, added["id"]))).status == 204
    await ready(world, idp)
    assert (await answered(world, token)).code == REFUSED
    assert (await answered(world, other)).status == 200


async def test_who_leaves_is_refused_at_once_and_who_comes_back_is_not(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token = idp.token("emil@acme.test")
    assert (await answered(world, token)).status == 200
    assert (await world.delete("ada", f"/users/{world.id_of('emil')}")).status == 200
    assert (await world.get(token, "/users/me")).code == REFUSED
    assert (await world.post("ada", f"/users/{world.id_of('emil')}/restore")).status == 200
    await eventually(partial(has_status, world, token, 200), within=3)


async def test_another_role_holds_from_the_next_request_on(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token = idp.token("emil@acme.test")
    assert (await answered(world, token)).data["role_id"] == 3
    assert (await world.get(token, f"/users/{world.id_of('mona')}")).status == 403
    assert (await world.put("ada", f"/users/{world.id_of('emil')}", {"role_id": 2})).status == 200
    assert (await world.get(token, f"/users/{world.id_of('mona')}")).status == 200


async def test_a_new_password_lets_the_token_live(world: World, idp: IdentityProvider) -> None:
    """It ends what Peerly has issued; the provider's tokens are its own to end, or to be signed out here."""
    await ready(world, idp)
    token = idp.token("emil@acme.test")
    assert (await answered(world, token)).status == 200
    body = {"current": "unrelated walrus teapot", "new": "quite another walrus teapot"}
    assert (await world.put("emil", "/users/me/password", body)).status == 200
    assert (await world.get("emil", "/users/me")).code == REFUSED
    assert (await world.get(token, "/users/me")).status == 200


async def test_a_suspended_organisations_tokens_are_refused(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token = idp.token("emil@acme.test")
    assert (await answered(world, token)).status == 200
    for status, expected in (("SUSPENDED", 401), ("ACTIVE", 200)):
        changed = await world.ask("root", "PATCH", f"/organisations/{world.acme}", {"status": status})
        assert changed.status == 200
        assert (await world.get(token, "/users/me")).status == expected


async def test_a_new_key_is_fetched_when_a_token_names_it(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    assert (await answered(world, idp.token("emil@acme.test"))).status == 200
    idp.rotate("second")
    world.clock.ahead = A_PAUSE
    assert (await answered(world, idp.token("emil@acme.test"))).status == 200


async def test_unknown_keys_cost_one_look_and_are_refused_after_it(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    before = len(idp.asked)
    world.clock.ahead = A_PAUSE
    known = idp.keys["first"]
    for number in range(20):
        idp.keys[f"no-such-{number}"] = known
    tokens = [idp.token("emil@acme.test", kid=f"no-such-{number}") for number in range(20)]
    idp.rotate("second")
    replies = await asyncio.gather(*(world.get(token, "/users/me") for token in tokens))
    assert {reply.code for reply in replies} == {COMING}
    assert {reply.code for reply in await asyncio.gather(*(answered(world, token) for token in tokens))} == {REFUSED}
    assert len(idp.asked) == before + 2


async def test_a_provider_with_one_key_need_not_name_it(world: World, idp: IdentityProvider) -> None:
    """Neither in its tokens nor in its key set; a signature of another key is a key that is missed."""
    private = idp.keys["first"][1]
    idp.documents["keys"] = {"keys": [jwk_of(private, None, None)]}
    await ready(world, idp)
    assert (await answered(world, idp.token("emil@acme.test", header={"kid": None}))).status == 200
    idp.rotate("second")
    fresh = idp.token("mona@acme.test", header={"kid": None})
    world.clock.ahead = A_PAUSE
    assert (await world.get(fresh, "/users/me")).code == COMING
    assert (await answered(world, fresh)).code == REFUSED
    idp.documents["keys"] = {"keys": [jwk_of(private, "old", None), jwk_of(idp.keys["second"][1], "new", None)]}
    world.clock.ahead = 8 * A_PAUSE
    assert (await answered(world, idp.token("mona@acme.test", header={"kid": None}))).code == REFUSED
    assert (await answered(world, idp.token("mona@acme.test", header={"kid": "new"}))).status == 200


async def test_an_ill_provider_ends_no_token_with_a_known_key(world: World, idp: IdentityProvider) -> None:
    added = await ready(world, idp)
    known, signing = idp.token("emil@acme.test"), dict(idp.keys)
    for ill in (idp.hangs, idp.fails):
        idp.instead = ill
        idp.rotate(f"second {ill.__name__}")
        world.clock.ahead += A_PAUSE
        assert (await world.get(idp.token("emil@acme.test"), "/users/me")).code == COMING
        await eventually(lambda: is_failing(world, added["id"]), within=8)
        assert (await world.get(idp.token("emil@acme.test"), "/users/me")).code == COMING
        assert (await answered(world, known)).status == 200
    idp.instead, idp.keys = None, signing
    assert (await answered(world, idp.token("mona@acme.test"))).status == 200


async def test_a_wrong_method_tells_no_more_than_a_wrong_token(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    for verified, status in ((True, 503), (False, 401)):
        reply = await world.ask(idp.token("new@acme.test", email_verified=verified), "PATCH", "/users/me")
        assert reply.status == status


def verifying(world: World) -> ExternalTokens:
    external = world.context.external
    assert external is not None
    return external


async def test_a_token_that_was_here_before_needs_no_database(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token = idp.token("mona@acme.test")
    assert (await answered(world, token)).status == 200
    for ahead in (0, 30, 90):
        world.clock.ahead = timedelta(seconds=ahead)
        async with world.owner.transaction():
            await world.owner.execute("LOCK TABLE external_identities, users IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(0.5):
                assert (await verifying(world).verify(token)).user_id == world.id_of("mona")


async def test_whom_a_token_speaks_of_is_looked_up_again_beside_the_requests(
    world: World, idp: IdentityProvider
) -> None:
    await ready(world, idp)
    token = idp.token("mona@acme.test")
    assert (await answered(world, token)).status == 200
    await world.owner.execute("UPDATE users SET soft_delete_at = now() WHERE email = 'mona@acme.test'")
    assert (await verifying(world).verify(token)).user_id == world.id_of("mona")
    world.clock.ahead = timedelta(seconds=61)

    async def is_refused() -> bool:
        try:
            await verifying(world).verify(token)
        except InvalidToken:
            return True
        return False

    await eventually(is_refused)


async def test_a_refused_token_is_looked_up_once_a_second_at_most(world: World, idp: IdentityProvider) -> None:
    await ready(world, idp)
    token = idp.token("mona@acme.test")
    assert (await answered(world, token)).status == 200
    assert (await world.delete("ada", f"/users/{world.id_of('mona')}")).status == 200
    await eventually(partial(has_status, world, token, 401))
    external = verifying(world)
    with pytest.raises(InvalidToken):
        await external.verify(token)
    async with world.owner.transaction():
        await world.owner.execute("LOCK TABLE external_identities, users IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(0.5):
            for _ in range(20):
                with pytest.raises(InvalidToken):
                    await external.verify(token)
