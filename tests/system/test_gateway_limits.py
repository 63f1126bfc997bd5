"""Limits of rate, time and connections, retries, and what the gateway believes about the client's address."""

import asyncio
import time

import pytest

from gateway.settings import GatewaySettings, InvalidSetting, Limits
from tests.support.nginx import RunningGateway, running_gateway

TIGHT = Limits(rate=1, burst=4, address_rate=1, address_burst=19, sign_in_rate=1, sign_in_burst=2, connections=8)


async def statuses(gateway: RunningGateway, path: str, times: int, token: str = "", method: str = "GET") -> list[int]:
    async def one() -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with gateway.session.request(method, path, headers=headers) as answer:
            if answer.status == 429:
                assert answer.headers["Retry-After"] == "1"
                assert (await answer.json())["error"]["code"] == "rate_limited"
            return answer.status

    return [await one() for _ in range(times)]


def token_of(who: str) -> str:
    return f"eyJhbGciOiJFZERTQSJ9.aaaaaaaaaaaaaaaaaaaa.signature-of-{who}"


async def test_each_credential_has_its_own_rate() -> None:
    async with running_gateway(limits=TIGHT) as gateway:
        began = time.monotonic()
        first = await statuses(gateway, "/users", 14, token_of("the-first"))
        seconds = time.monotonic() - began
        second = await statuses(gateway, "/users", 5, token_of("the-second"))
    assert first[:5] == [200] * 5
    assert first.count(200) <= 5 + seconds + 1
    assert 429 in first
    assert second == [200] * 5


async def test_made_up_credentials_do_not_escape_the_rate_of_an_address() -> None:
    async with running_gateway(limits=TIGHT) as gateway:
        answers = [(await statuses(gateway, "/users", 1, f"made-up-credential-{number}"))[0] for number in range(30)]
    assert answers[:20] == [200] * 20
    assert 429 in answers[20:]


async def test_more_than_a_service_takes_at_once_is_turned_away_here() -> None:
    async with running_gateway(limits=Limits(at_once=8)) as gateway:

        async def asked(path: str) -> tuple[int, str | None, float]:
            began = time.monotonic()
            async with gateway.session.get(path) as answer:
                return answer.status, answer.headers.get("Retry-After"), time.monotonic() - began

        answers = await asyncio.gather(*(asked("/quota/me?wait=2") for _ in range(24)), asked("/users"))
        refused = [answer for answer in answers if answer[0] != 200]
        assert {answer[:2] for answer in refused} == {(503, "1")}
        assert len(refused) == 24 - 8
        assert max(seconds for _, _, seconds in refused) < 1
        assert answers[-1][0] == 200
        assert gateway.stand_ins["quota"].requests.total() == 8
        assert await statuses(gateway, "/quota/me", 9) == [200] * 9


@pytest.mark.parametrize(
    "path", ["/login", "/v1/oauth/google/", "/oauth/authorize?state=a", "/authentication/login", "/password-resets/x"]
)
async def test_sign_in_is_limited_far_lower(path: str) -> None:
    async with running_gateway(limits=TIGHT) as gateway:
        began = time.monotonic()
        answers = await statuses(gateway, path, 10, method="POST")
        assert answers[:3] == [200] * 3
        assert answers.count(200) <= 3 + time.monotonic() - began + 1
        assert 429 in answers
        assert await statuses(gateway, "/users", 1) == [200]


async def test_rates_can_be_switched_off() -> None:
    async with running_gateway(limits=TIGHT, rate_limits=False) as gateway:
        assert set(await statuses(gateway, "/login", 50, method="POST")) == {200}


async def test_one_address_holds_only_so_many_requests_open() -> None:
    async with running_gateway(limits=TIGHT) as gateway:

        async def held() -> int:
            async with gateway.session.get(
                "/users?wait=1", headers={"Authorization": f"Bearer {id(object()):040}"}
            ) as answer:
                return answer.status

        answers = await asyncio.gather(*(held() for _ in range(12)))
    assert answers.count(200) <= 8
    assert 429 in answers


SILENT = {
    "nothing": b"",
    "headers": b"GET /users HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    "body": b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx",
    "chunks": b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "idle": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
}


async def test_a_client_that_falls_silent_at_any_stage_is_closed_within_ten_seconds() -> None:
    async def seconds_until_closed(sent: bytes) -> float:
        began = time.monotonic()
        await gateway.raw(sent, within=12)
        return time.monotonic() - began

    async with running_gateway() as gateway:
        seconds = await asyncio.gather(*map(seconds_until_closed, SILENT.values()))
    assert max(seconds) < 10.5, dict(zip(SILENT, seconds, strict=True))


async def test_headers_that_drip_are_closed_within_ten_seconds() -> None:
    async with running_gateway() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /users HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        reading = asyncio.ensure_future(reader.read())
        began = time.monotonic()
        while not reading.done() and time.monotonic() - began < 11:
            writer.write(b"x")
            await asyncio.wait([reading], timeout=0.5)
        writer.close()
        assert reading.done()
        assert time.monotonic() - began < 10.5


async def test_others_are_served_while_hundreds_are_slow() -> None:
    async with running_gateway() as gateway:
        slow = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(500)]
        for _, writer in slow:
            writer.write(b"GET /users HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert await statuses(gateway, "/users", 100) == [200] * 100
        for _, writer in slow:
            writer.close()


async def test_connections_to_a_service_are_kept() -> None:
    async with running_gateway() as gateway:
        assert await statuses(gateway, "/users", 50) == [200] * 50
        assert await statuses(gateway, "/users", 20, method="POST") == [200] * 20
        assert len(gateway.stand_ins["auth"].connections) <= 2


async def test_a_read_is_tried_once_more_when_its_connection_breaks() -> None:
    async with running_gateway() as gateway:
        quota = gateway.stand_ins["quota"]
        quota.drop = 1
        assert await statuses(gateway, "/quota/me", 1) == [200]
        assert quota.requests["/quota/me"] == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_never_tried_again(method: str) -> None:
    async with running_gateway() as gateway:
        quota = gateway.stand_ins["quota"]
        assert await statuses(gateway, "/quota/x", 3, method=method) == [200] * 3
        quota.drop = 1
        assert await statuses(gateway, "/quota/x", 1, method=method) == [502]
        assert quota.requests["/quota/x"] == 4


@pytest.mark.parametrize("path", ["/oauth/authorize", "/v1/oauth/token", "/oauth/revoke"])
async def test_no_form_of_oauth_is_sent_twice(path: str) -> None:
    async with running_gateway() as gateway:
        auth = gateway.stand_ins["auth"]
        assert await statuses(gateway, path, 2, method="POST") == [200] * 2
        auth.drop = 1
        assert await statuses(gateway, path, 1, method="POST") == [502]
        assert auth.requests[path] == 3


async def test_a_read_is_not_tried_again_and_again() -> None:
    async with running_gateway() as gateway:
        quota = gateway.stand_ins["quota"]
        assert await statuses(gateway, "/quota/me", 1) == [200]
        quota.drop = 100
        assert await statuses(gateway, "/quota/me", 1) == [502]
        assert quota.requests["/quota/me"] <= 4


SPOOFED = {
    "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.org", "X-Forwarded-Port": "1",
    "X-Real-IP": "1.2.3.4", "Forwarded": "for=1.2.3.4", "X-User-Id": "1", "X-Org-Id": "7",
}  # fmt: skip


async def test_what_a_client_says_about_itself_is_not_passed_on() -> None:
    async with running_gateway() as gateway, gateway.session.get("/users", headers=SPOOFED) as answer:
        seen = (await answer.json())["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-org-id"] == "7"
    assert not {"x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded", "x-user-id"} & set(seen)


async def test_a_trusted_proxy_names_the_client() -> None:
    said = {"X-Forwarded-For": "9.9.9.9, 203.0.113.7"}
    async with (
        running_gateway(trusted_proxies=("127.0.0.0/8",)) as gateway,
        gateway.session.get("/users", headers=said) as answer,
    ):
        assert (await answer.json())["headers"]["x-forwarded-for"] == "203.0.113.7"


@pytest.mark.parametrize(
    "wrong",
    [
        {"cors_origins": ('https://a"; return 200;',)},
        {"cors_origins": ("app.example.com",)},
        {"cors_origins": ("https://app.example.com/",)},
        {"trusted_proxies": ("everyone",)},
        {"public_url": "ftp://x"},
        {"listen": "8080"},
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(wrong: dict[str, object]) -> None:
    async with running_gateway() as gateway:
        right = vars(gateway.settings)
    with pytest.raises(InvalidSetting):
        GatewaySettings(**{**right, **wrong})
