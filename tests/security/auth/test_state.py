"""One attempt is one browser's, one person's, one application's, one request's: nothing of it serves another (S18).

`state` and `iss` are the application's to compare: Authlib's client does the one, as an application does that follows
RFC 9207 the other. Everything else is refused here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session

from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser, Shown, challenge_of

ISSUER = "https://peerly.test"
OTHER_ADDRESS = "https://app.example.com/too"


@dataclass(slots=True)
class Scene:
    """Emil has an application's question before him; somebody wants another answer out of it."""

    world: World
    oauth: OAuthWorld
    application: Application
    other: Application
    attempt: Attempt
    browser: Browser
    page: Shown
    consent: Shown

    async def changed(self, **changes: str | None) -> Shown:
        """The decision, sent for a request that differs from the one that was shown."""
        shown = {**self.attempt.parameters, "scope": " ".join(sorted(self.scopes)), **changes}
        query = urlencode({name: value for name, value in shown.items() if value is not None})
        path = f"/oauth/authorize?{query}"
        return await self.decide(Shown(self.consent.reply, path, self.consent.fields, self.consent.choices))

    async def decide(self, page: Shown, browser: Browser | None = None) -> Shown:
        return await (browser or self.browser).submit(page, decision="allow")

    @property
    def scopes(self) -> set[str]:
        return {"view:profile"}

    async def stranger(self, who: str = "mona") -> tuple[Browser, Shown]:
        """Another person's browser before the same question."""
        browser = self.oauth.browser()
        return browser, await browser.sign_in(self.attempt, self.world.email_of(who), PASSWORD)


@pytest.fixture
async def scene(world: World, oauth: OAuthWorld) -> Scene:
    """New applications for each test, so that nothing is allowed yet."""
    application = await oauth.register(redirect_uris=[REDIRECT_URI, OTHER_ADDRESS])
    other, browser = await oauth.register(), oauth.browser()
    attempt = Attempt(application, {"scope": "view:profile"})
    page = await browser.get(attempt.path)
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    return Scene(world, oauth, application, other, attempt, browser, page, consent)


async def in_another_browser(scene: Scene) -> Shown:
    return await scene.decide(scene.consent, scene.oauth.browser())


async def in_another_persons_browser(scene: Scene) -> Shown:
    browser, _ = await scene.stranger()
    return await scene.decide(scene.consent, browser)


async def another_persons_page(scene: Scene) -> Shown:
    _, theirs = await scene.stranger()
    return await scene.decide(theirs)


async def after_another_person_signed_in(scene: Scene) -> Shown:
    """The page is still open in a tab while somebody else signs in in the next one."""
    await scene.browser.submit(scene.consent, decision="switch")
    await scene.browser.sign_in(scene.attempt, scene.world.email_of("mona"), PASSWORD)
    return await scene.decide(scene.consent)


async def after_signing_out(scene: Scene) -> Shown:
    await scene.browser.submit(scene.consent, decision="switch")
    return await scene.decide(scene.consent)


async def the_sign_in_page(scene: Scene) -> Shown:
    """Its form was made for the cookie of before the sign-in."""
    return await scene.decide(Shown(scene.page.reply, scene.page.action, scene.page.fields, ()))


OTHER_DECISIONS: dict[str, Callable[[Scene], Awaitable[Shown]]] = {
    "another state": lambda scene: scene.changed(state="theirs"),
    "no state": lambda scene: scene.changed(state=None),
    "another challenge": lambda scene: scene.changed(code_challenge=challenge_of("w" * 43)),
    "another registered address": lambda scene: scene.changed(redirect_uri=OTHER_ADDRESS),
    "more scopes": lambda scene: scene.changed(scope="view:profile view:recognition"),
    "all scopes": lambda scene: scene.changed(scope=None),
    "another application": lambda scene: scene.changed(client_id=scene.other.client_id),
    "consent to be asked again": lambda scene: scene.changed(prompt="consent"),
    "in another browser": in_another_browser,
    "in another person's browser": in_another_persons_browser,
    "another person's page": another_persons_page,
    "after another person signed in": after_another_person_signed_in,
    "after signing out": after_signing_out,
    "the sign-in page": the_sign_in_page,
}


def test_s18_the_tables_are_long_enough() -> None:
    assert len(OTHER_DECISIONS) + len(OVER) + len(OTHER_ANSWERS) >= 10


@pytest.mark.parametrize("name", OTHER_DECISIONS)
async def test_s18_a_decision_holds_for_what_this_browser_was_shown(scene: Scene, name: str) -> None:
    before = await codes(scene)
    refused = await OTHER_DECISIONS[name](scene)
    assert (refused.reply.status, refused.action, refused.reply.headers.get("Location")) == (403, None, None)
    assert await codes(scene) == before


async def codes(scene: Scene) -> int:
    return int(await scene.world.owner.fetchval("SELECT count(*) FROM oauth_authorizations"))


async def test_s18_the_decision_that_was_asked_for_holds(scene: Scene) -> None:
    """Else nothing above would prove anything."""
    assert "code" in (await scene.changed()).returned


async def a_quarter_of_an_hour(scene: Scene) -> None:
    scene.world.clock.ahead += timedelta(minutes=15)


async def another_role(scene: Scene) -> None:
    for role in (4, 3):
        path = f"/users/{scene.world.id_of('emil')}"
        assert (await scene.world.put("ada", path, {"role_id": role})).status == 200


OVER = {"a quarter of an hour": a_quarter_of_an_hour, "another role": another_role}


@pytest.mark.parametrize("name", OVER)
async def test_s18_a_question_of_a_sign_in_that_is_over_is_asked_again(scene: Scene, name: str) -> None:
    await OVER[name](scene)
    back = await scene.decide(scene.consent)
    assert urlsplit(back.location).path == "/oauth/authorize"
    assert "username" in (await scene.browser.get(back.location)).fields


def application_of(scene: Scene, state: str) -> OAuth2Session:
    """The application's side of one browser's attempt, as Authlib makes it."""
    known = scene.application
    return OAuth2Session(
        known.client_id, known.secret, redirect_uri=known.redirect_uri, scope="view:profile", state=state,
        code_challenge_method="S256",
    )  # fmt: skip


async def without_state(scene: Scene) -> str:
    attempt = Attempt(scene.application, {"scope": "view:profile", "state": None})
    return await answer(scene, attempt)


async def of_another_attempt(scene: Scene) -> str:
    return await answer(scene, Attempt(scene.application, {"scope": "view:profile"}))


async def of_another_person(scene: Scene) -> str:
    """What a victim is made to open: an answer to the attacker's own attempt."""
    browser, page = await scene.stranger()
    attempt = Attempt(scene.application, {"scope": "view:profile"})
    page = await browser.get(attempt.path)
    return (await browser.submit(page, decision="allow")).location


async def with_its_state_cut(scene: Scene) -> str:
    return (await answer(scene, scene.attempt)).replace(
        f"state={scene.attempt.state}", f"state={scene.attempt.state[1:]}"
    )


OTHER_ANSWERS = {
    "without state": without_state,
    "of another attempt": of_another_attempt,
    "of another person": of_another_person,
    "with its state cut": with_its_state_cut,
}


async def answer(scene: Scene, attempt: Attempt) -> str:
    return (await scene.browser.submit(await scene.browser.get(attempt.path), decision="allow")).location


@pytest.mark.parametrize("name", OTHER_ANSWERS)
async def test_s18_an_application_takes_no_answer_but_its_own(scene: Scene, name: str) -> None:
    location = await OTHER_ANSWERS[name](scene)
    assert "code=" in location
    with application_of(scene, scene.attempt.state) as client, pytest.raises(AuthlibBaseError) as refusal:
        client.fetch_token(
            f"{scene.world.address}/oauth/token",
            authorization_response=location,
            code_verifier=scene.attempt.verifier,
        )
    assert refusal.value.error == "mismatching_state"


async def test_s18_an_answer_that_comes_again_ends_what_the_first_one_gave(scene: Scene) -> None:
    returned = (await scene.decide(scene.consent)).returned
    assert returned["state"] == scene.attempt.state
    form = scene.attempt.redemption(returned["code"])
    given = (await scene.oauth.token(form)).body
    await scene.oauth.refuses(await scene.oauth.token(form))
    assert not await scene.oauth.works(given["access_token"])


async def test_s18_an_injected_code_is_refused(scene: Scene) -> None:
    """The code is right, the verifier belongs to somebody else's attempt."""
    code = (await scene.decide(scene.consent)).returned["code"]
    await scene.oauth.refuses(await scene.oauth.token(Attempt(scene.application).redemption(code)))


@pytest.mark.parametrize("state", ["a b+c&d=e%2F\"'<>\\~", "x" * 1000, " leading and trailing "])
async def test_s18_state_comes_back_exactly(oauth: OAuthWorld, application: Application, state: str) -> None:
    returned = (await oauth.browser().get(Attempt(application, {"state": state, "scope": "no"}).path)).returned
    assert returned["state"] == state


@pytest.mark.parametrize("absent", [None, ""])
async def test_s18_no_state_is_made_up(oauth: OAuthWorld, application: Application, absent: str | None) -> None:
    returned = (await oauth.browser().get(Attempt(application, {"state": absent, "scope": "no"}).path)).returned
    assert set(returned) == {"error", "error_description", "iss"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"response_type": "id_token"}, "unsupported_response_type"), ({"scope": "openid"}, "invalid_scope")],
    ids=["ID token", "openid"],
)
async def test_s18_a_nonce_binds_nothing_here(
    oauth: OAuthWorld, application: Application, changes: dict[str, str | None], error: str
) -> None:
    """There are no ID tokens whose replay it would stop: whoever relies on one is told so."""
    attempt = Attempt(application, {**changes, "nonce": "n-0S6_WzA2Mj"})
    returned = (await oauth.browser().get(attempt.path)).returned
    assert (returned["error"], "n-0S6" in str(returned)) == (error, False)


async def test_s18_every_answer_names_who_gave_it(scene: Scene) -> None:
    """Against mix-ups (RFC 9207): as the metadata says that it does."""
    denied = await scene.browser.submit(scene.consent, decision="deny")
    given = await scene.decide(scene.consent)
    wrong = await scene.browser.get(Attempt(scene.application, {"response_type": "x"}).path)
    assert [one.returned["iss"] for one in (denied, given, wrong)] == [ISSUER] * 3
    told = (await scene.world.get(None, "/.well-known/oauth-authorization-server")).body
    assert (told["issuer"], told["authorization_response_iss_parameter_supported"]) == (ISSUER, True)


@pytest.mark.parametrize("who", ["ada", "gus"], ids=["of the organisation", "of another organisation"])
async def test_s18_a_code_that_was_given_to_one_application_is_refused_at_another(scene: Scene, who: str) -> None:
    """The other half of a mix-up: an honest application brings what an attacker's was given, or the reverse."""
    code = (await scene.decide(scene.consent)).returned["code"]
    other = await scene.oauth.register(who)
    await scene.oauth.refuses(await scene.oauth.token(scene.attempt.redemption(code, **other.credentials)))
    assert (await scene.oauth.token(scene.attempt.redemption(code))).status == 200
