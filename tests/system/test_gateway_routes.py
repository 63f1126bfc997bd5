"""Which service answers which path, and that no spelling of a path fools the gateway."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from yarl import URL

from tests.support.nginx import RunningGateway, running_gateway

ROUTES = {
    "auth": [
        "/oauth/google", "/oauth/token", "/oauth/authorize", "/oauth/clients/3/rotate", "/users/me/grants/2",
        "/login", "/logout", "/authentication/login", "/users", "/users/me",
        "/users/7",
        "/organisations", "/organisations/1/identity-providers", "/password-resets/abc",
        "/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/scopes",
        "/whoami", "/directory", "/api-keys", "/api-keys/3/rotate", "/customers/4", "/teams", "/teams/query",
        "/valuelists/a",
        "/maintenance-windows", "/readyz",
    ],
    "recognition": [
        "/recognitions", "/recognitions/1", "/recognitions/1/hi5", "/recognitions/query", "/recognitions/1/historylog",
        "/recognitions/historylog", "/recognitions/1/reporter", "/recognitions/1/report/2", "/core_values",
        "/core_values/1",
        "/hi5s/proof", "/insights/leaderboard", "/files", "/filecontent/2", "/exports/recognitions.csv", "/campaigns/1",
        "/recognition-series", "/readyz/recognition",
    ],
    "quota": ["/quota/me", "/quota/users/1/ledger", "/quota/proof", "/availability", "/readyz/quota"],
    "moderation": ["/recognitions/1/report", "/recognitions/1/review", "/moderation/cases", "/readyz/moderation"],
}  # fmt: skip
TABLE = [(service, path) for service, paths in ROUTES.items() for path in paths]
NOWHERE = [
    "/metrics",
    "/v1/metrics",
    "/nothing",
    "/user",
    "/usersx",
    "/v2/users",
    "/v1/v1/users",
    "/.gateway/read",
    "/readyz/none",
]
TRICKS = [
    "//users", "/v1//users", "/users//me", "/Users", "/USERS", "/V1/users", "/%75sers", "/users/../quota/me",
    "/users/./me",
    "/users/%2e%2e/quota/me", "/users/%2E./quota/me", "/quota/me/..", "/quota/%2fusers", "/users%2fme", "/quota\\users",
    "/metrics/", "/users/../metrics", "/%2e/users", "/users#/../quota", "/quota/..%5cusers",
        "/recognitions/1/%2e%2e/report",
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway() -> AsyncIterator[RunningGateway]:
    async with running_gateway(rate_limits=False) as running:
        yield running


async def answered_by(gateway: RunningGateway, path: str, method: str = "GET") -> tuple[str, str]:
    async with gateway.session.request(method, URL(gateway.url + path, encoded=True)) as answer:
        seen = await answer.json()
        return seen["service"], seen["path"]


@pytest.mark.parametrize(("service", "path"), TABLE)
async def test_each_path_goes_to_its_service(gateway: RunningGateway, service: str, path: str) -> None:
    for spelling in (path, f"/v1{path}", f"{path}/", f"/v1{path}/", f"{path}?a=b&c=%2F..", f"/v1{path}/?next=//users"):
        by, seen = await answered_by(gateway, spelling)
        assert by == service, spelling
        assert seen == ("/readyz" if "readyz" in path else spelling)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_the_method_does_not_change_the_service(gateway: RunningGateway, method: str) -> None:
    for service, path in TABLE:
        if "readyz" not in path:
            assert await answered_by(gateway, path, method) == (service, path)


@pytest.mark.parametrize("path", NOWHERE)
async def test_an_unknown_path_is_an_enveloped_404(gateway: RunningGateway, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        async with gateway.session.request(method, path) as answer:
            assert answer.status == 404
            assert (await answer.json())["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", TRICKS)
async def test_a_path_that_can_be_read_in_two_ways_reaches_no_service(gateway: RunningGateway, path: str) -> None:
    before = sum(sum(stand_in.requests.values()) for stand_in in gateway.stand_ins.values())
    answer = await gateway.raw(f"GET {path} HTTP/1.1\r\nHost: peerly\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in (b"400", b"404"), path
    assert b'{"error":{"code":' in answer
    assert before == sum(sum(stand_in.requests.values()) for stand_in in gateway.stand_ins.values())


async def test_an_encoded_letter_in_an_id_stays_as_it_was_sent(gateway: RunningGateway) -> None:
    answer = await gateway.raw(b"GET /valuelists/%C3%A4%20%26 HTTP/1.1\r\nHost: peerly\r\nConnection: close\r\n\r\n")
    assert b'"path": "/valuelists/%C3%A4%20%26"' in answer


async def test_an_absolute_address_is_routed_by_its_path(gateway: RunningGateway) -> None:
    answer = await gateway.raw(b"GET http://quota/users?a=1 HTTP/1.1\r\nHost: peerly\r\nConnection: close\r\n\r\n")
    assert b'"service": "auth"' in answer
    assert b'"path": "/users?a=1"' in answer


async def test_the_process_answers_for_itself(gateway: RunningGateway) -> None:
    for path in ("/healthz", "/v1/healthz", "/healthz/"):
        async with gateway.session.get(path) as answer:
            assert answer.status == 200
            assert await answer.json() == {"data": {"status": "up"}}


async def test_readiness_is_only_read(gateway: RunningGateway) -> None:
    async with gateway.session.post("/readyz/quota") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"
