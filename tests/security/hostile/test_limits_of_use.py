"""S44, S45, S47: repetition keys, the rules of giving, and what a single request may ask for."""

from __future__ import annotations

import asyncio
import secrets
import time
from urllib.parse import quote

import asyncpg
import pytest

from tests.support.api import Reply
from tests.support.installation import Member
from tests.support.staging import Stage, case_of_moderation, core_value, recognition
from tests.support.waiting import eventually
from tests.support.walk import World

SLOWEST = 2.0
KEYS_KEPT = "SELECT count(*) FROM recognition.idempotency_keys"


def stage_of(world: World) -> Stage:
    return Stage(world.peerly, world.ours, world.ours.employee)


async def make_value(world: World, by: Member, key: str, text: str, path: str = "/core_values") -> Reply:
    headers = {"Idempotency-Key": key}
    body = {"text": text, "description": "To dare"}
    return await world.peerly.ask("POST", path, token=by.token, body=body, headers=headers)


@pytest.mark.parametrize("company", ["ours", "theirs"])
async def test_s44_a_key_of_another_caller_opens_nothing(world: World, company: str) -> None:
    """Neither a colleague's nor one of another company's gets the answer that is kept."""
    key, text = secrets.token_hex(8), f"Mine {secrets.token_hex(4)}"
    first = await make_value(world, world.ours.admin, key, text)
    other = getattr(world, company)
    caller = other.admin if company == "theirs" else other.employee
    reply = await make_value(world, caller, key, text)
    assert (first.status, "Idempotency-Replayed" in reply.headers) == (201, False)
    assert reply.status == (201 if company == "theirs" else 403)
    assert reply.raw != first.raw


async def test_s44_a_key_is_one_request_and_no_other(world: World) -> None:
    key, text = secrets.token_hex(8), f"One {secrets.token_hex(4)}"
    first = await make_value(world, world.ours.admin, key, text)
    again = await make_value(world, world.ours.admin, key, text, "/v1/core_values/")
    other = await make_value(world, world.ours.admin, key, f"{text} more")
    assert (first.status, again.raw, again.headers["Idempotency-Replayed"]) == (201, first.raw, "true")
    assert other.code == (422, "idempotency_key_reused")


KEYS = {
    "empty": ("", 400), "256 long": ("x" * 256, 400), "4,000 long": ("x" * 4_000, 400), "with a tab": ("a\tb", 400),
    "zero width": ("\u200b", 400),
    "200 of two bytes": ("é" * 200, 201),
    "255 long": ("y" * 255, 201),
}  # fmt: skip


@pytest.mark.parametrize(("key", "status"), KEYS.values(), ids=KEYS.keys())
async def test_s44_a_key_of_another_form_is_refused(world: World, key: str, status: int) -> None:
    reply = await make_value(world, world.ours.admin, key, f"Of a form {secrets.token_hex(4)}")
    assert reply.status == status


async def test_s44_what_is_refused_keeps_no_key(world: World, owner: asyncpg.Connection[asyncpg.Record]) -> None:
    before = await owner.fetchval(KEYS_KEPT)
    for _ in range(100):
        assert (await make_value(world, world.ours.admin, secrets.token_hex(8), "")).status == 400
        assert (await make_value(world, world.ours.employee, secrets.token_hex(8), "x")).status == 403
    assert await owner.fetchval(KEYS_KEPT) == before


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_s44_only_a_post_has_a_key(world: World, owner: asyncpg.Connection[asyncpg.Record], method: str) -> None:
    value = await core_value(stage_of(world))
    before = await owner.fetchval(KEYS_KEPT)
    body = {"text": f"Care {secrets.token_hex(4)}", "description": "x"}
    headers = {"Idempotency-Key": "the same for all"}
    path = f"/core_values/{value}"
    reply = await world.peerly.ask(method, path, token=world.ours.admin.token, body=body, headers=headers)
    assert (reply.status < 300, "Idempotency-Replayed" in reply.headers) == (True, False)
    assert await owner.fetchval(KEYS_KEPT) == before


async def test_s45_a_ring_of_hi5s_has_no_more_than_one_each(world: World) -> None:
    """Two who thank each other, all at once and again and again."""
    stage, company = stage_of(world), world.ours
    value = await core_value(stage)
    pairs = ((company.employee, company.moderator), (company.moderator, company.employee))
    given = []
    for giver, receiver in pairs:
        body = {"given_for": receiver.id, "core_value_id": value, "text": "Thanks"}
        given.append((await stage.do("POST", "/recognitions", body, giver))["id"])
    asked = [(one, person) for one in given for person in (company.employee, company.moderator)] * 5
    replies = await asyncio.gather(
        *(world.peerly.ask("POST", f"/recognitions/{one}/hi5", token=person.token) for one, person in asked)
    )
    assert sorted(reply.status for reply in replies) == [201] * 2 + [422] * 18


async def test_s45_one_person_reports_once(world: World, owner: asyncpg.Connection[asyncpg.Record]) -> None:
    made = await recognition(stage_of(world))
    body = {"mark_as": "fraud", "reason": "Not so"}
    path, token = f"/recognitions/{made}/report", world.ours.colleague.token
    replies = [await world.peerly.ask("POST", path, token=token, body=body) for _ in range(10)]
    assert [reply.status for reply in replies] == [201] + [422] * 9
    kept = "SELECT array_agg(reported_by) FROM moderation.reports WHERE recognition_id = $1"
    assert await owner.fetchval(kept, made) == [world.ours.colleague.id]


async def test_s45_nobody_reports_what_they_gave(world: World) -> None:
    made = await recognition(stage_of(world))
    body = {"mark_as": "fraud", "reason": "Not so"}
    reply = await world.peerly.ask("POST", f"/recognitions/{made}/report", token=world.ours.employee.token, body=body)
    assert reply.status == 422


@pytest.mark.parametrize("party", ["giver", "receiver"])
async def test_s45_no_moderator_judges_their_own_case(
    world: World, owner: asyncpg.Connection[asyncpg.Record], party: str
) -> None:
    stage, company = stage_of(world), world.ours
    giver, receiver = (company.moderator, company.employee)[:: 1 if party == "giver" else -1]
    body = {"given_for": receiver.id, "core_value_id": await core_value(stage), "text": "Thanks"}
    made = (await stage.do("POST", "/recognitions", body, giver))["id"]
    await stage.do("POST", f"/recognitions/{made}/report", {"mark_as": "fraud", "reason": "x"}, company.colleague)
    for verdict in (True, False):
        path = f"/recognitions/{made}/review"
        reply = await world.peerly.ask("POST", path, token=company.moderator.token, body={"is_inappropriate": verdict})
        assert reply.status == 403
    assert await owner.fetchval("SELECT count(*) FROM moderation.reviews WHERE recognition_id = $1", made) == 0


async def test_s45_each_verdict_is_kept_with_its_judge(world: World, owner: asyncpg.Connection[asyncpg.Record]) -> None:
    made = await case_of_moderation(stage_of(world))
    for judge, verdict in ((world.ours.moderator, True), (world.ours.admin, False), (world.ours.moderator, True)):
        path = f"/recognitions/{made}/review"
        reply = await world.peerly.ask("POST", path, token=judge.token, body={"is_inappropriate": verdict})
        assert reply.status == 201
    kept = "SELECT array_agg(reviewed_by ORDER BY id) FROM moderation.reviews WHERE recognition_id = $1"
    judges = [world.ours.moderator.id, world.ours.admin.id, world.ours.moderator.id]
    assert await owner.fetchval(kept, made) == judges


async def test_s45_who_has_left_gives_nothing_more(world: World) -> None:
    stage = stage_of(world)
    made, person = await recognition(stage), await world.peerly.newcomer(world.ours.domain)
    await stage.do("DELETE", f"/users/{person.id}", by=world.ours.admin, status=200)

    async def is_refused() -> bool:
        return (await world.peerly.ask("POST", f"/recognitions/{made}/hi5", token=person.token)).status == 401

    await eventually(is_refused)


ASKED = {
    **{
        f"{path}?{query}": (path, query)
        for path in ("/users", "/recognitions", "/moderation/cases", "/api-keys")
        for query in (
            "limit=101", "limit=1000000000", "limit=0", "limit=-1", "limit=1e3", "limit=" + "9" * 400, "offset=-1",
            "offset=99999999999999999999", "page=0", "page_size=101", "cursor=x", "cursor=" + "A" * 499,
    "limit=1&limit=2",
            "limit=10&page_size=10",
        )
    },
    "a hundred and one ids": ("/recognitions", "given_by=" + ",".join(map(str, range(1, 102)))),
    "ids without end": ("/recognitions", "given_for=" + "1," * 3_000 + "1"),
    "a long prefix": ("/users", "starts_with=" + "a" * 255),
}  # fmt: skip


@pytest.mark.parametrize(("path", "query"), ASKED.values(), ids=[name[:60] for name in ASKED])
async def test_s47_nobody_gets_more_than_a_page(world: World, path: str, query: str) -> None:
    reply = await world.peerly.ask("GET", f"{path}?{query}", token=world.ours.admin.token)
    assert reply.status == 400


PATIENCE = {
    "phone": "1" * 40 + "(" * 9_000, "phone of spaces": "+" + "1 " * 5_000 + "x", "address": "a@" + "a." * 4_000 + "!",
    "name": "A" * 200_000, "blanks": " " * 200_000, "zero width": "\u200b" * 60_000,
    "combining": "a" + "\u0301" * 60_000,
    "url": "https://" + "a." * 9_000, "ligature": "\ufdfa" * 50_000,
}  # fmt: skip


@pytest.mark.parametrize("text", PATIENCE.values(), ids=PATIENCE.keys())
async def test_s47_no_text_makes_a_check_slow(world: World, text: str) -> None:
    fields = ("first_name", "last_name", "display_name", "profile_image_url", "phone", "department")
    began = time.monotonic()
    reply = await world.peerly.ask(
        "PUT", "/users/me", token=world.ours.employee.token, body=dict.fromkeys(fields, text[:6_000])
    )
    assert reply.status == 400
    assert time.monotonic() - began < SLOWEST


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": '"1.a",' * 1_000}, {"If-None-Match": '"' * 8_000}, {"Accept": "application/vnd.peerly.v1;" * 250},
        {"Accept": "a/b," * 1_900}, {"Authorization": "Bearer " + "a." * 3_900}, {"X-Forwarded-For": "1.1.1.1," * 900},
        {"Authorization": "Bearer " * 1_000}, {"X-Org-Id": "9" * 7_000}, {"Cookie": "a=b;" * 1_900},
    ],
    ids=str,
)  # fmt: skip
async def test_s47_no_header_makes_a_check_slow(world: World, headers: dict[str, str]) -> None:
    sent = {"Authorization": f"Bearer {world.ours.admin.token}", **headers}
    began = time.monotonic()
    reply = await world.peerly.ask("GET", "/users/me", headers=sent)
    assert reply.status < 500
    assert time.monotonic() - began < SLOWEST


async def test_s47_thousands_of_parameters_are_as_none(world: World) -> None:
    query = "&".join(f"x{number}={quote('ä')}" for number in range(500))
    began = time.monotonic()
    reply = await world.peerly.ask("GET", f"/users?{query}", token=world.ours.admin.token)
    assert (reply.status, time.monotonic() - began < SLOWEST) == (200, True)
