"""S37: no other method, header or spelling of a path gets around a check."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from aiohttp import ClientResponse
from yarl import URL

from tests.support.walk import OPERATIONS, Operation, World, named

PROTECTED = [one for one in OPERATIONS if "security" in one.described]
PATHS = sorted({one.path for one in PROTECTED})
METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "GETX", "LOCK", "DEBUG",
    "TRACK",
)  # fmt: skip
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL")
SPELLINGS = [
    "/{path}", "/%2e{path}", "/./{path}", "/x/..{path}", "/x/%2e%2e{path}", "/x%2f..{path}", "{path}/.", "{path}/..;/x",
    "{path};x=1", "{path}%20", "{path}%09", "{path}%00", "{path}.json", "{path}/%2e", "//evil.example{path}",
    "/v1/v1{path}",
    "/V1{path}", "/v1/{path}", "/v1/../{path}", "/%76%31{path}", "/x\\..{path}", "{path}#x", "{path}%23",
    "{path}%3f", "{path}//",
]  # fmt: skip


async def ask(world: World, method: str, path: str, **headers: str) -> ClientResponse:
    address = URL(world.peerly.url + path, encoded=True)
    async with world.peerly.session.request(method, address, headers=headers, allow_redirects=False) as answer:
        await answer.read()
        return answer


def filled(path: str) -> str:
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize("path", PATHS)
async def test_s37_no_method_goes_without_a_token(world: World, path: str) -> None:
    public = {one.method for one in OPERATIONS if one.path == path and "security" not in one.described}
    if "GET" in public:
        public.add("HEAD")
    for method in METHODS:
        if method.upper() not in public:  # the client sends it in capitals
            answer = await ask(world, method, filled(path))
            assert answer.status in {400, 401, 404, 405}, method
            assert answer.status != 405 or public, method


@pytest.mark.parametrize("path", PATHS)
async def test_s37_no_header_changes_method_or_path(world: World, path: str) -> None:
    told = {name: path if name.endswith("URL") else "DELETE" for name in OVERRIDES}
    token = f"Bearer {world.ours.employee.token}"
    for method in ("GET", "POST"):
        plain = await ask(world, method, "/nothing-here", Authorization=token)
        changed = await ask(world, method, "/nothing-here?_method=DELETE", Authorization=token, **told)
        assert (plain.status, changed.status) == (404, 404)


@pytest.mark.parametrize("operation", [one for one in PROTECTED if one.method == "GET"], ids=named)
async def test_s37_no_spelling_of_a_path_goes_without_a_token(world: World, operation: Operation) -> None:
    for spelling in SPELLINGS:
        path = spelling.format(path=filled(operation.path))
        answer = await ask(world, "GET", path)
        assert answer.status in {400, 401, 404, 405}, path


@pytest.mark.parametrize("operation", [one for one in PROTECTED if one.method == "GET"], ids=named)
async def test_s37_letters_of_another_case_are_another_path(world: World, operation: Operation) -> None:
    path = filled(operation.path).upper()
    if path != filled(operation.path):
        answer = await ask(world, "GET", path, Authorization=f"Bearer {world.ours.admin.token}")
        assert answer.status == 404


async def test_s37_another_host_is_the_same_peerly(world: World) -> None:
    """Nothing is looked up by a host's name, and none is told back."""
    for host in ("evil.example", "localhost", "127.0.0.1", "auth.internal", "evil.example@peerly"):
        answer = await ask(world, "GET", "/users/me", Host=host)
        assert answer.status == 401
        assert "evil" not in str(answer.headers)


async def test_s37_an_absolute_address_is_read_by_its_path(world: World) -> None:
    place = urlsplit(world.peerly.url).netloc
    answer = await ask(world, "GET", f"/users/me?next=http://{place}/login")
    assert answer.status == 401


def test_s37_enough_was_tried() -> None:
    assert len(PATHS) * len(METHODS) + len(SPELLINGS) * len(PATHS) > 1_000
