"""What the authorization endpoint answers to wrong requests and to forms of other pages (RFC 6749, 9700)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import REDIRECT_URI, Attempt, Browser, Shown

ISSUER = "https://peerly.test"
PORT_AND_QUERY = "https://app.example.com:8443/back?tenant=1"
LOOPBACK = "http://127.0.0.1:8123/back"

REQUESTS: dict[str, tuple[dict[str, str | None], str]] = {
    "no response type": ({"response_type": None}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code token"}, "unsupported_response_type"),
    "id token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "scope it does not have": ({"scope": "manage:user"}, "invalid_scope"),
    "scope that is none": ({"scope": "everything"}, "invalid_scope"),
    "two spaces between scopes": ({"scope": "view:profile  view:recognition"}, "invalid_scope"),
    "scope with a quote": ({"scope": 'view:profile"'}, "invalid_scope"),
    "scope beyond ASCII": ({"scope": "view:pröfile"}, "invalid_scope"),
    "state with a control character": ({"state": "a\nb"}, "invalid_request"),
    "endless state": ({"state": "x" * 1001}, "invalid_request"),
}


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


def is_a_page_that_leads_nowhere(shown: Shown) -> bool:
    headers = shown.reply.headers
    return (
        shown.reply.status == 400
        and "Location" not in headers
        and "Set-Cookie" not in headers
        and headers["Content-Type"].startswith("text/html")
        and shown.action is None
    )


async def test_an_unknown_application_is_told_on_a_page(oauth: OAuthWorld) -> None:
    application = await oauth.register()
    for client_id in ("", "app-unknown", "\0", "'; --", "x" * 300, "app-%"):
        shown = await oauth.browser().get(Attempt(application, {"client_id": client_id}).path)
        assert is_a_page_that_leads_nowhere(shown), client_id


async def test_an_address_with_port_and_query_comes_back_whole(oauth: OAuthWorld) -> None:
    for uri in (PORT_AND_QUERY, LOOPBACK):
        attempt = Attempt(await oauth.register(redirect_uris=[uri]), {"response_type": "token"})
        location = (await oauth.browser().get(attempt.path)).location
        assert location.startswith(f"{uri}{'&' if '?' in uri else '?'}error=")


BAD_REDIRECT_URIS = {
    "http elsewhere": "http://app.example.com/back",
    "http on a name like localhost": "http://localhost.example.com/back",
    "fragment": "https://app.example.com/back#x",
    "userinfo": "https://me@app.example.com/back",
    "wildcard host": "https://*.example.com/back",
    "wildcard path": "https://app.example.com/*",
    "dots": "https://app.example.com/a/../back",
    "encoded dots": "https://app.example.com/a/%2E%2e/back",
    "backslash": "https://app.example.com\\back",
    "space": "https://app.example.com/ back",
    "beyond ASCII": "https://\u00e4pp.example.com/back",
    "script": "javascript:alert(1)",
    "own scheme": "com.example.app:/back",
    "relative": "/back",
    "no host": "https:///back",
    "port that is none": "https://app.example.com:99999/back",
    "our parameters": "https://app.example.com/back?code=1",
    "empty": "",
    "too long": "https://app.example.com/" + "x" * 2000,
    "no text": 7,
}


async def test_such_an_address_is_not_registered(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    for name, address in BAD_REDIRECT_URIS.items():
        body = {"name": "Bad", "redirect_uris": [REDIRECT_URI, address], "scopes": ["view:profile"]}
        for method, path in (("POST", "/oauth/clients"), ("PATCH", f"/oauth/clients/{application.id}")):
            reply = await world.ask("ada", method, path, body)
            assert (reply.status, set(reply.error["fields"])) == (400, {"redirect_uris"}), name


async def test_a_wrong_request_goes_back_with_its_error(oauth: OAuthWorld) -> None:
    application, browser = await oauth.register(), oauth.browser()
    for name, (changes, error) in REQUESTS.items():
        attempt = Attempt(application, changes)
        returned = (await browser.get(attempt.path)).returned
        assert (returned["error"], returned["iss"]) == (error, ISSUER), name
        assert returned.get("state") == (None if "state" in changes else attempt.state), name


def _forged(page: Shown, other: Shown, browser: Browser) -> dict[str, Callable[[], tuple[Shown, dict[str, str]]]]:
    fields = {name: value for name, value in page.fields.items() if name != "csrf_token"}

    def with_token(token: str | None, **headers: str) -> tuple[Shown, dict[str, str]]:
        sent = fields if token is None else {**fields, "csrf_token": token}
        return Shown(page.reply, page.action, sent, page.choices), headers

    right = page.fields["csrf_token"]
    return {
        "no token": lambda: with_token(None),
        "empty token": lambda: with_token(""),
        "another browser's token": lambda: with_token(other.fields["csrf_token"]),
        "a made up token": lambda: with_token("A" * 43),
        "the cookie itself": lambda: with_token(next(iter(browser.cookies.values()))),
        "a token beyond ASCII": lambda: with_token("\u00e4" * 43),
        "from another site": lambda: with_token(right, **{"Sec-Fetch-Site": "cross-site"}),
        "from a sister site": lambda: with_token(right, **{"Sec-Fetch-Site": "same-site"}),
        "from the address bar": lambda: with_token(right, **{"Sec-Fetch-Site": "none"}),
        "from another origin": lambda: with_token(right, Origin="https://evil.example"),
        "from the same host without TLS": lambda: with_token(right, Origin="http://peerly.test"),
    }


async def test_s36_forms_of_other_pages_change_nothing(oauth: OAuthWorld, world: World) -> None:
    attempt, browser, other = Attempt(await oauth.register()), oauth.browser(), oauth.browser()
    theirs = await other.sign_in(attempt, world.email_of("mona"), PASSWORD)
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    forgeries = _forged(consent, theirs, browser)
    assert len(forgeries) >= 10
    for name, forge in forgeries.items():
        sent, headers = forge()
        for fields in ({"decision": "allow"}, {"username": "emil@acme.test", "password": PASSWORD}):
            refused = await browser.submit(sent, headers, **fields)
            assert (refused.reply.status, refused.action) == (403, None), name
            assert "Set-Cookie" not in refused.reply.headers, name
    assert await world.owner.fetchval("SELECT count(*) FROM oauth_authorizations") == 0
    assert "code" in (await browser.submit(consent, decision="allow")).returned


async def test_s36_a_form_without_its_cookie_is_refused(oauth: OAuthWorld, world: World) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    browser.cookies.clear()
    assert (await browser.submit(consent, decision="allow")).reply.status == 403


async def test_a_form_from_its_own_page_is_taken_as_browsers_send_it(oauth: OAuthWorld, world: World) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    for headers in ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, {"Origin": ISSUER}, {}):
        assert "code" in (await browser.submit(consent, headers, decision="allow")).returned


async def test_a_new_sign_in_has_a_new_cookie_that_only_the_server_reads(oauth: OAuthWorld, world: World) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    page = await browser.get(attempt.path)
    before = dict(browser.cookies)
    answered = await browser.submit(page, username=world.email_of("emil"), password=PASSWORD)
    assert set(before) == set(browser.cookies) == {"__Host-peerly_sign_in"}
    assert before != browser.cookies
    for shown in (page, answered):
        attributes = shown.reply.headers["Set-Cookie"].split("; ")[1:]
        assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}


async def test_a_cookie_that_nobody_gave_is_nobody(oauth: OAuthWorld) -> None:
    attempt = Attempt(await oauth.register())
    for cookie in ("x", "A" * 43, "A" * 5000, "'; --", "\u00e4" * 43):
        browser = oauth.browser()
        browser.cookies["__Host-peerly_sign_in"] = cookie
        assert "username" in (await browser.get(attempt.path)).fields, cookie


async def test_pages_may_do_nothing_but_send_their_form(oauth: OAuthWorld, world: World) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    for shown in (await oauth.browser().get(attempt.path), consent):
        headers = shown.reply.headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'",) * 3
        assert policy["form-action"] == "'self' https://app.example.com"
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]+='", policy["style-src"])
        assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
        assert not re.search(r"<script|\son\w+=|style=|src=", shown.text)


async def test_nothing_that_is_told_can_become_markup(oauth: OAuthWorld, world: World) -> None:
    evil = "<script>alert('x')</script>\"><img src=x onerror=y>"
    application, browser = await oauth.register(name=evil), oauth.browser()
    attempt = Attempt(application, {"state": "\"><script>'"})
    wrong = await browser.sign_in(attempt, f"{evil}@acme.test", "wrong")
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    unknown = await browser.get("/oauth/authorize?" + urlencode({"client_id": evil, "redirect_uri": evil}))
    for shown in (wrong, consent, unknown):
        assert "<script" not in shown.text
        assert "<img" not in shown.text
        assert "&lt;script&gt;" in shown.text or shown is unknown


async def test_what_was_shown_is_what_is_allowed(oauth: OAuthWorld, world: World) -> None:
    """Scopes that the application got while the person read the page are not among them."""
    application, browser = await oauth.register(scopes=["view:profile"]), oauth.browser()
    attempt = Attempt(application)
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    await world.ask("ada", "PATCH", f"/oauth/clients/{application.id}", {"scopes": ["view:profile", "view:user"]})
    code = (await browser.submit(consent, decision="allow")).returned["code"]
    assert (await oauth.token(attempt.redemption(code))).body["scope"] == "view:profile"


async def test_who_only_looks_at_the_head_gets_no_code_and_nothing_is_written(oauth: OAuthWorld, world: World) -> None:
    """Also where the person has allowed it all before, and GET would go straight back with a code."""
    application, browser = await oauth.register(), oauth.browser()
    await oauth.code(Attempt(application), browser=browser)
    rows = "SELECT (SELECT count(*) FROM auth.oauth_authorizations), max(xmin::text::bigint) FROM auth.oauth_grants"
    before = await world.owner.fetchrow(rows)
    looked = await browser.head(Attempt(application).path)
    assert (looked.reply.status, "Location" in looked.reply.headers, looked.reply.raw) == (200, False, b"")
    assert await world.owner.fetchrow(rows) == before
    assert "code" in (await browser.get(Attempt(application).path)).returned
