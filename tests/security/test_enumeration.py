"""Accounts that nobody can find out by answers (S24); `auth/test_times.py` has the time that they take."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from tests.support.api import Reply
from tests.support.databases import Databases
from tests.support.guessing import PASSWORD, WRONG, World, guessing

UNAUTHORIZED = {"error": {"code": "invalid_token", "message": "unauthorized user"}}
CHANGING = {"date", "x-request-id", "content-length"}


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with guessing(databases, tmp_path_factory.mktemp("guessing")) as made:
        yield made


def told(reply: Reply) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that an answer tells, but for time and request id."""
    headers = [(name, value) for name, value in reply.headers.items() if name.lower() not in CHANGING]
    return reply.status, reply.raw, sorted(headers)


async def test_s24_a_sign_in_does_not_tell_whose_account_there_is(world: World) -> None:
    person, gone = await world.somebody(), await world.somebody()
    await world.peerly.expect(200, "DELETE", f"/users/{gone.id}", token=world.company.admin.token)
    without_password = world.company.employee.email
    names = [person.email, gone.email, without_password, f"nobody@{world.company.domain}", "x@nowhere.test", "nobody"]
    replies = [await world.log_in(name, WRONG) for name in names] + [await world.log_in(gone.email)]
    assert all(told(reply) == told(replies[0]) for reply in replies)
    assert (replies[0].status, replies[0].body) == (401, UNAUTHORIZED)


async def test_s24_a_blocked_account_looks_the_same_whether_it_exists(world: World) -> None:
    person = await world.somebody()
    for number, name in enumerate((person.email, f"nobody-at-all@{world.company.domain}")):
        assert (await world.guess([(name, f"192.0.2.4{number}")] * 11))[429] == 1
    replies = [
        await world.log_in(name, address=f"192.0.2.4{number}")
        for number, name in enumerate((person.email, f"nobody-at-all@{world.company.domain}"))
    ]
    assert [(reply.status, reply.body) for reply in replies] == [(429, replies[0].body)] * 2


async def test_s24_a_link_does_not_tell_whether_it_ever_was_one(world: World) -> None:
    person = await world.somebody()
    replaced, used = await world.link(person), await world.link(person)
    assert (await world.use(used, PASSWORD)).status == 200
    links = [replaced, used, secrets.token_urlsafe(32), "x", "%00", "0" * 500]
    replies = [await world.use(link, PASSWORD) for link in links]
    assert replies[0].status == 400
    assert all(told(reply) == told(replies[0]) for reply in replies)


async def test_s24_google_does_not_tell_whose_account_there_is(world: World) -> None:
    gone = await world.peerly.newcomer(world.company.domain)
    await world.peerly.expect(200, "DELETE", f"/users/{gone.id}", token=world.company.admin.token)
    tokens = [world.peerly.google_token(gone.email), world.peerly.google_token("x@nowhere.test"), "unknown"]
    replies = [await world.peerly.ask("POST", "/oauth/google", body={"access_token": token}) for token in tokens]
    assert replies[0].status == 401
    assert all(told(reply) == told(replies[0]) for reply in replies)
