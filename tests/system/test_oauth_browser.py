"""OAuth as people and applications meet it: Chromium, the gateway, and Authlib that configures itself."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import pytest
import pytest_asyncio
import requests
from aiohttp import web
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from services.processes import Processes
from tests.support.oauth import Application
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.story import PASSWORD, Story
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SCOPES = "view:profile view:recognition"
NARROW = {"width": 320, "height": 568}
EVERY_SERVICE = ("/users/me", "/recognitions", "/quota/me", "/recognitions/1/report")
T = TypeVar("T")

# The lowest contrast between any text and what lies behind it, as WCAG 2 computes it.
CONTRAST = """
() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if ((channels(color)[3] ?? 1) === 1) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('main *')].filter((one) => one.innerText || one.tagName === 'INPUT');
  return Math.min(...texts.map((one) => {
    const pair = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  }));
}
"""


@dataclass(slots=True)
class Landing:
    """The application's own address: remembers how people came back."""

    url: str = ""
    visits: list[str] = field(default_factory=list)

    async def visit(self, request: web.Request) -> web.Response:
        if request.path == "/back":
            self.visits.append(str(request.url))
        return web.Response(text="<!doctype html><title>Back</title>Back at the application", content_type="text/html")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Landing]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.visit)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/back"
        try:
            yield self
        finally:
            await runner.cleanup()


@dataclass(slots=True)
class Scene:
    """An installation with an organisation in it, an application, and browsers."""

    system: Processes
    story: Story
    landing: Landing
    chromium: Browser
    application: Application

    @property
    def person(self) -> str:
        """Somebody with a password."""
        return self.story.people["cyd"].email

    @property
    def address(self) -> str:
        return f"http://localhost:{self.system.settings.port}"

    @asynccontextmanager
    async def page(self, **options: Any) -> AsyncIterator[Page]:
        """A page of a browser that has never been here; at its end nothing may have broken the page's own policy."""
        context: BrowserContext = await self.chromium.new_context(**options)
        context.set_default_timeout(10_000)
        page, said = await context.new_page(), list[str]()
        page.on("console", lambda message: said.append(message.text))
        try:
            yield page
        finally:
            await context.close()
        assert not [text for text in said if "Content Security Policy" in text]

    async def status(self, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        body = {"mark_as": "fraud", "reason": "x"} if path.endswith("/report") else None
        method = "POST" if body else "GET"
        async with self.story.session.request(method, self.system.url + path, headers=headers, json=body) as answer:
            return answer.status


@dataclass(slots=True)
class Client:
    """What an application does with Authlib, told nothing but the issuer's address."""

    session: Any
    metadata: dict[str, Any]
    verifier: str
    url: str

    @classmethod
    async def begin(cls, scene: Scene, prompt: str | None = "consent") -> Client:
        application, metadata = scene.application, await in_thread(lambda: _discover(scene.address))
        session = OAuth2Session(
            application.client_id,
            application.secret,
            scope=SCOPES,
            redirect_uri=application.redirect_uri,
            code_challenge_method=metadata["code_challenge_methods_supported"][0],
            token_endpoint=metadata["token_endpoint"],
            token_endpoint_auth_method=metadata["token_endpoint_auth_methods_supported"][0],
        )
        verifier, more = generate_token(64), {} if prompt is None else {"prompt": prompt}
        address = metadata["authorization_endpoint"]
        url, _ = session.create_authorization_url(address, code_verifier=verifier, **more)
        return cls(session, metadata, verifier, url)

    async def fetch(self, came_back: str) -> dict[str, Any]:
        return await in_thread(
            lambda: self.session.fetch_token(
                self.metadata["token_endpoint"], authorization_response=came_back, code_verifier=self.verifier
            )
        )


def _discover(issuer: str) -> dict[str, Any]:
    address = f"{issuer}/.well-known/oauth-authorization-server"
    found: dict[str, Any] = requests.get(address, timeout=10).json()
    assert found["issuer"] == issuer
    return found


async def in_thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, f"none of {', '.join(PROGRAMS)} is on the PATH; `make system-packages` installs Chromium"
    timeout = aiohttp.ClientTimeout(total=15)
    async with (
        running_system(postgres, rabbitmq, tmp_path_factory.mktemp("browser")) as system,
        aiohttp.ClientSession(timeout=timeout) as session,
        Landing().open() as landing,
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=program, args=QUIET) as chromium,
    ):
        story = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
        await story.begin()
        body = {"name": "Thank-you wall", "redirect_uris": [landing.url], "scopes": SCOPES.split()}
        registered = await story.post("/oauth/clients", story.people["boss"].token, body, 201)
        yield Scene(system, story, landing, chromium, Application.of(registered))


@pytest.fixture(autouse=True)
def without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


async def sign_in(page: Page, scene: Scene, password: str = PASSWORD) -> None:
    await page.get_by_label("E-mail address").fill(scene.person)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def come_back(page: Page, scene: Scene) -> str:
    await page.wait_for_url(f"{scene.landing.url}?**")
    return page.url


async def test_pa3_a_person_signs_in_consents_and_the_application_works_until_it_is_ended(scene: Scene) -> None:
    client = await Client.begin(scene)
    async with scene.page() as page:
        await page.goto(client.url)
        await sign_in(page, scene, "certainly not the password")
        assert "do not belong" in await page.get_by_role("alert").inner_text()
        await sign_in(page, scene)
        await page.get_by_role("heading", name="Allow Thank-you wall?").wait_for()
        assert "See recognitions, their hi5s and the feed." in await page.inner_text("ul")
        await page.get_by_role("button", name="Allow", exact=True).click()
        came_back = await come_back(page, scene)
    given = await client.fetch(came_back)
    assert given["scope"] == SCOPES
    me = await in_thread(lambda: client.session.get(f"{scene.system.url}/users/me", timeout=10).json())
    assert me["data"]["email"] == scene.person
    assert await scene.status("/recognitions", given["access_token"]) == 200
    assert await scene.status("/quota/me", given["access_token"]) == 403
    renewed = await in_thread(lambda: client.session.refresh_token(client.metadata["token_endpoint"]))
    assert renewed["access_token"] != given["access_token"]
    await _ended_everywhere(scene, client, [given["access_token"], renewed["access_token"]], renewed["refresh_token"])


async def _ended_everywhere(scene: Scene, client: Client, tokens: list[str], refresh_token: str) -> None:
    """Within a second of the answer every service refuses what came of the code."""
    address = client.metadata["revocation_endpoint"]
    answer = await in_thread(lambda: client.session.revoke_token(address, token=refresh_token, timeout=10))
    assert answer.status_code == 200

    async def refused() -> bool:
        answers = [await scene.status(path, token) for path in EVERY_SERVICE for token in tokens]
        return answers == [401] * len(answers)

    await eventually(refused, within=1)
    told = await in_thread(
        lambda: client.session.introspect_token(client.metadata["introspection_endpoint"], refresh_token)
    )
    assert told.json() == {"active": False}


async def test_the_keyboard_is_enough(scene: Scene) -> None:
    client = await Client.begin(scene)
    async with scene.page() as page:
        await page.goto(client.url)
        await page.keyboard.type(scene.person)
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Allow Thank-you wall?").wait_for()
        await page.keyboard.press("Tab")
        focused = "document.activeElement.innerText + ' ' + getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(focused) == "Allow solid"
        await page.keyboard.press("Enter")
        assert "access_token" in await client.fetch(await come_back(page, scene))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_fit_a_narrow_screen_and_can_be_read(scene: Scene, scheme: Any) -> None:
    client = await Client.begin(scene)
    async with scene.page(viewport=NARROW, color_scheme=scheme) as page:
        await page.goto(client.url)
        await _fits(page)
        await sign_in(page, scene, "certainly not the password")
        await page.get_by_role("alert").wait_for()
        await _fits(page)
        await sign_in(page, scene)
        await page.get_by_role("heading", name="Allow Thank-you wall?").wait_for()
        await _fits(page)
    async with scene.page(viewport=NARROW, color_scheme=scheme) as page:
        await page.goto(f"{scene.address}/oauth/authorize?client_id=app-unknown")
        await page.get_by_role("alert").wait_for()
        await _fits(page)


async def _fits(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert await page.evaluate(CONTRAST) >= 4.5
    unnamed = "[...document.querySelectorAll('input:not([type=hidden])')].filter((one) => !one.labels.length).length"
    assert await page.evaluate(unnamed) == 0


async def test_no_is_an_answer_and_somebody_else_may_sign_in(scene: Scene) -> None:
    client = await Client.begin(scene)
    async with scene.page() as page:
        await page.goto(client.url)
        await sign_in(page, scene)
        await page.get_by_role("button", name="Sign in as somebody else").click()
        await sign_in(page, scene)
        await page.get_by_role("button", name="Do not allow").click()
        assert "error=access_denied" in await come_back(page, scene)


async def test_what_is_remembered_needs_no_second_yes(scene: Scene) -> None:
    async with scene.page() as page:
        first, second = await Client.begin(scene), await Client.begin(scene, None)
        await page.goto(first.url)
        await sign_in(page, scene)
        await page.get_by_role("button", name="Allow", exact=True).click()
        await come_back(page, scene)
        await page.goto(second.url)
        assert "access_token" in await second.fetch(await come_back(page, scene))
    async with scene.page() as page:
        third = await Client.begin(scene, None)
        await page.goto(third.url)
        await sign_in(page, scene)
        assert "access_token" in await third.fetch(await come_back(page, scene))


async def test_no_other_site_frames_the_page(scene: Scene) -> None:
    client = await Client.begin(scene)
    context = await scene.chromium.new_context()
    page = await context.new_page()
    await page.goto(scene.landing.url.removesuffix("/back"))
    await page.evaluate(
        f"document.body.innerHTML = '<iframe src=' + JSON.stringify({json.dumps(client.url)}) + '></iframe>'"
    )

    async def is_refused() -> bool:
        return any(frame.url.startswith("chrome-error:") for frame in page.frames)

    await eventually(is_refused)
    await context.close()
