"""The whole way of OAuth 2.0 over HTTP: register, sign in, consent, code, tokens, refresh."""

from __future__ import annotations

import base64
import hashlib

import jwt
import pytest

from services.auth.domain.oauth import ACCESS_LASTS
from tests.component.auth.oauth_world import SCOPES, OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import REDIRECT_URI, Attempt

ISSUER = "https://peerly.test"


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


async def test_pa3_somebody_signs_in_and_an_application_acts_for_them(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    attempt, browser = Attempt(application), oauth.browser()
    page = await browser.get(attempt.path)
    assert (page.reply.status, set(page.fields)) == (200, {"csrf_token", "username", "password"})
    consent = await browser.sign_in(attempt, world.email_of("emil"), PASSWORD)
    assert consent.choices == ("allow", "deny", "switch")
    for words in ("Thanks &amp; Co", "emil@acme.test", "Thank a colleague.", "app.example.com"):
        assert words in consent.text
    back = await browser.submit(consent, decision="allow")
    assert back.location.startswith(f"{REDIRECT_URI}?")
    assert set(back.returned) == {"code", "state", "iss"}
    assert (back.returned["state"], back.returned["iss"]) == (attempt.state, ISSUER)
    given = (await oauth.token(attempt.redemption(back.returned["code"]))).body
    assert set(given) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("Bearer", 900, " ".join(SCOPES))
    assert (await world.get(given["access_token"], "/users/me")).data["email"] == "emil@acme.test"
    assert (await world.get(given["access_token"], "/users")).status == 403


async def test_access_tokens_say_what_rfc_9068_asks_for(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    token = (await oauth.tokens(application))["access_token"]
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == ISSUER
    assert claims["sub"] == str(world.id_of("emil"))
    assert (claims["client_id"], claims["scope"]) == (application.client_id, " ".join(SCOPES))
    assert claims["exp"] - claims["iat"] == 900
    assert {"aud", "jti"} <= set(claims)


async def test_tokens_are_renewed_and_the_person_stays_the_same(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    given = await oauth.tokens(application)
    for _ in range(3):
        world.clock.ahead += ACCESS_LASTS
        renewed = await oauth.refresh(application, given["refresh_token"])
        assert renewed.status == 200
        assert renewed.body["refresh_token"] != given["refresh_token"]
        given = renewed.body
        assert await oauth.works(given["access_token"])


async def test_an_application_proves_itself_by_header_or_form(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    pair = base64.b64encode(f"{application.client_id}:{application.secret}".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": "view:profile"}
    by_header = await oauth.token(form, Authorization=f"Basic {pair}")
    by_form = await oauth.token({**form, **application.credentials})
    assert (by_header.status, by_form.status) == (200, 200)
    both = await oauth.token({**form, **application.credentials}, Authorization=f"Basic {pair}")
    await oauth.refuses(both, "invalid_request")


async def test_an_application_of_its_own_acts_for_who_has_its_secret(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register("ada")
    form = {"grant_type": "client_credentials", **application.credentials}
    given = (await oauth.token(form)).body
    assert "refresh_token" not in given
    assert (await world.get(given["access_token"], "/users/me")).data["email"] == "ada@acme.test"
    rotated = await world.post("abe", f"/oauth/clients/{application.id}/rotate")
    assert rotated.status == 201
    await oauth.refuses(await oauth.token(form), "invalid_client", 401)
    fresh = (await oauth.token({**form, "client_secret": rotated.data["client_secret"]})).body
    assert (await world.get(fresh["access_token"], "/users/me")).data["email"] == "abe@acme.test"
    await world.delete("ada", f"/users/{world.id_of('abe')}")
    gone = await oauth.token({**form, "client_secret": rotated.data["client_secret"]})
    await oauth.refuses(gone, "unauthorized_client")


async def test_a_super_admins_application_has_no_rights_of_its_own(world: World, oauth: OAuthWorld) -> None:
    body = {"name": "Root's", "redirect_uris": [], "scopes": ["view:profile"]}
    made = await world.post("root", "/oauth/clients", body, X_Org_Id=str(world.acme))
    application = made.data
    form = {"grant_type": "client_credentials", "client_id": application["client_id"]}
    refused = await oauth.token({**form, "client_secret": application["client_secret"]})
    await oauth.refuses(refused, "unauthorized_client")


async def test_a_public_application_lives_on_pkce_alone(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register(confidential=False, redirect_uris=["http://127.0.0.1:8123/back"])
    assert application.secret is None
    given = await oauth.tokens(application)
    renewed = await oauth.refresh(application, given["refresh_token"])
    assert renewed.status == 200
    form = {"grant_type": "client_credentials", **application.credentials}
    await oauth.refuses(await oauth.token(form), "unauthorized_client")
    await oauth.refuses(await oauth.refresh(application, "x", client_secret="y"), "invalid_client", 401)
    asked = await oauth.form("/oauth/introspect", {"token": "x", **application.credentials})
    await oauth.refuses(asked, "invalid_client", 401)


async def test_consent_is_remembered_until_more_is_asked_for(world: World, oauth: OAuthWorld) -> None:
    application, browser = await oauth.register(), oauth.browser()
    await oauth.code(Attempt(application, {"scope": "view:profile"}), browser=browser)
    again = await browser.get(Attempt(application, {"scope": "view:profile"}).path)
    assert "code" in again.returned
    more = await browser.get(Attempt(application, {"scope": "view:profile view:recognition"}).path)
    assert more.choices
    forced = await browser.get(Attempt(application, {"scope": "view:profile", "prompt": "consent"}).path)
    assert forced.choices
    public = await oauth.register(confidential=False)
    await oauth.code(Attempt(public), browser=browser)
    assert (await browser.get(Attempt(public).path)).choices


async def test_who_signs_in_gives_no_more_than_they_have(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register(scopes=["view:profile", "manage:user"])
    given = await oauth.tokens(application, "emil")
    assert given["scope"] == "view:profile"
    only = await oauth.browser().sign_in(
        Attempt(application, {"scope": "manage:user"}), world.email_of("emil"), PASSWORD
    )
    assert only.returned["error"] == "access_denied"
    assert (await oauth.tokens(application, "abe"))["scope"] == "manage:user view:profile"


async def test_no_is_told_to_the_application(world: World, oauth: OAuthWorld) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    denied = await browser.submit(await browser.sign_in(attempt, "emil@acme.test", PASSWORD), decision="deny")
    assert denied.returned["error"] == "access_denied"
    assert (denied.returned["state"], denied.returned["iss"]) == (attempt.state, ISSUER)


async def test_somebody_else_may_sign_in_instead(world: World, oauth: OAuthWorld) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    consent = await browser.sign_in(attempt, "emil@acme.test", PASSWORD)
    page = await browser.get((await browser.submit(consent, decision="switch")).location)
    assert "username" in page.fields
    again = await browser.sign_in(attempt, "mona@acme.test", PASSWORD)
    assert "mona@acme.test" in again.text


async def test_a_wrong_password_asks_again_and_too_many_wait(world: World, oauth: OAuthWorld) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    for _ in range(10):
        wrong = await browser.sign_in(attempt, "emil@acme.test", "not the walrus at all")
        assert (wrong.reply.status, wrong.fields["username"]) == (400, "emil@acme.test")
        assert 'role="alert"' in wrong.text
    blocked = await browser.sign_in(attempt, "emil@acme.test", PASSWORD)
    assert blocked.reply.status == 429
    assert int(blocked.reply.headers["Retry-After"]) > 0
    assert "username" in blocked.fields
    assert (await world.sign_in("emil", address=browser.client_address)).status == 429


async def test_people_of_other_organisations_cannot_use_it(world: World, oauth: OAuthWorld) -> None:
    attempt = Attempt(await oauth.register())
    for email in ("gina@globex.test", "root@peerly.test"):
        refused = await oauth.browser().sign_in(attempt, email, PASSWORD)
        assert (refused.reply.status, refused.choices) == (400, ())


async def test_the_database_holds_nothing_that_can_be_used(world: World, oauth: OAuthWorld) -> None:
    application, browser = await oauth.register(), oauth.browser()
    attempt = Attempt(application)
    code = await oauth.code(attempt, browser=browser)
    given = (await oauth.token(attempt.redemption(code))).body
    [cookie] = browser.cookies.values()
    tables = await world.owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'auth'")
    held = str([tuple(row) for table in tables for row in await world.owner.fetch(f"SELECT * FROM {table[0]}")])
    for secret in (application.secret, code, cookie, given["access_token"], given["refresh_token"], attempt.verifier):
        assert secret is not None
        assert secret not in held
        assert secret.rsplit(".", 1)[-1] not in held
    assert str(hashlib.sha256(code.encode()).digest())[2:-1] in held


async def test_the_server_describes_itself(world: World, oauth: OAuthWorld) -> None:
    told = (await world.get(None, "/.well-known/oauth-authorization-server")).body
    assert told["issuer"] == ISSUER
    for name in ("authorization", "token", "revocation", "introspection"):
        assert told[f"{name}_endpoint"].startswith(f"{ISSUER}/oauth/")
    assert told["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert (told["response_types_supported"], told["code_challenge_methods_supported"]) == (["code"], ["S256"])
    assert told["authorization_response_iss_parameter_supported"] is True
    assert "view:profile" in told["scopes_supported"]
