"""S38: secrets are driven through every route and a crash, and are found in no log, table, queue, metric or answer."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import aiohttp
import asyncpg
import pytest

from deploy.broker import SERVICES
from services.processes import Processes
from shared.bus.topology import dead_of
from tests.security.hostile.test_malformed_events import broker_url
from tests.support.cases import CASES
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser
from tests.support.story import Story
from tests.support.waiting import eventually

PASSWORD = "canary of the walrus that nobody guesses"
TRACES = (b"Traceback", b'File "/', b"asyncpg", b"aiohttp.")
ONCE = "sent-once-with-a-key"


@dataclass(slots=True)
class Canaries:
    """What must never be seen again, by its kind."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[bytes] = field(default_factory=list)

    def seen_in(self, text: bytes) -> list[str]:
        return [kind for kind, secret in self.secrets.items() if secret.encode() in text]


async def collect(story: Story) -> Canaries:
    """One of each kind, made as clients make them, also with an Idempotency-Key."""
    boss, cyd, found = story.people["boss"], story.people["cyd"], Canaries()
    until = int(time.time()) + 600
    kept = {"Idempotency-Key": ONCE}

    async def make(path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {boss.token}", **kept}
        async with story.session.post(story.url + path, json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            return (await answer.json())["data"]

    link = (await make(f"/users/{cyd.id}/password-reset", {}))["link"]
    found.secrets["one-time link"] = link.rpartition("/")[2]
    path = f"/password-resets/{found.secrets['one-time link']}"
    async with story.session.post(story.url + path, json={"password": PASSWORD}) as answer:
        assert answer.status == 200
    found.secrets["password"] = PASSWORD
    again = await make_link(story, cyd.id, boss.token)
    found.secrets["unused link"] = again.rpartition("/")[2]
    found.secrets["session"] = boss.token
    key = await make("/api-keys", {"name": "Canary", "scopes": ["view:user"], "expires_at": until})
    found.secrets["API key"] = key["key"]
    token = await make("/users/me/tokens", {"name": "Canary", "scopes": ["view:user"], "expires_at": until})
    found.secrets["personal token"] = token["token"]
    client = await make(
        "/oauth/clients", {"name": "Canary", "redirect_uris": [REDIRECT_URI], "scopes": ["view:profile"]}
    )
    found.secrets["client secret"] = client["client_secret"]
    await collect_oauth(story, client, cyd.email, found)
    return found


async def make_link(story: Story, user_id: int, token: str) -> str:
    made = await story.post(f"/users/{user_id}/password-reset", token, {}, 201)
    return str(made["link"])


async def collect_oauth(story: Story, client: dict[str, Any], email: str, found: Canaries) -> None:
    """The code, the cookie of the sign-in, the verifier, and the tokens."""
    application = Application.of(client)
    attempt, browser = Attempt(application), Browser(story.session, story.url)
    code = await browser.allow(attempt, email, PASSWORD)
    found.secrets["code"] = code
    [found.secrets["cookie"]] = browser.cookies.values()
    found.secrets["verifier"] = attempt.verifier
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI,
    "code_verifier": attempt.verifier,
        **application.credentials,
    }  # fmt: skip
    async with story.session.post(f"{story.url}/oauth/token", data=form) as answer:
        told = await answer.json()
        assert answer.status == 200, told
    found.secrets["access token"], found.secrets["refresh token"] = told["access_token"], told["refresh_token"]


async def drive(story: Story, found: Canaries) -> None:
    """A secret to each route: as a credential, a cookie, in the query, in a body that fits and one that does not."""
    places = asyncio.Semaphore(12)

    async def once(method: str, path: str, secret: str) -> None:
        where = story.url + re.sub(r"\{[^}]*\}", "1", path)
        for options in (
            {"headers": {"Authorization": f"Bearer {secret}"}},
            {
                "headers": {"Authorization": f"Basic {secret}", "Cookie": f"peerly_sign_in={secret}"},
                "json": {"token": secret},
            },
            {"params": {"token": secret, "access_token": secret, "code": secret}, "data": f'{{"password": "{secret}"'},
            {
                "data": {
                    "client_secret": secret,
                    "code": secret,
                    "refresh_token": secret,
                    "password": secret,
                    "username": "x",
                }
            },
            {
                "headers": {"X-Api-Key": secret, "Content-Type": "application/json"},
                "data": f'{{"text": "\\u0000{secret}',
            },
        ):
            async with places, story.session.request(method, where, allow_redirects=False, **options) as answer:
                found.answers.append(await answer.read())
                assert answer.status < 500, (method, path, answer.status)

    routes = [name.split(" ", 1) for name in CASES if name not in {"POST /logout", "POST /authentication/login"}]
    kinds = [kind for kind in found.secrets if kind != "session"]
    turns = [(route, kinds[place % len(kinds)]) for place, route in enumerate(routes)]
    await asyncio.gather(*(once(method, path, found.secrets[kind]) for (method, path), kind in turns))


async def tables(url: str) -> bytes:
    """Every row of every table of every service, as text; bytes in hex are decoded too."""
    admin = await asyncpg.connect(url)
    try:
        names = await admin.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = ANY($1)",
            list(SERVICES),
        )
        rows = [row[0] for name in names for row in await admin.fetch(f"SELECT one::text FROM {name['name']} AS one")]
    finally:
        await admin.close()
    text = "\n".join(rows)
    hexed = [bytes.fromhex(one) for one in re.findall(r"\\\\x((?:[0-9a-f]{2})+)", text)]
    return text.encode() + b"\n".join(hexed)


async def dead_letters(url: str) -> bytes:
    """What lies in the broker for long; all other messages are in the tables of their publishers, too."""
    connection = await aio_pika.connect(url)
    bodies: list[bytes] = []
    async with connection:
        channel = await connection.channel()
        for service in SERVICES:
            queue = await channel.get_queue(dead_of(service), ensure=False)
            while (message := await queue.get(fail=False)) is not None:
                bodies.append(message.body + str(message.headers).encode())
    return b"\n".join(bodies)


async def metrics(system: Processes, session: aiohttp.ClientSession) -> bytes:
    told = []
    for port in system.settings.service_ports.values():
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.status == 200
            told.append(await answer.read())
    return b"\n".join(told)


@pytest.mark.fault
async def test_s38_no_secret_is_seen_again(system: Processes, story: Story) -> None:
    found = await collect(story)
    assert len(found.secrets) >= 10
    driving = asyncio.gather(drive(story, found), return_exceptions=True)
    await asyncio.sleep(0.3)
    system.kill("moderation")
    await system.until_ready("moderation")
    [failed] = await driving
    if failed is not None:
        await drive(story, found)
    await eventually(story.prove, within=30)
    assert system.settings.logs is not None
    logs = b"\n".join(file.read_bytes() for file in system.settings.logs.iterdir())
    assert len(logs) > 100_000
    assert found.seen_in(logs) == []
    assert found.seen_in(await tables(system.settings.database_url)) == []
    assert found.seen_in(await dead_letters(broker_url(system, "admin"))) == []
    assert found.seen_in(await metrics(system, story.session)) == []
    assert not [trace for trace in TRACES for answer in found.answers if trace in answer]
    assert Canaries({"seen": "night shift"}).seen_in(b"For the night shift") == ["seen"]
