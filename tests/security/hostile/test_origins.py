"""S34: only pages of listed origins may read answers, on every route, and none with credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse

from tests.support.nginx import RunningGateway, running_gateway
from tests.support.walk import OPERATIONS

LISTED = "https://app.example.com"
OTHERS = [
    "null", "*", "", "https://app.example.com.evil.org", "https://evilapp.example.com", "https://evil.app.example.com",
    "http://app.example.com", "https://app.example.com:444", "https://app.example.com:443x", "https://APP.example.com",
    "HTTPS://app.example.com", "https://app.example.com/", "https://app.example.com/x", "https://app.example.com?x",
    "https://app.example.com#x", "https://user@app.example.com", "https://app.example.com@evil.org",
    "https://appxexample.com",
    "https://app.example.comx", "xhttps://app.example.com", "https://app.example.co", "https://example.com",
    "app.example.com",
    "//app.example.com", "https://app.example.com https://evil.org", "https://app.example.com,https://evil.org",
    "file://",
    "https://app.example.com%00.evil.org", "https://app.example.com%0d%0aX: y", "https://app.example.com`.evil.org",
    "chrome-extension://abcdef", "https://127.0.0.1", "http://localhost:8080",
]  # fmt: skip
PATHS = sorted({one.path.replace("{", "").replace("}", "") for one in OPERATIONS})


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[RunningGateway]:
    async with running_gateway(rate_limits=False, cors_origins=(LISTED,)) as running:
        yield running


def told(answer: ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control")}


@pytest.mark.parametrize("origin", OTHERS)
async def test_s34_another_origin_is_told_nothing(gateway: RunningGateway, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for method, path in (("GET", "/users"), ("POST", "/login"), ("GET", "/nothing"), ("OPTIONS", "/users")):
        async with gateway.session.request(method, path, headers=asked) as answer:
            assert told(answer) == {}, method
            assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("path", PATHS)
async def test_s34_every_route_answers_the_listed_origin_without_credentials(
    gateway: RunningGateway, path: str
) -> None:
    asked = {"Origin": LISTED, "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET"):
        async with gateway.session.request(method, path, headers=asked) as answer:
            assert told(answer)["access-control-allow-origin"] == LISTED
            assert "access-control-allow-credentials" not in told(answer)
