"""What ends what somebody allowed: they themselves, the application, the organisation, time."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest

from shared.contracts.auth import SessionRevoked
from shared.contracts.credentials import CredentialsUsed, Use
from tests.component.auth.oauth_world import SCOPES, OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import Attempt
from tests.support.waiting import eventually

ISSUER = "https://peerly.test"


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


async def test_a_sign_in_lasts_a_quarter_of_an_hour(world: World, oauth: OAuthWorld) -> None:
    attempt, browser = Attempt(await oauth.register()), oauth.browser()
    consent = await browser.sign_in(attempt, "emil@acme.test", PASSWORD)
    world.clock.ahead += timedelta(minutes=15)
    late = await browser.get((await browser.submit(consent, decision="allow")).location)
    assert "username" in late.fields


async def test_my_grants_tell_application_scopes_and_last_use_and_end(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    given = await oauth.tokens(application)
    assert await oauth.works(given["access_token"])
    at = int(world.clock().timestamp())
    use = Use(client_id=application.client_id, user_id=world.id_of("emil"), at=at)
    await world.hears(CredentialsUsed(publisher="quota", uses=(use,)), world.acme)
    [grant] = (await world.get("emil", "/users/me/grants")).data
    assert grant["application"] == {"client_id": application.client_id, "name": "Thanks & Co"}
    assert (grant["scopes"], grant["last_used_at"]) == (SCOPES, at)
    assert abs(grant["since"] - at) < 60
    assert (await world.get("mona", "/users/me/grants")).data == []
    assert (await world.delete("mona", f"/users/me/grants/{grant['id']}")).status == 404
    assert (await world.delete("emil", f"/users/me/grants/{grant['id']}")).status == 204
    assert not await oauth.works(given["access_token"])
    await oauth.refuses(await oauth.refresh(application, given["refresh_token"]))
    jti = jwt.decode(given["access_token"], options={"verify_signature": False})["jti"]
    assert len(await world.told(SessionRevoked, jti=jti)) == 1
    assert (await world.delete("emil", f"/users/me/grants/{grant['id']}")).status == 404


async def test_a_refresh_token_is_revoked_with_its_family(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    first, other = await oauth.tokens(application), await oauth.tokens(application)
    second = (await oauth.refresh(application, first["refresh_token"])).body
    form = {"token": second["refresh_token"], **application.credentials}
    assert (await oauth.form("/oauth/revoke", form)).status == 200
    for token in (first["access_token"], second["access_token"]):
        assert not await oauth.works(token)
    await oauth.refuses(await oauth.refresh(application, second["refresh_token"]))
    assert await oauth.works(other["access_token"])


async def test_an_access_token_is_revoked_alone(world: World, oauth: OAuthWorld) -> None:
    application, stranger = await oauth.register(), await oauth.register()
    given = await oauth.tokens(application)
    for form in ({"token": given["access_token"], **stranger.credentials}, {"token": "x", **application.credentials}):
        assert (await oauth.form("/oauth/revoke", form)).status == 200
    assert await oauth.works(given["access_token"])
    await oauth.form("/oauth/revoke", {"token": given["access_token"], **application.credentials})
    assert not await oauth.works(given["access_token"])
    assert (await oauth.refresh(application, given["refresh_token"])).status == 200


async def test_introspection_tells_an_application_of_its_own_tokens(world: World, oauth: OAuthWorld) -> None:
    application, stranger = await oauth.register(), await oauth.register()
    given = await oauth.tokens(application)

    async def asked(token: str, by: dict[str, str] = application.credentials) -> dict[str, object]:
        reply = await oauth.form("/oauth/introspect", {"token": token, **by})
        assert reply.status == 200
        return dict(reply.body)

    told = await asked(given["access_token"])
    assert (told["active"], told["client_id"], told["scope"]) == (True, application.client_id, " ".join(SCOPES))
    assert told["sub"] == str(world.id_of("emil"))
    assert (await asked(given["refresh_token"]))["active"] is True
    for token in (given["access_token"], given["refresh_token"]):
        assert await asked(token, stranger.credentials) == {"active": False}
    assert await asked("nothing") == {"active": False}
    assert await asked(world.tokens["emil"]) == {"active": False}
    await oauth.form("/oauth/revoke", {"token": given["refresh_token"], **application.credentials})
    for token in (given["access_token"], given["refresh_token"]):
        assert await asked(token) == {"active": False}


async def test_a_removed_application_can_do_nothing_more(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    given = await oauth.tokens(application)
    own = (await oauth.token({"grant_type": "client_credentials", **application.credentials})).body["access_token"]
    assert (await world.delete("abe", f"/oauth/clients/{application.id}")).status == 204
    for token in (given["access_token"], own):
        assert not await oauth.works(token)
    await oauth.refuses(await oauth.refresh(application, given["refresh_token"]), "invalid_client", 401)
    assert (await world.get("emil", "/users/me/grants")).data == []
    assert len(await world.told(SessionRevoked, client_id=application.client_id)) == 1


async def test_the_person_decides_what_lasts(world: World, oauth: OAuthWorld) -> None:
    """Password, role and leaving end what was allowed before."""
    application = await oauth.register()
    by_password, by_role, by_leaving = [await oauth.tokens(application, who) for who in ("emil", "mona", "abe")]
    await world.put("emil", "/users/me/password", {"current": PASSWORD, "new": "another unrelated walrus"})
    await world.put("ada", f"/users/{world.id_of('mona')}", {"role_id": 3})
    await world.delete("ada", f"/users/{world.id_of('abe')}")
    for given in (by_password, by_role, by_leaving):
        assert not await oauth.works(given["access_token"])
        await oauth.refuses(await oauth.refresh(application, given["refresh_token"]))


async def test_a_suspended_organisation_gives_nothing(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    given = await oauth.tokens(application)
    suspended = await world.ask("root", "PATCH", f"/organisations/{world.acme}", {"status": "SUSPENDED"})
    assert suspended.status == 200
    await oauth.refuses(await oauth.refresh(application, given["refresh_token"]), "invalid_client", 401)
    assert (await oauth.browser().get(Attempt(application).path)).reply.status == 400


async def test_fewer_scopes_of_an_application_hold_from_its_next_tokens_on(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    given = await oauth.tokens(application)
    body = {"scopes": ["view:profile"]}
    assert (await world.ask("ada", "PATCH", f"/oauth/clients/{application.id}", body)).data["scopes"] == body["scopes"]
    assert (await oauth.refresh(application, given["refresh_token"])).body["scope"] == "view:profile"


async def test_what_is_over_is_forgotten(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    await oauth.tokens(application)
    await oauth.code(Attempt(application), "mona")
    world.clock.ahead += timedelta(days=31)
    await oauth.code(Attempt(application), "abe")
    assert await world.owner.fetchval("SELECT count(*) FROM oauth_authorizations") == 1
    assert await world.owner.fetchval("SELECT count(*) FROM oauth_sign_ins") == 1
    assert await world.owner.fetchval("SELECT count(*) FROM oauth_refresh_tokens") == 0
    assert await world.owner.fetchval("SELECT count(*) FROM oauth_access_tokens") == 0


async def test_a_family_has_few_tokens_that_live(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    given = await oauth.tokens(application)
    first = given["access_token"]
    for _ in range(20):
        world.clock.ahead += timedelta(seconds=1)
        given = (await oauth.refresh(application, given["refresh_token"])).body

    async def first_is_refused() -> bool:
        return not await oauth.works(first)

    await eventually(first_is_refused, within=2)
    assert await oauth.works(given["access_token"])
    assert await world.owner.fetchval("SELECT count(*) FROM oauth_access_tokens") == 20
