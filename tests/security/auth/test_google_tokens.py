"""Access tokens of Google that prove nothing here, and the one person that each mailbox is (S14)."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from shared.contracts.auth import UserJoined
from tests.component.auth.world import World
from tests.support.google import CLIENT_ID

UNAUTHORIZED = {"code": "invalid_token", "message": "unauthorized user"}
AT_ONCE = 32
_people = (f"person-{number}@acme.test" for number in count())

NOT_OURS: dict[str, dict[str, Any]] = {
    "made for another application": {"token": {"aud": "other.apps.example", "azp": "other.apps.example"}},
    "of another application's audience": {"token": {"aud": "other.apps.example"}},
    "asked for by another application": {"token": {"azp": "other.apps.example"}},
    "without an audience": {"token": {"aud": None, "azp": None}},
    "with our audience among others": {"token": {"aud": [CLIENT_ID, "other.apps.example"]}},
    "whose audience only starts like ours": {"token": {"aud": CLIENT_ID + ".evil.example"}},
    "of another issuer": {"token": {"iss": "https://accounts.evil.example"}},
    "that has expired": {"token": {"exp": "1000000000"}},
    "that expires now": {"token": {"expires_in": "0"}},
    "that expired long ago": {"token": {"expires_in": "-5"}},
    "with an expiry that is no number": {"token": {"exp": "tomorrow"}},
    "with an unverified address": {"token": {"email_verified": "false"}},
    "with an address unverified in the profile": {"person": {"email_verified": False}},
    "with an address verified in other words": {"token": {"email_verified": "yes"}},
    "without a word on verification": {"token": {"email_verified": None}, "person": {"email_verified": None}},
    "of two subjects": {"person": {"sub": "another"}},
    "without a subject": {"token": {"sub": None}, "person": {"sub": None}},
    "of two addresses": {"person": {"email": "root@acme.test"}},
    "without an address": {"token": {"email": None}, "person": {"email": None}},
    "with an address that is no text": {
        "token": {"email": ["grace@acme.test"]},
        "person": {"email": ["grace@acme.test"]},
    },
}


FOREIGN_ADDRESSES = [
    "x@evil-acme.test",
    "x@acme.test.evil.example",
    "x@sub.acme.test",
    "x@acme.tes",
    "x@acme.testt",
    "x@acmetest",
    "x@\u0430cme.test",
    "x@a\u0441me.test",
    "x@xn--cme-7cd.test",
    "x@\uff41cme.test",
    "x@acme\u3002test",
    "x@acme.te\u017ft",
    "x@acme.test.",
    "x@.acme.test",
    "x@acme..test",
    "x@evil.example@acme.test",
    '"x@evil.example"@acme.test',
    "x y@acme.test",
    "@acme.test",
    "x@",
    "acme.test",
    "x@acme.test\n",
    "x@acme.test\0",
    "x@acme.test/",
    "x@acme.test#",
    "x" * 300 + "@acme.test",
]


def test_s14_the_tables_are_long_enough() -> None:
    assert len(NOT_OURS) + len(FOREIGN_ADDRESSES) >= 30


@pytest.mark.parametrize("name", NOT_OURS)
async def test_s14_tokens_that_prove_nothing_here_are_refused(world: World, name: str) -> None:
    email = next(_people)
    told: Any = {which: _about(email, facts) for which, facts in NOT_OURS[name].items()}
    world.google.knows("t", email, **told)
    reply = await world.google_sign_in("t")
    assert (reply.status, reply.error) == (401, UNAUTHORIZED)
    assert not await world.told(UserJoined, email=email)
    world.google.knows("t", email)
    assert (await world.google_sign_in("t")).status == 200, "but for this one thing it would have been taken"


def _about(email: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {name: [email] if isinstance(value, list) and name == "email" else value for name, value in facts.items()}


@pytest.mark.parametrize("address", FOREIGN_ADDRESSES)
async def test_s14_addresses_of_no_known_domain_are_refused(world: World, address: str) -> None:
    world.google.knows("t", address)
    reply = await world.google_sign_in("t")
    assert (reply.status, reply.error) == (401, UNAUTHORIZED)
    assert not await world.told(UserJoined, email=address)


async def test_s14_simultaneous_first_sign_ins_make_one_person(world: World) -> None:
    email = next(_people)
    world.google.knows("t", email)
    replies = await asyncio.gather(*(world.google_sign_in("t") for _ in range(AT_ONCE)))
    assert [reply.status for reply in replies] == [200] * AT_ONCE
    assert len({world.context.verifier.verify(reply.data["token"]).user_id for reply in replies}) == 1
    assert len(await world.told(UserJoined, email=email)) == 1


@pytest.mark.parametrize("spelt", [str.upper, str.title, lambda email: email.replace("@acme", "@ACME")])
async def test_s14_another_google_account_with_the_same_address_is_refused(world: World, spelt: Any) -> None:
    email = next(_people)
    world.google.knows("first", email, subject="1")
    world.google.knows("second", spelt(email), subject="2")
    assert (await world.google_sign_in("first")).status == 200
    assert (await world.google_sign_in("second")).error == UNAUTHORIZED
    assert (await world.google_sign_in("first")).status == 200


async def test_s14_whom_an_admin_enrolled_belongs_to_the_first_google_account(world: World) -> None:
    world.google.knows("first", world.email_of("emil").upper(), subject="emil-1")
    world.google.knows("second", world.email_of("emil"), subject="emil-2")
    token = (await world.google_sign_in("first")).data["token"]
    assert (await world.get(token, "/users/me")).data["id"] == world.id_of("emil")
    assert (await world.google_sign_in("second")).error == UNAUTHORIZED
