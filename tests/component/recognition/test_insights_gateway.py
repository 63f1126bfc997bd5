"""P2-1: publishable keys through the gateway, which has a list of origins of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse

from gateway.settings import SERVICE_PORTS
from tests.component.recognition.test_insights_pages import OTHER, PAGE, PATHS, Page
from tests.component.recognition.world import Api
from tests.support.nginx import RunningGateway, running_gateway

LISTED = "https://app.example.com"
ASKED = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
async def gateway(api: Api) -> AsyncIterator[RunningGateway]:
    address = api.address.removeprefix("http://")
    services = dict.fromkeys(SERVICE_PORTS, address)
    async with running_gateway(rate_limits=False, cors_origins=(LISTED,), services=services) as running:
        yield running


def told(answer: ClientResponse, name: str) -> list[str]:
    return answer.headers.getall(f"Access-Control-{name}", [])


async def test_p2_1_a_page_asks_whether_it_may_and_then_reads(gateway: RunningGateway) -> None:
    for path in PATHS:
        async with gateway.session.options(f"/insights/{path}", headers={"Origin": PAGE, **ASKED}) as answer:
            assert (answer.status, told(answer, "Allow-Origin"), told(answer, "Allow-Methods")) == (204, ["*"], ["GET"])
            assert "Authorization" in told(answer, "Allow-Headers")[0]
        headers = {"Origin": PAGE, "Authorization": f"Bearer {Page().token}"}
        async with gateway.session.get(f"/v1/insights/{path}", headers=headers) as answer:
            assert (answer.status, told(answer, "Allow-Origin")) == (200, [PAGE])
            assert len(told(answer, "Expose-Headers")) == 1
            assert any("Origin" in vary for vary in answer.headers.getall("Vary"))


async def test_p2_1_a_page_elsewhere_reads_nothing(gateway: RunningGateway) -> None:
    for origin, allowed in ((OTHER, []), (LISTED, [LISTED])):
        headers = {"Origin": origin, "Authorization": f"Bearer {Page().token}"}
        async with gateway.session.get("/insights/summary", headers=headers) as answer:
            assert (answer.status, told(answer, "Allow-Origin")) == (403, allowed)


async def test_p2_1_a_listed_origin_asks_as_everywhere(gateway: RunningGateway) -> None:
    async with gateway.session.options("/insights/summary", headers={"Origin": LISTED, **ASKED}) as answer:
        assert answer.status == 204
        assert told(answer, "Allow-Origin") in (["*"], [LISTED])
        assert "GET" in told(answer, "Allow-Methods")[0]
