"""The conventions that every route keeps, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from shared.identity import Role
from tests.component.http.conftest import Start
from tests.support.api import SIGNER, Reply
from tests.support.tokens import claims

JSON = {"Content-Type": "application/json"}


async def ask(client: aiohttp.ClientSession, method: str, path: str, **options: Any) -> Reply:
    async with client.request(method, path, **options) as response:
        return Reply(response.status, response.headers, await response.read())


async def post(client: aiohttp.ClientSession, body: Any, **headers: str) -> Reply:
    return await ask(client, "POST", "/things", json=body, headers=headers)


@pytest.mark.parametrize("path", ["/things", "/things/", "/v1/things", "/v1/things/"])
async def test_path_is_the_same_below_v1_and_with_a_slash(client: aiohttp.ClientSession, path: str) -> None:
    assert (await ask(client, "GET", path)).status == 200


async def test_success_and_list_have_their_envelopes(client: aiohttp.ClientSession) -> None:
    assert (await post(client, {"text": "hello"})).body["data"]["text"] == "hello"
    listed = await ask(client, "GET", "/things?limit=5&offset=10")
    assert listed.body["meta"] == {"limit": 5, "offset": 10, "total": 1, "next_cursor": "WzEsMl0"}
    assert 'rel="next"' in listed.headers["Link"]
    assert 'offset=5>; rel="prev"' in listed.headers["Link"]


async def test_no_token_is_401_before_anything_else(client: aiohttp.ClientSession) -> None:
    for method, path in (("POST", "/things"), ("GET", "/things/abc"), ("PATCH", "/things")):
        answer = await ask(client, method, path, headers={"Authorization": "Bearer undefined"}, data=b"{")
        assert answer.status == 401
        assert answer.error == {"code": "invalid_token", "message": "unauthorized user"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_missing_permission_is_403_before_the_form_is_looked_at(client: aiohttp.ClientSession) -> None:
    employee = {"Authorization": f"Bearer {SIGNER.token(8)}"}
    answer = await ask(client, "PUT", "/things/abc", headers=employee, data=b"{")
    assert (answer.status, answer.error["code"]) == (403, "access_denied")


async def test_unknown_path_is_404_even_without_a_token(client: aiohttp.ClientSession) -> None:
    answer = await ask(client, "GET", "/nothing", headers={"Authorization": ""})
    assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_other_method_is_405_with_the_allowed_ones(client: aiohttp.ClientSession) -> None:
    answer = await ask(client, "PATCH", "/things")
    assert (answer.status, answer.error["code"], answer.headers["Allow"]) == (
        405,
        "method_not_allowed",
        "GET, HEAD, POST",
    )


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", str(2**53), "9" * 40, "%00", "1%20", "\u0661"])
async def test_path_id_of_wrong_form_is_400(client: aiohttp.ClientSession, text: str) -> None:
    answer = await ask(client, "GET", f"/things/{text}")
    assert (answer.status, list(answer.error["fields"])) == (400, ["id"])


async def test_every_wrong_field_is_named_at_once(client: aiohttp.ClientSession) -> None:
    answer = await ask(client, "PUT", "/things/x", json={"parent_id": True, "flag": 1, "text": "far too long a text"})
    assert set(answer.error["fields"]) == {"id", "parent_id", "flag", "text"}
    query = await ask(client, "GET", "/things?limit=0&offset=-1&cursor=&ids=1,x&fail=other&unknown=1")
    assert set(query.error["fields"]) == {"limit", "offset", "cursor", "ids", "fail"}


ACCEPTED: dict[str, bytes] = {
    "id as text": b'{"text": "a", "parent_id": "12"}',
    "integral float": b'{"text": "a", "parent_id": 12.0}',
    "null": b'{"text": "a", "parent_id": null}',
    "unknown key": b'{"text": "a", "given_by": 99}',
    "trimmed": b'{"text": "   a   "}',
    "astral characters": '{"text": "\U0001f44d\U0001f3fd"}'.encode(),
    "escaped pair": b'{"text": "\\ud83d\\udc4d"}',
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_lenient_where_the_contract_says_so(client: aiohttp.ClientSession, body: bytes) -> None:
    assert (await ask(client, "PUT", "/things/4", data=body, headers=JSON)).status == 200


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "broken": b'{"text": ',
    "list": b"[]",
    "number": b"1",
    "null": b"null",
    "not a number": b'{"text": NaN}',
    "infinity": b'{"text": "a", "parent_id": 1e999}',
    "long number": b'{"text": "a", "parent_id": ' + b"9" * 100_000 + b"}",
    "name twice": b'{"text": "a", "text": "b"}',
    "nul": b'{"text": "a\\u0000"}',
    "nul in a name": b'{"text": "a", "\\u0000": 1}',
    "half a pair": b'{"text": "\\ud800"}',
    "not utf-8": b'{"text": "\xff"}',
    "33 levels": b'{"text": "a", "deep": ' + b"[" * 33 + b"]" * 33 + b"}",
    "5,000 levels": b"[" * 5_000,
    "100,000 levels": b'{"a":' * 40_000,
    "boolean id": b'{"text": "a", "parent_id": true}',
    "fraction id": b'{"text": "a", "parent_id": 1.5}',
    "zero id": b'{"text": "a", "parent_id": 0}',
    "large id": b'{"text": "a", "parent_id": 9007199254740992}',
    "list for text": b'{"text": ["a"]}',
    "number for text": b'{"text": 1}',
    "only blanks": b'{"text": "   "}',
    "only zero-width spaces": b'{"text": "\\u200b\\u200b"}',
    "only a letter without a shape": b'{"text": "\\u3164"}',
    "text for truth": b'{"text": "a", "flag": "true"}',
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
async def test_bad_body_is_400_in_the_envelope(client: aiohttp.ClientSession, body: bytes) -> None:
    answer = await ask(client, "POST", "/things", data=body, headers=JSON)
    assert (answer.status, answer.error["code"]) == (400, "invalid_data")


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
async def test_character_that_cannot_be_stored_is_told_by_its_field(client: aiohttp.ClientSession, text: str) -> None:
    body = b'{"text": "a' + text.encode() + b'", "flag": 1}'
    answer = await ask(client, "POST", "/things", data=body, headers=JSON)
    assert (answer.status, list(answer.error["fields"])) == (400, ["text"])


async def test_body_of_another_type_is_415(client: aiohttp.ClientSession) -> None:
    for headers in ({"Content-Type": "text/plain"}, {**JSON, "Content-Encoding": "gzip"}):
        answer = await ask(client, "POST", "/things", data=b'{"text": "a"}', headers=headers)
        assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")


async def test_large_body_is_413(client: aiohttp.ClientSession) -> None:
    answer = await ask(client, "POST", "/things", data=b" " * 300_000, headers=JSON)
    assert (answer.status, answer.error["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/vnd.peerly.v1", 200),
        ("application/vnd.peerly.v2", 406),
        ("application/vnd.peerly.v1+json", 200),
        ("application/vnd.peerly.v2+json", 406),
        ("version=1", 200),
        ("*/*", 200),
        ("application/vnd.peerly.v2, application/json", 200),
        ("application/vnd.peerly.v2;q=0.9, application/vnd.peerly.v1", 200),
    ],
)
async def test_only_another_version_is_not_acceptable(client: aiohttp.ClientSession, accept: str, status: int) -> None:
    assert (await ask(client, "GET", "/things", headers={"Accept": accept})).status == status


async def test_entity_tag_answers_304_also_when_weakened(client: aiohttp.ClientSession) -> None:
    tag = (await ask(client, "GET", "/things/4")).headers["ETag"]
    assert tag.startswith('"3.')
    for given, status in ((tag, 304), (f"W/{tag}", 304), (f'"x", {tag}', 304), ("*", 304), ('"3.other"', 200)):
        answer = await ask(client, "GET", "/things/4", headers={"If-None-Match": given})
        assert (answer.status, answer.headers["ETag"]) == (status, tag)
    listed = (await ask(client, "GET", "/things")).headers["ETag"]
    assert (await ask(client, "GET", "/things", headers={"If-None-Match": listed})).raw == b""


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ('"3.anything"', 204),
        ('W/"3.x"', 204),
        ("*", 204),
        ('"2.x"', 412),
        ('"x"', 412),
        ("3", 412),
        ('"' + "9" * 5000 + '"', 412),
    ],
)
async def test_if_match_compares_the_version_only(client: aiohttp.ClientSession, tag: str, status: int) -> None:
    assert (await ask(client, "DELETE", "/things/4", headers={"If-Match": tag})).status == status


async def test_repeated_request_gets_the_first_answer_and_no_second_effect(client: aiohttp.ClientSession) -> None:
    first = await post(client, {"text": "once"}, **{"Idempotency-Key": "k"})
    again = await ask(client, "POST", "/v1/things/", data=b'{"text":"once"}', headers={**JSON, "Idempotency-Key": "k"})
    assert (again.status, again.raw, again.headers["Idempotency-Replayed"]) == (201, first.raw, "true")
    other = await post(client, {"text": "other"}, **{"Idempotency-Key": "k"})
    assert (other.status, other.error["code"]) == (422, "idempotency_key_reused")
    assert (await ask(client, "GET", "/things")).body["meta"]["total"] == 1


async def test_refused_request_leaves_its_key_free(client: aiohttp.ClientSession) -> None:
    assert (await post(client, {"text": "refused"}, **{"Idempotency-Key": "k"})).status == 422
    assert (await post(client, {"text": "fine"}, **{"Idempotency-Key": "k"})).status == 201


async def test_key_belongs_to_its_caller(client: aiohttp.ClientSession) -> None:
    await post(client, {"text": "mine"}, **{"Idempotency-Key": "k"})
    other = SIGNER.token(9, Role.ORGANISATION_ADMIN)
    answer = await post(client, {"text": "mine"}, **{"Idempotency-Key": "k", "Authorization": f"Bearer {other}"})
    assert "Idempotency-Replayed" not in answer.headers


async def test_parallel_repetitions_have_one_effect(client: aiohttp.ClientSession) -> None:
    answers = await asyncio.gather(*(post(client, {"text": "slow"}, **{"Idempotency-Key": "k"}) for _ in range(6)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.raw for answer in answers}) == 1


async def test_repetition_of_a_running_request_is_409_after_a_second(client: aiohttp.ClientSession) -> None:
    answers = await asyncio.gather(*(post(client, {"text": "stuck"}, **{"Idempotency-Key": "k"}) for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [201, 409]
    assert {answer.error["code"] for answer in answers if answer.status == 409} == {"request_in_progress"}


async def test_bad_idempotency_key_is_400(client: aiohttp.ClientSession) -> None:
    assert (await post(client, {"text": "a"}, **{"Idempotency-Key": "k" * 256})).status == 400


async def test_request_id_is_echoed_and_kept_with_the_event(client: aiohttp.ClientSession) -> None:
    answer = await post(client, {"text": "a"}, **{"X-Request-Id": "trace-1.a_B"})
    assert answer.headers["X-Request-Id"] == "trace-1.a_B"
    assert (await ask(client, "GET", "/things")).body["data"][0]["request_id"] == "trace-1.a_B"


@pytest.mark.parametrize("bad", ["has space", "x" * 129, "semi;colon", "quote'"])
async def test_unsafe_request_id_is_replaced(client: aiohttp.ClientSession, bad: str) -> None:
    made = (await ask(client, "GET", "/things", headers={"X-Request-Id": bad})).headers["X-Request-Id"]
    assert len(made) == 32
    assert made != bad


async def test_failure_is_500_without_its_cause(client: aiohttp.ClientSession) -> None:
    answer = await ask(client, "GET", "/things?fail=crash")
    assert (answer.status, answer.error) == (500, {"code": "internal_error", "message": "internal server error"})
    assert b"secret" not in answer.raw


async def test_every_answer_has_security_headers_and_no_server_name(client: aiohttp.ClientSession) -> None:
    for path in ("/things", "/nothing", "/things/x"):
        headers = (await ask(client, "GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Server" not in headers
        assert headers["Cache-Control"] in {"no-store", "private, no-cache"}


@pytest.mark.parametrize(("address", "told"), [("https://peerly.test", True), ("http://peerly.test", False)])
async def test_browsers_are_told_to_stay_with_https(start: Start, address: str, told: bool) -> None:
    async with aiohttp.ClientSession(await start(public_url=address)) as client:
        for path in ("/things", "/nothing", "/healthz"):
            headers = (await ask(client, "GET", path)).headers
            assert ("Strict-Transport-Security" in headers) == told


async def test_super_admin_names_an_organisation_that_exists(client: aiohttp.ClientSession) -> None:
    token = SIGNER.sign(claims(1, Role.SUPER_ADMIN, None))
    headers = {"Authorization": f"Bearer {token}"}
    for extra in ({}, {"X-Org-Id": "99"}, {"X-Org-Id": "x"}):
        answer = await ask(client, "GET", "/things", headers={**headers, **extra})
        assert (answer.status, list(answer.error["fields"])) == (400, ["org_id"])


async def test_other_organisation_in_the_header_is_403(client: aiohttp.ClientSession) -> None:
    assert (await ask(client, "GET", "/things", headers={"X-Org-Id": "1"})).status == 200
    for name in ("X-Org-Id", "X-Perscom-Id"):
        assert (await ask(client, "GET", "/things", headers={name: "2"})).status == 403


@pytest.mark.parametrize("named", [[("X-Org-Id", "1"), ("X-Perscom-Id", "2")], [("X-Org-Id", "1"), ("X-Org-Id", "2")]])
async def test_headers_that_name_two_organisations_are_refused(
    client: aiohttp.ClientSession, named: list[tuple[str, str]]
) -> None:
    for headers in (named, named[::-1]):
        assert (await ask(client, "GET", "/things", headers=CIMultiDict(headers))).status == 403
        root = CIMultiDict([*headers, ("Authorization", f"Bearer {SIGNER.sign(claims(1, Role.SUPER_ADMIN, None))}")])
        answer = await ask(client, "GET", "/things", headers=root)
        assert (answer.status, list(answer.error["fields"])) == (400, ["org_id"])


async def test_a_super_admin_names_one_organisation_in_whatever_place(client: aiohttp.ClientSession) -> None:
    token = SIGNER.sign(claims(1, Role.SUPER_ADMIN, None))
    answer = await ask(
        client, "GET", "/things?org_id=1", headers={"Authorization": f"Bearer {token}", "X-Org-Id": "999"}
    )
    assert (answer.status, list(answer.error["fields"])) == (400, ["org_id"])


async def test_rows_of_another_tenant_do_not_exist(client: aiohttp.ClientSession) -> None:
    await post(client, {"text": "ours"})
    stranger = {"Authorization": f"Bearer {SIGNER.token(7, Role.ORGANISATION_ADMIN, 2)}"}
    assert (await ask(client, "GET", "/things", headers=stranger)).body["data"] == []


async def test_public_route_ignores_a_broken_credential(client: aiohttp.ClientSession) -> None:
    answer = await ask(
        client, "POST", "/greetings/hello", json={"text": "a"}, headers={"Authorization": "Bearer undefined"}
    )
    assert (answer.status, answer.body["data"]["word"]) == (200, "hello")


async def test_rate_limit_answers_429_with_the_time_to_wait(start: Start) -> None:
    headers = {"Authorization": f"Bearer {SIGNER.token(7, Role.ORGANISATION_ADMIN)}"}
    async with aiohttp.ClientSession(await start(rate_limits=True), headers=headers) as client:
        answers = await asyncio.gather(*(ask(client, "GET", "/things/1") for _ in range(400)))
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert len(answers) - len(refused) >= 200
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert refused[0].headers["RateLimit-Policy"] == '"credential";q=200;w=2'
    assert refused[0].error["code"] == "rate_limited"


async def test_refused_permissions_use_up_the_limit_too(start: Start) -> None:
    headers = {"Authorization": f"Bearer {SIGNER.token(8, Role.EMPLOYEE)}"}
    async with aiohttp.ClientSession(await start(rate_limits=True), headers=headers) as client:
        answers = await asyncio.gather(*(ask(client, "POST", "/things", json={"text": "a"}) for _ in range(400)))
    assert {answer.status for answer in answers} == {403, 429}


async def test_forwarded_address_counts_only_from_a_trusted_proxy(start: Start) -> None:
    body = {"json": {"text": "a"}, "headers": {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}}
    for trusted, address in (((), "127.0.0.1"), (("127.0.0.0/8",), "198.51.100.7")):
        async with aiohttp.ClientSession(await start(trusted_proxies=trusted)) as client:
            assert (await ask(client, "POST", "/greetings/x", **body)).body["data"]["address"] == address


async def test_listed_origin_may_ask_and_others_may_not(start: Start) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with aiohttp.ClientSession(await start(cors_origins=("https://app.example",))) as client:
        good = await ask(client, "OPTIONS", "/things", headers={"Origin": "https://app.example", **preflight})
        assert (good.status, good.headers["Access-Control-Allow-Origin"]) == (204, "https://app.example")
        for origin in ("null", "https://app.example.evil", "https://evil-app.example", "http://app.example"):
            bad = await ask(client, "OPTIONS", "/things", headers={"Origin": origin, **preflight})
            assert "Access-Control-Allow-Origin" not in bad.headers


UNREADABLE = {
    "no HTTP": b"GARBAGE\r\n\r\n",
    "unknown method": b"FO\x01O /things HTTP/1.1\r\nHost: a\r\n\r\n",
    "long header": b"GET /things HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    "long path": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "two lengths": b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_is_no_request_is_400_in_the_envelope(start: Start, sent: bytes) -> None:
    port = int((await start()).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 400") or lines[0].startswith(b"HTTP/1.0 400"), lines[0]
    assert json.loads(body)["error"]["code"] == "invalid_data"
    names = {line.partition(b":")[0].lower() for line in lines[1:]}
    assert {b"x-request-id", b"x-content-type-options", b"content-security-policy"} <= names
    assert b"server" not in names
