"""POST /login and the limits on guessing; POST /logout."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import jwt
from argon2 import PasswordHasher

from shared.contracts.auth import SessionRevoked
from tests.component.auth.world import PASSWORD, World
from tests.support.waiting import eventually

UNAUTHORIZED = {"code": "invalid_token", "message": "unauthorized user"}
WRONG = "a wrong password, long enough"


async def test_a_right_password_gets_a_quarter_of_an_hour(world: World) -> None:
    reply = await world.sign_in("emil")
    assert reply.data["expires_in"] == 900
    principal = world.context.verifier.verify(reply.data["token"])
    assert principal.user_id == world.id_of("emil")
    assert abs(principal.expires_at - time.time() - 900) < 5


async def test_claims_are_exactly_those_of_the_contract(world: World) -> None:
    token = (await world.sign_in("emil")).data["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    assert claims.pop("jti").startswith("1.")
    assert {name: abs(claims.pop(name) - now - life) < 5 for name, life in {"iat": 0, "nbf": 0, "exp": 900}.items()}
    assert claims == {
        "iss": "node.peerly.com",
        "aud": "peerly.com",
        "sub": str(world.id_of("emil")),
        "https://peerly.com": {"roleId": 3, "orgId": world.acme, "orgName": "Acme"},
    }
    header = jwt.get_unverified_header(token)
    keys = (await world.get(None, "/.well-known/jwks.json")).body["keys"]
    assert header == {"alg": "EdDSA", "typ": "JWT", "kid": keys[0]["kid"]}


async def test_a_super_admin_belongs_to_no_organisation(world: World) -> None:
    token = (await world.sign_in("root")).data["token"]
    ours = jwt.decode(token, options={"verify_signature": False})["https://peerly.com"]
    assert ours == {"roleId": 1, "orgId": None, "orgName": None}
    me = (await world.get(token, "/users/me")).data
    assert (me["org_id"], me["role_id"], me["hi5_quota_balance"]) == (None, 1, 0)


async def test_others_can_verify_by_the_published_keys(world: World) -> None:
    token = (await world.sign_in("emil")).data["token"]
    reply = await world.get(None, "/.well-known/jwks.json")
    assert reply.headers["Cache-Control"].startswith("public")
    keys = jwt.PyJWKSet.from_dict(reply.body)
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, keys[kid], algorithms=["EdDSA"], audience="peerly.com", issuer="node.peerly.com")
    assert claims["sub"] == str(world.id_of("emil"))


async def test_the_name_is_compared_without_case(world: World) -> None:
    assert (await world.sign_in(f"  {world.email_of('emil').upper()} ")).status == 200


async def test_everything_wrong_gets_the_same_answer(world: World) -> None:
    await world.delete("ada", f"/users/{world.id_of('mona')}")
    replies = [
        await world.sign_in("emil", WRONG),
        await world.sign_in("nobody@acme.test", WRONG),
        await world.sign_in("not even an address", WRONG),
        await world.sign_in("mona", PASSWORD),
        await world.sign_in("emil", f" {PASSWORD}"),
    ]
    assert [(reply.status, reply.error) for reply in replies] == [(401, UNAUTHORIZED)] * 5


async def test_an_unknown_account_takes_as_long_as_a_known_one(world: World) -> None:
    async def seconds(name: str) -> float:
        began = time.perf_counter()
        assert (await world.sign_in(name, WRONG)).status == 401
        return time.perf_counter() - began

    known, unknown = [], []
    for number in range(15):
        known.append(await seconds("emil"))
        unknown.append(await seconds(f"nobody{number}@acme.test"))
    assert 0.6 < statistics.median(unknown) / statistics.median(known) < 1.6


async def test_a_body_without_name_or_password_is_refused(world: World) -> None:
    bodies: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"username", "password"}),
        ({"username": "x"}, {"password"}),
        ({"username": 5, "password": 5}, {"username", "password"}),
        ({"username": "x", "password": ""}, {"password"}),
        ({"username": "x", "password": "x" * 2000}, {"password"}),
        ({"username": "x" * 300, "password": "x"}, {"username"}),
    ]
    for body, wrong in bodies:
        reply = await world.post(None, "/login", body)
        assert (reply.status, set(reply.error["fields"])) == (400, wrong), body


async def test_ten_failures_from_an_address_close_the_account_to_it_alone(world: World) -> None:
    here, elsewhere = "192.0.2.1", "192.0.2.2"
    statuses = [(await world.sign_in("emil", WRONG, here)).status for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    blocked = await world.sign_in("emil", PASSWORD, here)
    assert (blocked.status, blocked.error["code"]) == (429, "rate_limited")
    assert 0 < int(blocked.headers["Retry-After"]) <= 900
    assert (await world.sign_in("emil", PASSWORD, elsewhere)).status == 200
    assert (await world.sign_in("mona", PASSWORD, here)).status == 200


async def test_the_limit_ends_after_a_quarter_of_an_hour(world: World) -> None:
    for _ in range(10):
        await world.sign_in("emil", WRONG, "192.0.2.1")
    world.clock.ahead = timedelta(minutes=14)
    assert (await world.sign_in("emil", PASSWORD, "192.0.2.1")).status == 429
    world.clock.ahead = timedelta(minutes=15, seconds=1)
    assert (await world.sign_in("emil", PASSWORD, "192.0.2.1")).status == 200


async def test_right_passwords_count_for_nothing(world: World) -> None:
    statuses = [(await world.sign_in("emil", PASSWORD, "192.0.2.1")).status for _ in range(15)]
    assert statuses == [200] * 15


async def test_many_people_behind_one_address_sign_in_at_once(world: World) -> None:
    replies = await asyncio.gather(*(world.sign_in("emil", PASSWORD, "192.0.2.1") for _ in range(40)))
    assert Counter(reply.status for reply in replies) == {200: 40}


async def test_parallel_guesses_pass_no_limit(world: World) -> None:
    replies = await asyncio.gather(*(world.sign_in("emil", WRONG, "192.0.2.1") for _ in range(40)))
    assert Counter(reply.status for reply in replies) == {401: 10, 429: 30}


async def test_an_ipv6_customer_is_one_address(world: World) -> None:
    for number in range(10):
        await world.sign_in("emil", WRONG, f"2001:db8:1:2::{number:x}")
    assert (await world.sign_in("emil", PASSWORD, "2001:db8:1:2:ffff::1")).status == 429
    assert (await world.sign_in("emil", PASSWORD, "2001:db8:1:3::1")).status == 200


async def _failures(world: World, account: str, address: str, count: int) -> None:
    """As many failures as sign-ins would have left, without the work of each."""
    verdict = "SELECT (begin_attempt(sha256(convert_to($1, 'UTF8')), $2, now())).attempt"
    for number in range(count):
        attempt = await world.owner.fetchval(verdict, account.format(number), address.format(number))
        await world.owner.execute("UPDATE sign_in_attempts SET running = false WHERE id = $1", attempt)


async def test_a_hundred_failures_from_an_address_close_everything_to_it(world: World) -> None:
    await _failures(world, "somebody{}@acme.test", "192.0.2.1", 100)
    assert (await world.sign_in("emil", PASSWORD, "192.0.2.1")).status == 429
    assert (await world.sign_in("emil", PASSWORD, "192.0.2.2")).status == 200


async def test_a_hundred_failures_for_an_account_leave_it_open_to_who_was_there_before(world: World) -> None:
    assert (await world.sign_in("emil", PASSWORD, "198.51.100.1")).status == 200
    await _failures(world, world.email_of("emil"), "203.0.113.{}", 100)
    assert (await world.sign_in("emil", PASSWORD, "192.0.2.1")).status == 429
    assert (await world.sign_in("emil", PASSWORD, "198.51.100.1")).status == 200
    world.clock.ahead = timedelta(days=31)
    await world.owner.execute("UPDATE sign_in_attempts SET at = now() + interval '31 days'")
    assert (await world.sign_in("emil", PASSWORD, "198.51.100.1")).status == 429


async def test_attempts_name_no_account_and_are_forgotten(world: World) -> None:
    for _ in range(3):
        await world.sign_in("emil", WRONG)
    rows = await world.owner.fetch("SELECT * FROM sign_in_attempts")
    assert len(rows) == 3
    assert world.email_of("emil") not in str(rows)
    world.clock.ahead = timedelta(minutes=16)
    await world.sign_in("mona", WRONG)
    assert await world.owner.fetchval("SELECT count(*) FROM sign_in_attempts") == 1


async def test_an_attempt_whose_process_died_counts(world: World) -> None:
    for _ in range(10):
        await world.owner.execute(
            "INSERT INTO sign_in_attempts (account, address, at)"
            " VALUES (sha256(convert_to($1, 'UTF8')), '192.0.2.1', now() - interval '11 seconds')",
            world.email_of("emil"),
        )
    assert (await world.sign_in("emil", PASSWORD, "192.0.2.1")).status == 429


async def test_passwords_reach_no_table_in_clear(world: World) -> None:
    await world.sign_in("emil")
    await world.sign_in("emil", WRONG)
    for table in ("passwords", "sign_in_attempts", "known_addresses", "outbox", "users"):
        text = str([tuple(row) for row in await world.owner.fetch(f"SELECT * FROM {table}")])
        assert PASSWORD not in text
        assert WRONG not in text
    assert (await world.owner.fetchval("SELECT hash FROM passwords LIMIT 1")).startswith(
        "$argon2id$v=19$m=19456,t=2,p=1$"
    )


async def test_an_old_hash_is_made_anew_at_the_next_sign_in(world: World) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await world.owner.execute("UPDATE passwords SET hash = $2 WHERE user_id = $1", world.id_of("emil"), weak)
    assert (await world.sign_in("emil")).status == 200
    assert "m=19456" in await world.owner.fetchval("SELECT hash FROM passwords WHERE user_id = $1", world.id_of("emil"))
    assert (await world.sign_in("emil")).status == 200


async def test_logging_out_ends_the_presented_token_and_no_other(world: World) -> None:
    one, other = [(await world.sign_in("emil")).data["token"] for _ in range(2)]
    reply = await world.post(one, "/logout")
    assert (reply.status, reply.data) == (200, {})
    assert (await world.get(one, "/users/me")).error == UNAUTHORIZED
    assert (await world.post(one, "/logout")).status == 401
    assert (await world.get(other, "/users/me")).status == 200
    [revoked] = await world.told(SessionRevoked)
    assert revoked["jti"] == jwt.decode(one, options={"verify_signature": False})["jti"]
    assert revoked["expires_at"] > time.time() + 900


async def test_logging_out_is_answered_when_the_event_is_on_its_way(world: World) -> None:
    assert (await world.post("emil", "/logout")).status == 200
    assert (
        await world.owner.fetchval("SELECT count(*) FROM outbox WHERE type = 'SessionRevoked.v1' AND sent_at IS NULL")
        == 0
    )


async def test_logging_out_without_a_broker_holds_here_and_says_so(world: World) -> None:
    await world.owner.execute(
        "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER stuck BEFORE UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION stuck()"
    )
    began = time.monotonic()
    reply = await world.post("emil", "/logout")
    assert (reply.status, reply.error["code"]) == (503, "unavailable")
    assert time.monotonic() - began < 1.5
    assert (await world.get("emil", "/users/me")).status == 401
    await world.owner.execute("DROP TRIGGER stuck ON outbox")
    await eventually(lambda: world.owner.fetchval("SELECT bool_and(sent_at IS NOT NULL) FROM outbox"))


async def test_logging_out_needs_a_token(world: World) -> None:
    assert (await world.post(None, "/logout")).error == UNAUTHORIZED


async def test_a_super_admin_logs_out(world: World) -> None:
    assert (await world.post("root", "/logout", X_Org_Id=str(world.acme))).status == 200
    assert (await world.get("root", "/users/me")).status == 401


async def test_a_revocation_written_by_another_process_holds_within_a_second(world: World) -> None:
    jti = jwt.decode(world.tokens["emil"], options={"verify_signature": False})["jti"]
    await world.owner.execute(
        "INSERT INTO revocations (credential, version, expires_at) VALUES ($1, 1, now() + interval '1 hour')",
        f"jti:{jti}",
    )

    async def is_refused() -> bool:
        return (await world.get("emil", "/users/me")).status == 401

    await eventually(is_refused, within=1)
