"""One credential of each kind for a new person of a system of processes, with one way to end it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from shared.identity import Role
from tests.support.credentials import HOUR, NEW_PASSWORD, NUMBERS, PASSWORD, SCOPES, Held, Office, Step
from tests.support.identity_provider import AUDIENCE
from tests.support.oauth import Application, Attempt

GRACE = 1


async def google_session_signed_out(office: Office) -> Held:
    bearer = await office.sessions.sign_in(await office.somebody())
    return Held(bearer, office.sign_out(bearer))


async def google_session_of_another_role(office: Office) -> Held:
    name = await office.somebody()
    return Held(await office.sessions.sign_in(name), office.give_role(name, Role.ORGANISATION_ADMIN))


async def google_session_of_who_left(office: Office) -> Held:
    name = await office.somebody()
    return Held(await office.sessions.sign_in(name), office.leave(name))


async def google_session_of_an_organisation_suspended(office: Office) -> Held:
    other, suspend = await office.another()
    await other.somebody()
    return Held(await other.sessions.sign_in(*other.ids), suspend)


async def password_session_signed_out(office: Office) -> Held:
    bearer = await office.session(await office.with_password())
    return Held(bearer, office.sign_out(bearer))


async def password_session_of_another_password(office: Office) -> Held:
    bearer, body = await office.session(await office.with_password()), {"current": PASSWORD, "new": NEW_PASSWORD}
    return Held(bearer, lambda: office.ask("PUT", "/users/me/password", bearer, json=body))


async def password_session_ended_from_another(office: Office) -> Held:
    name = await office.with_password()
    bearer, other = await office.session(name), await office.session(name)
    listed = (await office.ask("GET", "/users/me/sessions", bearer)).data
    path = next(f"/users/me/sessions/{one['id']}" for one in listed if one["current"])
    return Held(bearer, lambda: office.ask("DELETE", path, other, 204))


async def session_by_key_signed_out(office: Office) -> Held:
    bearer = await office.session_by_key((await office.key())["key"])
    return Held(bearer, office.sign_out(bearer))


async def session_by_a_key_that_was_deleted(office: Office) -> Held:
    key = await office.key()
    bearer = await office.session_by_key(key["key"])
    return Held(bearer, lambda: office.ask("DELETE", f"/api-keys/{key['id']}", office.sessions.admin, 204))


async def personal_token_deleted(office: Office) -> Held:
    session = await office.sessions.sign_in(await office.somebody())
    body = {"name": "Script", "scopes": SCOPES, "expires_at": int(time.time()) + HOUR}
    made = (await office.ask("POST", "/users/me/tokens", session, 201, json=body)).data
    return Held(made["token"], lambda: office.ask("DELETE", f"/users/me/tokens/{made['id']}", session, 204))


async def personal_token_of_who_left(office: Office) -> Held:
    name = await office.somebody()
    body = {"name": "Script", "scopes": SCOPES, "expires_at": int(time.time()) + HOUR}
    made = await office.ask("POST", "/users/me/tokens", await office.sessions.sign_in(name), 201, json=body)
    return Held(made.data["token"], office.leave(name))


async def personal_token_of_another_password(office: Office) -> Held:
    session = await office.session(await office.with_password())
    body = {"name": "Script", "scopes": SCOPES, "expires_at": int(time.time()) + HOUR}
    made = await office.ask("POST", "/users/me/tokens", session, 201, json=body)
    change = {"current": PASSWORD, "new": NEW_PASSWORD}
    return Held(made.data["token"], lambda: office.ask("PUT", "/users/me/password", session, json=change))


async def api_key_deleted(office: Office) -> Held:
    key = await office.key()
    return Held(key["key"], lambda: office.ask("DELETE", f"/api-keys/{key['id']}", office.sessions.admin, 204))


async def api_key_rotated(office: Office) -> Held:
    key = await office.key()
    path = f"/api-keys/{key['id']}/rotate"
    return Held(key["key"], lambda: office.ask("POST", path, office.sessions.admin, 201, json={"grace_seconds": 0}))


async def api_key_after_its_grace(office: Office) -> Held:
    key = await office.key()
    path = f"/api-keys/{key['id']}/rotate"

    async def rotate_and_wait_for_the_end() -> None:
        await office.ask("POST", path, office.sessions.admin, 201, json={"grace_seconds": GRACE})
        await asyncio.sleep(GRACE)

    return Held(key["key"], rotate_and_wait_for_the_end)


async def api_key_of_who_left(office: Office) -> Held:
    name, key = await office.keys_maker()
    return Held(key["key"], office.leave(name))


async def api_key_of_another_role(office: Office) -> Held:
    name, key = await office.keys_maker()
    return Held(key["key"], office.give_role(name, Role.MODERATOR))


async def api_key_of_an_organisation_suspended(office: Office) -> Held:
    other, suspend = await office.another()
    return Held((await other.key())["key"], suspend)


@dataclass(frozen=True, slots=True)
class Granted:
    """What an application has got for somebody, and how."""

    office: Office
    name: str
    application: Application
    redemption: dict[str, str]
    given: Mapping[str, str]

    @classmethod
    async def of(cls, office: Office) -> Granted:
        name, application = await office.with_password(), await office.application()
        redemption = await office.allowed(name, Attempt(application))
        return cls(office, name, application, redemption, await office.form("/oauth/token", redemption))

    def held(self, end: Step, renewal: int | None = 400) -> Held:
        """`renewal` is the status of a refresh after it."""

        async def renew() -> int:
            form = {"grant_type": "refresh_token", "refresh_token": self.given["refresh_token"]}
            assert renewal is not None
            await self.office.form("/oauth/token", {**form, **self.application.credentials}, renewal)
            return renewal

        return Held(self.given["access_token"], end, renew if renewal else None)

    def revoke(self, token: str) -> Step:
        return lambda: self.office.form("/oauth/revoke", {"token": token, **self.application.credentials})


async def access_token_revoked(office: Office) -> Held:
    """Alone: its refresh token lives on."""
    granted = await Granted.of(office)
    return granted.held(granted.revoke(granted.given["access_token"]), renewal=None)


async def refresh_token_revoked(office: Office) -> Held:
    granted = await Granted.of(office)
    return granted.held(granted.revoke(granted.given["refresh_token"]))


async def grant_ended_by_the_person(office: Office) -> Held:
    granted = await Granted.of(office)
    session = await office.session(granted.name)
    [grant] = (await office.ask("GET", "/users/me/grants", session)).data
    return granted.held(lambda: office.ask("DELETE", f"/users/me/grants/{grant['id']}", session, 204))


async def code_that_came_again(office: Office) -> Held:
    granted = await Granted.of(office)
    return granted.held(lambda: office.form("/oauth/token", granted.redemption, 400))


async def application_removed(office: Office) -> Held:
    granted = await Granted.of(office)
    path = f"/oauth/clients/{granted.application.id}"
    return granted.held(lambda: office.ask("DELETE", path, office.sessions.admin, 204), renewal=401)


async def own_token_of_an_application_removed(office: Office) -> Held:
    application = await office.application()
    form = {"grant_type": "client_credentials", **application.credentials}
    bearer, path = (await office.form("/oauth/token", form))["access_token"], f"/oauth/clients/{application.id}"
    return Held(bearer, lambda: office.ask("DELETE", path, office.sessions.admin, 204))


async def _trusted(office: Office) -> tuple[str, str]:
    """A provider of its own, told by its audience; and the path at which it is managed."""
    audience = f"{AUDIENCE}-{next(NUMBERS)}"
    me = (await office.ask("GET", "/users/me", office.sessions.admin)).data
    path, body = (
        f"/organisations/{me['org_id']}/identity-providers",
        {"issuer": office.idp.address, "audience": audience},
    )
    added = (await office.ask("POST", path, office.sessions.admin, 201, json=body)).data
    return audience, f"{path}/{added['id']}"


async def providers_token_signed_out(office: Office) -> Held:
    audience, _ = await _trusted(office)
    bearer = office.idp.token(office.sessions.email(await office.somebody()), aud=audience)
    return Held(bearer, office.sign_out(bearer))


async def providers_token_of_who_left(office: Office) -> Held:
    audience, _ = await _trusted(office)
    name = await office.somebody()
    return Held(office.idp.token(office.sessions.email(name), aud=audience), office.leave(name))


async def token_of_a_provider_removed(office: Office) -> Held:
    audience, path = await _trusted(office)
    bearer = office.idp.token(office.sessions.email(await office.somebody()), aud=audience)
    return Held(bearer, lambda: office.ask("DELETE", path, office.sessions.admin, 204))


ENDINGS: dict[str, Callable[[Office], Awaitable[Held]]] = {
    "Google session, signed out": google_session_signed_out,
    "Google session, another role": google_session_of_another_role,
    "Google session, person removed": google_session_of_who_left,
    "Google session, organisation suspended": google_session_of_an_organisation_suspended,
    "password session, signed out": password_session_signed_out,
    "password session, another password": password_session_of_another_password,
    "password session, ended from another": password_session_ended_from_another,
    "session by key, signed out": session_by_key_signed_out,
    "session by key, key deleted": session_by_a_key_that_was_deleted,
    "personal token, deleted": personal_token_deleted,
    "personal token, person removed": personal_token_of_who_left,
    "personal token, another password": personal_token_of_another_password,
    "API key, deleted": api_key_deleted,
    "API key, rotated": api_key_rotated,
    "API key, grace over": api_key_after_its_grace,
    "API key, maker removed": api_key_of_who_left,
    "API key, maker of another role": api_key_of_another_role,
    "API key, organisation suspended": api_key_of_an_organisation_suspended,
    "access token, revoked": access_token_revoked,
    "refresh token, revoked": refresh_token_revoked,
    "refresh token, grant ended": grant_ended_by_the_person,
    "refresh token, code came again": code_that_came_again,
    "refresh token, application removed": application_removed,
    "application's own token, application removed": own_token_of_an_application_removed,
    "provider's token, signed out": providers_token_signed_out,
    "provider's token, person removed": providers_token_of_who_left,
    "provider's token, provider removed": token_of_a_provider_removed,
}
"""Every kind of credential, and what ends it."""
