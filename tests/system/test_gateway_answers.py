"""What the gateway itself answers: errors in the envelope, pages, headers, CORS."""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse

from gateway.render import nginx
from gateway.settings import Limits
from tests.support.nginx import RunningGateway, StandIn, running_gateway
from tests.support.ports import free_port
from tests.support.waiting import eventually

STRICT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway() -> AsyncIterator[RunningGateway]:
    async with running_gateway(
        rate_limits=False, cors_origins=("https://app.example.com", "http://localhost:3000")
    ) as running:
        yield running


async def code_of(answer: ClientResponse) -> str:
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Request-Id"]
    assert {name: answer.headers[name] for name in STRICT} == STRICT
    assert answer.headers["Server"] == "nginx"
    body = await answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    code: str = body["error"]["code"]
    return code


def parsed(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("status", "code", "sent"),
    [
        (400, "invalid_data", b"NONSENSE\r\n\r\n"),
        (400, "invalid_data", b"GET /users HTTP/1.1\r\n\r\n"),
        (400, "invalid_data", b"GET /users HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (400, "invalid_data", b"GET /users HTTP/1.1\r\nHost: a\r\nX-Big: " + b"x" * 70_000 + b"\r\n\r\n"),
        (400, "invalid_data", b"GET /users HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n"),
        (400, "invalid_data", b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "invalid_data", b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        (400, "invalid_data", b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"),
        (400, "invalid_data", b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
        (400, "invalid_data", b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (400, "invalid_data", b"GET /users HTTP/9.1\r\nHost: a\r\n\r\n"),
        (405, "method_not_allowed", b"TRACE /users HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        (413, "payload_too_large", b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"),
        (414, "invalid_data", b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ],
)  # fmt: skip
async def test_what_is_no_proper_request_gets_the_envelope(
    gateway: RunningGateway, status: int, code: str, sent: bytes
) -> None:
    answered, headers, body = parsed(await gateway.raw(sent))
    assert (answered, json.loads(body)["error"]["code"]) == (status, code)
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert STRICT.items() <= headers.items()
    assert headers["X-Request-Id"]


async def test_head_is_answered_without_a_body(gateway: RunningGateway) -> None:
    for path, status in (("/users", 200), ("/nothing", 404), ("/healthz", 200)):
        async with gateway.session.head(path) as answer:
            assert (answer.status, await answer.read()) == (status, b"")
            assert answer.headers["X-Request-Id"]


async def test_pages_take_no_other_method(gateway: RunningGateway) -> None:
    for path in ("/", "/docs", "/openapi.json", "/postman.json", "/v1/spec.yaml", "/healthz"):
        async with gateway.session.delete(path) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET, HEAD"
            assert await code_of(answer) == "method_not_allowed"


async def test_a_body_over_256_kb_is_refused_however_it_is_sent(gateway: RunningGateway) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 65_536

    for body in (b"x" * 262_145, chunks()):
        async with gateway.session.post("/teams", data=body) as answer:
            assert answer.status == 413
            assert await code_of(answer) == "payload_too_large"
    assert gateway.stand_ins["auth"].requests["/teams"] == 0
    async with gateway.session.post("/teams", data=b"x" * 262_144) as answer:
        assert (await answer.json())["bytes"] == 262_144


async def test_only_an_upload_may_be_larger(gateway: RunningGateway) -> None:
    async with gateway.session.post("/v1/files?kind=users&id=1", data=io.BytesIO(b"x" * (11 * 2**20))) as answer:
        assert (await answer.json())["bytes"] == 11 * 2**20
    async with gateway.session.post("/files", data=io.BytesIO(b"x" * (11 * 2**20 + 1))) as answer:
        assert answer.status == 413
        assert await code_of(answer) == "payload_too_large"


async def test_a_services_own_error_passes_untouched(gateway: RunningGateway) -> None:
    for status in (400, 401, 404, 405, 409, 413, 422, 429, 500, 502, 503):
        headers = json.dumps({"Allow": "GET", "Retry-After": "7", "Cache-Control": "private", "ETag": 'W/"1.a"'})
        async with gateway.session.get("/quota/me", params={"status": status, "headers": headers}) as answer:
            assert answer.status == status
            assert (await answer.json())["service"] == "quota"
            assert answer.headers["Retry-After"] == "7"
            assert answer.headers.getall("Cache-Control") == ["private"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_service_may_say_more_than_the_strict_default_but_nothing_about_itself(gateway: RunningGateway) -> None:
    said = {
        "Content-Security-Policy": "form-action 'self'",
        "Referrer-Policy": "origin",
        "X-Powered-By": "x",
        "Server": "y",
    }
    async with gateway.session.get("/oauth/authorize", params={"headers": json.dumps(said)}) as answer:
        assert answer.headers.getall("Content-Security-Policy") == ["form-action 'self'"]
        assert answer.headers.getall("Referrer-Policy") == ["origin"]
        assert answer.headers["Server"] == "nginx"
        assert "X-Powered-By" not in answer.headers


async def test_cookies_pass_and_what_a_query_holds_is_in_no_log(gateway: RunningGateway) -> None:
    said = json.dumps({"Set-Cookie": "peerly_sign_in=canary; Path=/; HttpOnly; SameSite=Lax"})
    headers = {"Cookie": "peerly_sign_in=canary", "Origin": "null"}
    path = "/oauth/authorize?state=canary"
    async with gateway.session.post(
        path, params={"headers": said}, data={"password": "canary"}, headers=headers
    ) as answer:
        seen = (await answer.json())["headers"]
        assert answer.headers["Set-Cookie"].startswith("peerly_sign_in=canary; ")
    assert (seen["cookie"], seen["origin"]) == ("peerly_sign_in=canary", "null")
    assert seen["content-type"] == "application/x-www-form-urlencoded"
    line = gateway.log_lines()[-1]
    assert (line["path"], line["method"]) == ("/oauth/authorize", "POST")
    assert "canary" not in json.dumps(line)


async def test_a_service_that_is_away_is_unavailable() -> None:
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("auth", "recognition", "quota", "moderation")}
    async with running_gateway(services=addresses) as gateway:
        for method in ("GET", "POST"):
            async with gateway.session.request(method, "/quota/me") as answer:
                assert answer.status == 502
                assert answer.headers["Retry-After"] == "1"
                assert await code_of(answer) == "unavailable"


async def test_instances_of_a_service_are_asked_in_turn_and_one_that_is_away_is_no_harm_to_reading() -> None:
    async with StandIn("quota").running() as one, StandIn("quota").running() as other:
        here, there = (f"127.0.0.1:{stand_in.port}" for stand_in in (one, other))
        services = {"auth": f"127.0.0.1:{free_port()},{here}", "quota": f"{here},{there}"}
        async with running_gateway(services={"recognition": here, "moderation": here, **services}) as gateway:
            for path in ("/quota/me", "/users/me"):
                for _ in range(10):
                    async with gateway.session.get(path) as answer:
                        assert answer.status == 200, path
        assert one.requests["/quota/me"] == other.requests["/quota/me"] == 5
        assert one.requests["/users/me"] == 10


async def test_a_service_that_accepts_and_never_answers_is_given_up_within_its_deadline(
    gateway: RunningGateway,
) -> None:
    async with asyncio.timeout(12), gateway.session.get("/quota/me?wait=30") as answer:
        assert answer.status == 504
        assert await code_of(answer) == "unavailable"


async def test_hsts_is_sent_where_the_public_address_is_https() -> None:
    async with running_gateway(public_url="https://peerly.example.com") as gateway:
        for path in ("/users", "/nothing", "/healthz"):
            async with gateway.session.get(path) as answer:
                assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        async with gateway.session.get("/users") as answer:
            assert (await answer.json())["headers"]["x-forwarded-proto"] == "https"
    async with running_gateway() as gateway, gateway.session.get("/users") as answer:
        assert "Strict-Transport-Security" not in answer.headers


async def test_documents_are_served_from_their_directory(tmp_path: Path) -> None:
    pages = {
        "index.json": '{"data": {}}',
        "openapi.json": "{}",
        "spec.yaml": "a: 1",
        "docs.html": "<style>p {}</style><p>x</p>",
    }
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    async with running_gateway(documents=tmp_path) as gateway:
        paths = {
            "/": "index.json", "/v1/": "index.json", "/v1": "index.json", "/openapi.json": "openapi.json",
            "/v1/spec.yaml": "spec.yaml", "/spec.yaml": "spec.yaml", "/docs": "docs.html", "/docs/?a": "docs.html",
        }  # fmt: skip
        for path, name in paths.items():
            async with gateway.session.get(path) as answer:
                assert (answer.status, await answer.text()) == (200, pages[name])
                assert answer.headers["Cache-Control"] == "no-cache"
                assert answer.headers["ETag"]
        async with gateway.session.get("/docs") as answer:
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            allowed = base64.b64encode(hashlib.sha256(b"p {}").digest()).decode()
            assert (
                f"default-src 'none'; style-src 'sha256-{allowed}'; base" in answer.headers["Content-Security-Policy"]
            )
        async with gateway.session.get("/postman.json") as answer:
            assert await code_of(answer) == "not_found"


async def test_a_good_request_id_is_kept_everywhere_and_a_bad_one_is_replaced(gateway: RunningGateway) -> None:
    for path in ("/users", "/nothing", "/healthz"):
        async with gateway.session.get(path, headers={"X-Request-Id": "a.B-9_" * 21}) as answer:
            assert answer.headers.getall("X-Request-Id") == ["a.B-9_" * 21]
    for bad in ("x" * 129, "a b", "a\tb", "<script>", 'a"b'):
        headers = {"X-Request-Id": bad}
        params = {"headers": json.dumps({"X-Request-Id": "the service's"})}
        async with gateway.session.get("/users", headers=headers, params=params) as answer:
            [made] = answer.headers.getall("X-Request-Id")
            assert len(made) == 32
            assert (await answer.json())["headers"]["x-request-id"] == made


async def test_listed_origins_may_read_and_others_may_not(gateway: RunningGateway) -> None:
    for path in ("/users", "/nothing", "/healthz", "/users?status=401"):
        async with gateway.session.get(path, headers={"Origin": "https://app.example.com"}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
            assert {"ETag", "Link", "Retry-After"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
            assert "Origin" in answer.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in answer.headers
    for origin in (
        "null", "https://app.example.com.evil.org", "https://evilapp.example.com", "http://app.example.com",
        "https://appxexample.com", "https://app.example.com:444", "http://localhost:30001", "https://APP.example.com",
        "*",
    ):  # fmt: skip
        async with gateway.session.get("/users", headers={"Origin": origin}) as answer:
            assert not any(name.lower().startswith("access-control") for name in answer.headers)
            assert "Origin" in answer.headers["Vary"]


async def test_a_service_may_allow_an_origin_of_its_own(gateway: RunningGateway) -> None:
    said = json.dumps({"Access-Control-Allow-Origin": "https://shop.example.com", "Vary": "Origin"})
    for origin in ("https://shop.example.com", "https://app.example.com"):
        async with gateway.session.get("/insights", headers={"Origin": origin}, params={"headers": said}) as answer:
            assert answer.headers.getall("Access-Control-Allow-Origin") == ["https://shop.example.com"]
            assert answer.headers.getall("Vary") == ["Origin"]


async def test_a_preflight_is_answered_here(gateway: RunningGateway) -> None:
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PATCH"}
    async with gateway.session.options("/v1/core_values/1", headers=asked) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    async with gateway.session.options("/users", headers={**asked, "Origin": "https://evil.org"}) as answer:
        assert answer.status == 204
        assert not any(name.lower().startswith("access-control") for name in answer.headers)
    async with gateway.session.options("/nothing", headers=asked) as answer:
        assert answer.status == 404
    assert "/v1/core_values/1" not in gateway.stand_ins["recognition"].requests


async def test_any_origin_may_be_allowed_without_credentials() -> None:
    asked = {"Origin": "https://any.org"}
    async with running_gateway(cors_origins=("*",)) as gateway, gateway.session.get("/users", headers=asked) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_json_over_a_kilobyte_is_compressed(gateway: RunningGateway) -> None:
    async def answer_to(path: str) -> tuple[dict[str, str], bytes]:
        sent = f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        _, headers, body = parsed(await gateway.raw(sent.encode()))
        return headers, body

    headers, body = await answer_to("/users?pad=20000&headers={%22ETag%22:%22\\%221.a\\%22%22}")
    assert headers["Content-Encoding"] == "gzip"
    assert headers["ETag"] == 'W/"1.a"'
    assert len(body) < 1000
    first = body.split(b"\r\n", 1)[1] if headers.get("Transfer-Encoding") == "chunked" else body
    assert gzip.decompress(first[: int(body.split(b"\r\n", 1)[0], 16)]).startswith(b'{"data": "xxx')
    headers, _ = await answer_to("/users?pad=500")
    assert "Content-Encoding" not in headers


async def test_one_log_line_a_request_without_secrets(gateway: RunningGateway) -> None:
    asked = {"X-Request-Id": "logged-1", "Authorization": "Bearer canary-token"}
    async with gateway.session.post("/v1/password-resets/canary-token?x=canary-token", headers=asked) as answer:
        assert answer.status == 200

    def lines() -> list[dict[str, Any]]:
        return [line for line in gateway.log_lines() if line["request_id"] == "logged-1"]

    [line] = await eventually(lines)  # nginx writes it after the answer
    assert line["event"] == "request"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/password-resets/...", 200)
    assert "canary" not in Path(gateway.settings.access_log).read_text()


async def rendered(directory: Path, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.render", directory / "gateway", "--runtime", directory,
        env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, complaint.decode()


async def test_the_renderer_writes_what_nginx_accepts(tmp_path: Path) -> None:
    told = {
        "PEERLY_PORT": "8080", "PEERLY_PUBLIC_URL": "https://peerly.test", "PEERLY_CORS_ORIGINS": "https://a.test, *",
        "PEERLY_TRUSTED_PROXIES": "10.0.0.0/8,2001:db8::1", "PEERLY_QUOTA_ADDRESS": "10.1.2.3:8103",
        "PEERLY_AUTH_ADDRESS": "10.1.2.3:8101,[::1]:8101",
    }  # fmt: skip
    assert await rendered(tmp_path, **told) == (0, "")
    checked = await asyncio.create_subprocess_exec(
        nginx(), "-t", "-q", "-p", tmp_path / "gateway", "-c", tmp_path / "gateway" / "nginx.conf", "-e", "stderr"
    )
    assert await checked.wait() == 0
    text = (tmp_path / "gateway" / "nginx.conf").read_text()
    assert "server 10.1.2.3:8103 max_fails=0 max_conns=64; server 10.1.2.3:8103 max_fails=0 max_conns=64;" in text
    assert "server 10.1.2.3:8101 max_fails=0 max_conns=128; server [::1]:8101 max_fails=0 max_conns=128;" in text
    assert "set_real_ip_from 2001:db8::1;" in text


async def test_the_renderer_names_the_setting_that_it_cannot_use(tmp_path: Path) -> None:
    code, complaint = await rendered(tmp_path, PEERLY_CORS_ORIGINS="app.example.com")
    assert code == 2
    assert "PEERLY_CORS_ORIGINS takes origins like https://app.example.com, not 'app.example.com'" in complaint


async def test_the_port_is_closed_to_a_second_gateway_with_a_clear_word() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = await refused_start(f"127.0.0.1:{taken.getsockname()[1]}")
    assert b"Address already in use" in process


async def refused_start(listen: str) -> bytes:
    async with running_gateway(limits=Limits()) as other:
        settings = other.settings
        configuration = settings.config / "nginx.conf"
        configuration.write_text(configuration.read_text().replace(settings.listen, listen))
        second = await asyncio.create_subprocess_exec(
            nginx(), "-p", settings.config, "-c", configuration, "-e", "stderr", stderr=asyncio.subprocess.PIPE
        )
        _, complaint = await second.communicate()
        assert second.returncode == 1
        return complaint
