"""Where an authorization may be answered: at the registered address, letter by letter (S15)."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import Application, Attempt, Browser, Shown

EVIL = quote("https://evil.example/back", safe="")

# One address is registered; each of these differs from it by the trick that its name tells.
OTHER_ADDRESSES = {
    "missing": None,
    "prefix": "https://app.example.com/bac",
    "suffix": "https://app.example.com/back/more",
    "trailing slash": "https://app.example.com/back/",
    "path traversal": "https://app.example.com/back/../evil",
    "encoded traversal": "https://app.example.com/back/%2e%2e/evil",
    "dot segment": "https://app.example.com/./back",
    "double slash": "https://app.example.com//back",
    "backslash": "https://app.example.com\\@evil.example/back",
    "userinfo": "https://app.example.com@evil.example/back",
    "userinfo with password": "https://app:example@app.example.com/back",
    "fragment": "https://app.example.com/back#evil",
    "empty fragment": "https://app.example.com/back#",
    "host in capitals": "https://APP.example.com/back",
    "path in capitals": "https://app.example.com/BACK",
    "scheme in capitals": "HTTPS://app.example.com/back",
    "other scheme": "http://app.example.com/back",
    "script": "javascript:alert(1)//app.example.com/back",
    "data": "data:text/html,https://app.example.com/back",
    "no scheme": "//app.example.com/back",
    "default port": "https://app.example.com:443/back",
    "other port": "https://app.example.com:444/back",
    "extra query": "https://app.example.com/back?next=https://evil.example",
    "empty query": "https://app.example.com/back?",
    "other host": "https://evil.example/back",
    "host as suffix": "https://app.example.com.evil.example/back",
    "host as prefix": "https://evil-app.example.com/back",
    "subdomain": "https://x.app.example.com/back",
    "trailing dot": "https://app.example.com./back",
    "homograph": "https://\u0430pp.example.com/back",
    "homograph in punycode": "https://xn--pp-8tb.example.com/back",
    "encoded letter": "https://app.example.com/b%61ck",
    "space behind": "https://app.example.com/back ",
    "space before": " https://app.example.com/back",
    "line break": "https://app.example.com/back\r\nSet-Cookie: a=b",
    "NUL": "https://app.example.com/back\0",
    "wildcard": "https://*.example.com/back",
    "list": "https://app.example.com/back https://evil.example/back",
    "another application's": "https://other.example.com/back",
}


def test_s15_the_table_is_long_enough() -> None:
    assert len(OTHER_ADDRESSES) >= 25


@pytest.fixture(scope="module", autouse=True)
async def another_application(running: World) -> None:
    await OAuthWorld(running).register(redirect_uris=["https://other.example.com/back"])


@pytest.fixture(scope="module")
async def asked(running: World, application: Application) -> tuple[Browser, Shown]:
    """Somebody's browser, and the page on which it asks them."""
    browser = OAuthWorld(running).browser()
    return browser, await browser.sign_in(Attempt(application), running.email_of("emil"), PASSWORD)


def is_a_page_that_leads_nowhere(shown: Shown) -> bool:
    headers = shown.reply.headers
    return (
        shown.reply.status == 400
        and "Location" not in headers
        and "Set-Cookie" not in headers
        and headers["Content-Type"].startswith("text/html")
        and shown.action is None
    )


@pytest.mark.parametrize("trick", OTHER_ADDRESSES)
async def test_s15_nobody_is_sent_to_another_address(oauth: OAuthWorld, application: Application, trick: str) -> None:
    address = OTHER_ADDRESSES[trick]
    shown = await oauth.browser().get(Attempt(application, {"redirect_uri": address}).path)
    assert is_a_page_that_leads_nowhere(shown), shown.reply
    if address:
        assert address not in shown.text


@pytest.mark.parametrize("trick", OTHER_ADDRESSES)
async def test_s15_no_decision_is_sent_to_another_address(
    application: Application, asked: tuple[Browser, Shown], trick: str
) -> None:
    browser, consent = asked
    path = Attempt(application, {"redirect_uri": OTHER_ADDRESSES[trick]}).path
    sent = Shown(consent.reply, path, consent.fields, consent.choices)
    assert is_a_page_that_leads_nowhere(await browser.submit(sent, decision="allow"))


@pytest.mark.parametrize("place", ["behind", "before"])
async def test_s15_two_addresses_are_refused_whichever_comes_first(
    oauth: OAuthWorld, application: Application, place: str
) -> None:
    usual = Attempt(application).path
    first = usual.replace("?", f"?redirect_uri={EVIL}&")
    path = f"{usual}&redirect_uri={EVIL}" if place == "behind" else first
    assert is_a_page_that_leads_nowhere(await oauth.browser().get(path))


async def test_s15_the_registered_address_gets_the_code(
    oauth: OAuthWorld, world: World, application: Application
) -> None:
    """Else nothing above would prove anything."""
    attempt, browser = Attempt(application), oauth.browser()
    shown = await browser.submit(await browser.sign_in(attempt, world.email_of("emil"), PASSWORD), decision="allow")
    assert shown.location.startswith(f"{application.redirect_uri}?")
    assert "code" in shown.returned
