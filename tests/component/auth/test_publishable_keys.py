"""P2-1: keys that may stand in a web page, because they open nothing but insights, to pages of some origins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.component.auth.api_keys import DENIED, UNAUTHORIZED, make, rotate
from tests.component.auth.world import PASSWORD, World

PAGE = "https://intranet.acme.test"
OF_PAGES: dict[str, Any] = {"scopes": ["view:insight"], "origins": [PAGE]}
INSIGHTS = ["view:insight"]


async def test_p2_1_a_key_tells_for_whose_pages_it_is(world: World) -> None:
    origins = [PAGE, "http://localhost:3000", "https://[2001:db8::1]:8443"]
    made = await make(world, scopes=INSIGHTS, origins=origins)
    assert (made.status, made.data["origins"]) == (201, origins)
    [listed] = (await world.get("ada", "/api-keys")).data
    assert listed["origins"] == origins
    assert (await make(world)).data["origins"] is None
    rotated = await rotate(world, made.data["id"])
    assert rotated.data["origins"] == origins
    [first, *_] = (await world.get("ada", f"/api-keys/{made.data['id']}/historylog")).data[::-1]
    assert {"field": "origins", "old": None, "new": origins} in first["changes"]


@pytest.mark.parametrize("scopes", [["view:user"], ["view:insight", "view:user"], ["manage:api"]])
async def test_p2_1_it_holds_nothing_but_insights(world: World, scopes: list[str]) -> None:
    reply = await make(world, scopes=scopes, origins=[PAGE])
    assert (reply.status, set(reply.error["fields"])) == (400, {"scopes"})


WRONG = [
    [], None, PAGE, [None], [7], ["*"], ["null"], [""], ["https://"], ["intranet.acme.test"], ["//intranet.acme.test"],
    [f"{PAGE}/"], [f"{PAGE}/page"], [f"{PAGE}?x"], [f"{PAGE}#x"], ["https://Intranet.acme.test"],
    ["HTTPS://intranet.acme.test"], ["https://*.acme.test"], ["https://user@acme.test"], [f"{PAGE}:443"],
    ["http://acme.test:80"], [f"{PAGE}:0"], [f"{PAGE}:123456"], ["ftp://acme.test"], ["file://"], ["https://ä.test"],
    [f"{PAGE},https://evil.test"], [f"{PAGE} https://evil.test"], [PAGE, PAGE], [f"https://{'x' * 200}.test"],
    [f"https://{number}.test" for number in range(11)],
]  # fmt: skip


@pytest.mark.parametrize("origins", WRONG, ids=repr)
async def test_p2_1_an_origin_is_what_a_browser_says(world: World, origins: Any) -> None:
    reply = await make(world, scopes=INSIGHTS, origins=origins)
    assert (reply.status, set(reply.error["fields"])) == (400, {"origins"})


async def test_p2_1_it_opens_no_other_route(world: World) -> None:
    """Not even those that any credential opens: nobody who reads the page may end the key."""
    key = (await make(world, **OF_PAGES)).data["key"]
    for method, path in (
        ("GET", "/whoami"), ("GET", "/users"), ("POST", "/logout"), ("GET", "/scopes"), ("GET", "/users/me"),
        ("POST", "/users/me/tokens"), ("POST", "/api-keys"), ("GET", "/api-keys"), ("GET", "/directory"),
    ):  # fmt: skip
        reply = await world.ask(key, method, path, {} if method == "POST" else None, Origin=PAGE)
        assert reply.code == DENIED, path
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert [one["origins"] for one in (await world.get("ada", "/api-keys")).data] == [[PAGE]]


async def test_p2_1_nobody_signs_in_with_it(world: World) -> None:
    body = {"userName": world.email_of("emil"), "password": PASSWORD}
    secret = (await make(world, scopes=INSIGHTS)).data["key"]
    published = (await make(world, **OF_PAGES)).data["key"]
    assert (await world.post(None, "/authentication/login", body, X_Api_Key=secret)).status == 200
    assert (await world.post(None, "/authentication/login", body, X_Api_Key=published)).code == UNAUTHORIZED


async def test_p2_1_only_an_organisation_has_one(world: World) -> None:
    reply = await make(world, "root", **OF_PAGES)
    assert (reply.status, set(reply.error["fields"])) == (400, {"origins"})


async def test_p2_1_members_without_the_right_make_none(world: World) -> None:
    assert (await make(world, "emil", **OF_PAGES)).code == DENIED
