"""An application's and a browser's side of OAuth: a person who fills in the forms, and the calls of a client."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp

from tests.support.api import Reply

REDIRECT_URI = "https://app.example.com/back"


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Application:
    """A registered application as its own code knows it."""

    id: int
    client_id: str
    secret: str | None
    redirect_uri: str = REDIRECT_URI

    @classmethod
    def of(cls, registered: Mapping[str, Any]) -> Application:
        uris = registered["redirect_uris"]
        return cls(registered["id"], registered["client_id"], registered.get("client_secret"), *uris[:1])

    @property
    def credentials(self) -> dict[str, str]:
        secret = {} if self.secret is None else {"client_secret": self.secret}
        return {"client_id": self.client_id, **secret}


@dataclass(slots=True)
class Attempt:
    """One way through the authorization endpoint: its parameters and the verifier behind the challenge."""

    application: Application
    changes: dict[str, str | None] = field(default_factory=dict)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def parameters(self) -> dict[str, str]:
        usual: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.application.client_id,
            "redirect_uri": self.application.redirect_uri,
            "state": self.state,
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**usual, **self.changes}.items() if value is not None}

    @property
    def path(self) -> str:
        return f"/oauth/authorize?{urlencode(self.parameters)}"

    def redemption(self, code: str, **changes: str | None) -> dict[str, str]:
        """The form that turns the code into tokens."""
        usual: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.application.redirect_uri,
            "code_verifier": self.verifier,
            **self.application.credentials,
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def refreshing(application: Application, token: str) -> dict[str, str]:
    """The form that renews tokens."""
    return {"grant_type": "refresh_token", "refresh_token": token, **application.credentials}


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.choices: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = known["action"]
        elif tag == "input":
            self.fields[known["name"]] = known.get("value", "")
        elif tag == "button" and "value" in known:
            self.choices.append(known["value"])


@dataclass(frozen=True, slots=True)
class Shown:
    """What the browser got: a page with at most one form, or a redirect."""

    reply: Reply
    action: str | None
    fields: Mapping[str, str]
    choices: tuple[str, ...]

    @property
    def text(self) -> str:
        return self.reply.raw.decode()

    @property
    def location(self) -> str:
        assert self.reply.status == 303, (self.reply.status, self.text)
        return self.reply.headers["Location"]

    @property
    def returned(self) -> dict[str, str]:
        """The parameters that came back to the application."""
        return dict(parse_qsl(urlsplit(self.location).query))


@dataclass(slots=True)
class Browser:
    """Follows no redirect by itself and keeps one cookie jar, as a person's browser does."""

    session: aiohttp.ClientSession
    address: str
    client_address: str = "10.1.1.1"
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> Shown:
        return await self._ask("GET", path, None, {})

    async def head(self, path: str) -> Shown:
        """What GET would begin with, asked by who only looks."""
        return await self._ask("HEAD", path, None, {})

    async def submit(self, shown: Shown, headers: Mapping[str, str] | None = None, **fields: str) -> Shown:
        """Sends the form of a page."""
        assert shown.action is not None, shown.text
        return await self._ask("POST", shown.action, {**shown.fields, **fields}, headers or {})

    async def sign_in(self, attempt: Attempt, username: str, password: str) -> Shown:
        """From the application's link through name and password to what comes then."""
        answered = await self.submit(await self.get(attempt.path), username=username, password=password)
        return await self.get(answered.location) if answered.reply.status == 303 else answered

    async def allow(self, attempt: Attempt, username: str, password: str) -> str:
        """Signs in, says yes; the code."""
        shown = await self.sign_in(attempt, username, password)
        if shown.choices:
            shown = await self.submit(shown, decision="allow")
        return shown.returned["code"]

    async def _ask(self, method: str, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Shown:
        sent = {"X-Forwarded-For": self.client_address, **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = self.address + path
        async with self.session.request(method, url, data=form, headers=sent, allow_redirects=False) as answer:
            self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
            reply = Reply(answer.status, answer.headers, await answer.read())
        parsed = _Forms()
        parsed.feed(reply.raw.decode())
        return Shown(reply, parsed.action, parsed.fields, tuple(parsed.choices))
