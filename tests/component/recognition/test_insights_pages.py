"""P2-1: publishable keys: which page may use one, for what, and what others who see it can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from services.recognition.app import SERVICE
from shared.identity import Role
from shared.identity.claims import API_KEY, NAMESPACE
from tests.component.recognition.world import ADMIN, ANNA, BEN, Api, World
from tests.support.api import ACME, SIGNER, Reply, serving

PAGE, OTHER = "https://intranet.acme.test", "https://evil.test"
PATHS = ("leaderboard?metric=hi5_received", "summary", "search?q=soup")


@dataclass(frozen=True)
class Page:
    """A caller with a key of these origins, or an ordinary one."""

    origins: Any = (PAGE,)
    scope: str = "view:insight"

    @property
    def token(self) -> str:
        ours = {"roleId": int(Role.ORGANISATION_ADMIN), "orgId": ACME, "orgName": "Acme"}
        more = {} if self.origins is None else {"origins": _listed(self.origins)}
        return SIGNER.narrowed(API_KEY, self.scope, "key:1", **{"sub": str(ADMIN.user_id), NAMESPACE: ours, **more})


def _listed(origins: Any) -> Any:
    return list(origins) if isinstance(origins, tuple) else origins


async def ask(api: Api, page: Any, path: str = "summary", method: str = "GET", **headers: str) -> Reply:
    return await api.ask(page, method, f"/insights/{path}", **headers)


def told(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.startswith("Access-Control")}


@pytest.mark.parametrize("path", PATHS)
async def test_p2_1_a_page_of_the_origin_reads_insights(api: Api, path: str) -> None:
    reply = await ask(api, Page(), path, Origin=PAGE)
    assert reply.status == 200
    assert told(reply)["Access-Control-Allow-Origin"] == PAGE
    assert "ETag" in told(reply)["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in told(reply)
    assert "Origin" in reply.headers["Vary"]
    again = await ask(api, Page(), path, Origin=PAGE, If_None_Match=reply.headers["ETag"])
    assert (again.status, told(again)["Access-Control-Allow-Origin"]) == (304, PAGE)
    assert "Origin" in again.headers["Vary"]


ELSEWHERE = (
    OTHER, "null", "", "*", f"{PAGE}/", f"{PAGE}:443", f"{PAGE}.evil.test", "http://intranet.acme.test",
    "https://INTRANET.acme.test", f"{PAGE},{OTHER}", f"{PAGE} {OTHER}", "https://acme.test",
)  # fmt: skip


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_p2_1_a_page_elsewhere_reads_nothing(api: Api, origin: str) -> None:
    reply = await ask(api, Page(), Origin=origin)
    assert (reply.status, reply.body["status"], told(reply)) == (403, False, {})


async def test_p2_1_without_a_page_it_is_no_key(api: Api) -> None:
    assert (await ask(api, Page())).status == 403


async def test_p2_1_a_page_may_read_what_was_wrong(api: Api) -> None:
    for path in ("leaderboard", "campaigns/4711/thermometer"):
        reply = await ask(api, Page(), path, Origin=PAGE)
        assert reply.status in {400, 404}
        assert told(reply)["Access-Control-Allow-Origin"] == PAGE


async def test_p2_1_an_ordinary_key_needs_no_page_and_tells_none(api: Api) -> None:
    for headers in ({}, {"Origin": PAGE}, {"Origin": OTHER}):
        reply = await ask(api, Page(origins=None), **headers)
        assert (reply.status, told(reply)) == (200, {})


@pytest.mark.parametrize("path", ["/recognitions", "/core_values", "/campaigns", "/hi5s/proof"])
async def test_p2_1_it_opens_nothing_else(api: Api, path: str) -> None:
    every_scope = "view:insight view:recognition view:core_value view:campaign view:proof create:hi5"
    page: Any = Page(scope=every_scope)
    reply = await api.get(page, path, Origin=PAGE)
    assert (reply.code, told(reply)) == ((403, "access_denied"), {})


@pytest.mark.parametrize("path", PATHS)
async def test_p2_1_any_page_may_ask_whether_it_may_ask(api: Api, path: str) -> None:
    """A preflight carries no key; what it is told names none."""
    asked = {"Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "authorization"}
    for prefix in ("", "/v1"):
        reply = await api.ask(None, "OPTIONS", f"{prefix}/insights/{path}", Origin=OTHER, **asked)
        assert (reply.status, reply.raw) == (204, b"")
        assert told(reply)["Access-Control-Allow-Origin"] == "*"
        assert told(reply)["Access-Control-Allow-Methods"] == "GET"
        assert "Authorization" in told(reply)["Access-Control-Allow-Headers"]
    elsewhere = await api.ask(None, "OPTIONS", "/recognitions", Origin=OTHER, **asked)
    assert (elsewhere.status, told(elsewhere)) == (401, {})


WRONG: dict[str, Any] = {
    "none": [], "no list": PAGE, "no text": [7], "empty": [""], "null": None,
    "too many": [f"{PAGE}:{n}" for n in range(1, 12)], "too long": ["https://" + "x" * 200],
}  # fmt: skip


@pytest.mark.parametrize("origins", WRONG.values(), ids=WRONG.keys())
async def test_p2_1_a_key_of_another_form_is_none(api: Api, origins: Any) -> None:
    ours = {"roleId": 3, "orgId": ACME, "orgName": "Acme"}
    token = SIGNER.narrowed(API_KEY, "view:insight", "key:1", origins=origins, **{NAMESPACE: ours})
    headers = {"Authorization": f"Bearer {token}", "Origin": PAGE}
    assert (await api.get(None, "/insights/summary", **headers)).status == 401


async def test_p2_1_the_claim_is_for_keys_alone(api: Api) -> None:
    ours = {"roleId": 3, "orgId": ACME, "orgName": "Acme"}
    for kind in ("personal_token", "access_token"):
        token = SIGNER.narrowed(kind, "view:insight", "key:1", origins=[PAGE], **{NAMESPACE: ours})
        headers = {"Authorization": f"Bearer {token}", "Origin": PAGE}
        assert (await api.get(None, "/insights/summary", **headers)).status == 401, kind


@pytest.fixture
async def limited(environment: pytest.MonkeyPatch, world: World) -> AsyncIterator[Api]:
    environment.setenv("PEERLY_RATE_LIMITS", "on")
    environment.setenv("PEERLY_TRUSTED_PROXIES", "127.0.0.1")
    async with serving(SERVICE) as (session, address):
        yield Api(session, address)


async def test_p2_1_who_sees_the_page_uses_up_their_own_limit_alone(limited: Api) -> None:
    """Neither other visitors' nor that of the organisation's people."""
    first = await ask(limited, Page(), Origin=PAGE, X_Forwarded_For="198.51.100.1")
    crowd = await asyncio.gather(
        *(ask(limited, Page(), Origin=PAGE, X_Forwarded_For="198.51.100.1") for _ in range(40))
    )
    untouched = left(first)
    assert min(left(reply) for reply in crowd) < untouched - 1
    other = await ask(limited, Page(), Origin=PAGE, X_Forwarded_For="198.51.100.2")
    assert left(other) == untouched
    for caller in (ANNA, BEN):
        assert left(await limited.get(caller, "/insights/summary")) == untouched


def left(reply: Reply) -> int:
    """What the answer says is left of the limit."""
    return int(reply.headers["RateLimit"].partition("r=")[2].partition(";")[0])
