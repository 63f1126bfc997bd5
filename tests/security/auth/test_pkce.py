"""Codes are for whoever announced the verifier: nothing else, and nothing less than S256 (S16)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.component.auth.oauth_world import OAuthWorld
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser, challenge_of

ISSUER = "https://peerly.test"

# What comes instead of challenge and method at authorize, or of the verifier at token.
VERIFIER = "v" * 43
PKCE_AT_AUTHORIZE: dict[str, dict[str, str | None]] = {
    "no challenge": {"code_challenge": None},
    "no challenge and no method": {"code_challenge": None, "code_challenge_method": None},
    "empty challenge": {"code_challenge": ""},
    "no method, which means plain": {"code_challenge_method": None},
    "plain": {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
    "method in small letters": {"code_challenge_method": "s256"},
    "unknown method": {"code_challenge_method": "S512"},
    "challenge too short": {"code_challenge": "a" * 42},
    "challenge too long": {"code_challenge": "a" * 44},
    "challenge with padding": {"code_challenge": "a" * 42 + "="},
    "challenge of other letters": {"code_challenge": "a" * 42 + "+"},
}
PKCE_AT_TOKEN: dict[str, Callable[[Attempt], str | None]] = {
    "no verifier": lambda _: None,
    "empty verifier": lambda _: "",
    "another verifier": lambda _: "w" * 43,
    "the challenge itself": lambda attempt: challenge_of(attempt.verifier),
    "a part of the verifier": lambda attempt: attempt.verifier[:-1],
    "verifier too short": lambda _: "short",
    "verifier too long": lambda attempt: attempt.verifier + "x" * 128,
    "verifier with a space": lambda attempt: attempt.verifier + " ",
}


def test_s16_the_tables_are_long_enough() -> None:
    assert len(PKCE_AT_AUTHORIZE) + len(PKCE_AT_TOKEN) >= 12


@pytest.mark.parametrize("name", PKCE_AT_AUTHORIZE)
async def test_s16_no_code_without_a_challenge(application: Application, browser: Browser, name: str) -> None:
    attempt = Attempt(application, PKCE_AT_AUTHORIZE[name])
    back = await browser.get(attempt.path)
    assert back.location.startswith(f"{REDIRECT_URI}?")
    assert back.returned["error"] == "invalid_request"
    assert (back.returned["state"], back.returned["iss"]) == (attempt.state, ISSUER)
    assert "code" not in back.returned


@pytest.mark.parametrize("name", PKCE_AT_TOKEN)
async def test_s16_no_tokens_without_the_verifier(
    oauth: OAuthWorld, application: Application, browser: Browser, name: str
) -> None:
    attempt = Attempt(application)
    code = (await browser.get(attempt.path)).returned["code"]
    refused = await oauth.token(attempt.redemption(code, code_verifier=PKCE_AT_TOKEN[name](attempt)))
    await oauth.refuses(refused, "invalid_request" if name in {"no verifier", "empty verifier"} else "invalid_grant")
    assert (await oauth.token(attempt.redemption(code))).status == 200


@pytest.mark.parametrize("method", [None, "plain", "S256"])
async def test_s16_a_verifier_sent_later_makes_up_for_no_challenge(
    oauth: OAuthWorld, application: Application, browser: Browser, method: str | None
) -> None:
    """The downgrade: a request stripped of its challenge gets nothing that a verifier could redeem."""
    attempt = Attempt(application, {"code_challenge": None, "code_challenge_method": method})
    returned = (await browser.get(attempt.path)).returned
    assert (returned["error"], "code" in returned) == ("invalid_request", False)
    await oauth.refuses(await oauth.token(attempt.redemption(returned.get("code", "none"))))
