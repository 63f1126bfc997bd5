"""Signing in and out, and the keys by which others verify."""

from __future__ import annotations

from services.auth import schemas
from services.auth.commands import passwords, people
from services.auth.commands.clients import end_signed_out
from services.auth.commands.endings import Ending
from services.auth.commands.passwords import Guess, SignedIn
from services.auth.domain.google import Identity
from services.auth.google import Google
from services.auth.hashing import Hasher
from services.auth.queries.keys import json_web_keys
from services.auth.routes.answering import write_and_tell
from services.auth.store import organisations, tenants
from services.auth.tokens import GOOGLE_SESSION, PASSWORD_SESSION, WITH_GOOGLE, WITH_PASSWORD, Owner, Signer
from shared.context import Context
from shared.database import Connection
from shared.errors import InvalidToken, RateLimited, Unavailable
from shared.http import Answer, Call, ok, operation
from shared.identity import AUTHENTICATED, PUBLIC


@operation(
    summary="Sign in with Google",
    description="The first sign-in of somebody from a known domain makes the user.",
    permission=PUBLIC,
    body=schemas.GOOGLE_SIGN_IN,
    answers={200: schemas.TOKEN},
    refuses=(InvalidToken, RateLimited, Unavailable),
    invalid="Invalid sign-in data",
    tag="Sessions",
    idempotent=False,
    during_maintenance=True,
)
async def sign_in_with_google(call: Call) -> Answer:
    identity = await call.context.get(Google).identify(call.body["access_token"])
    account = await _account_of(call.context, identity)
    async with call.context.database.transaction(account.org_id, request_id=call.request_id) as tx:
        organisation = await organisations.find_organisation(tx, account.org_id)
        if organisation is None or not organisation.is_active:
            raise InvalidToken
        enter = people.recognise_with_google if account.user_id else people.join_with_google
        person = await enter(tx, identity)
        owner = Owner(person.id, person.org_id, organisation.name, int(person.role), person.generation)
        token = await call.context.get(Signer).begin(tx, owner, GOOGLE_SESSION, WITH_GOOGLE)
    call.context.wake()
    return ok({"token": token})


async def _account_of(context: Context, identity: Identity) -> tenants.Account:
    """Where the person belongs; user 0 for somebody new. Raises `InvalidToken` for a domain that nobody owns."""
    async with context.database.connection() as connection:
        org_id = await tenants.organisation_of_domain(connection, identity.domain)
        known = await tenants.account_of_email(connection, identity.folded_email)
    if org_id is None:
        raise InvalidToken
    if known == tenants.NOBODY:
        return tenants.Account(org_id, 0)
    if known.org_id not in {org_id, tenants.NOBODY.org_id}:
        raise InvalidToken
    return known


@operation(
    summary="Sign in with a local password",
    description="A wrong name and a wrong password get the same answer; ten failures in 15 minutes are the limit.",
    permission=PUBLIC,
    body=schemas.PASSWORD_SIGN_IN,
    answers={200: schemas.SESSION},
    refuses=(InvalidToken, RateLimited, Unavailable),
    invalid="Invalid sign-in data",
    tag="Sessions",
    idempotent=False,
    during_maintenance=True,
)
async def sign_in(call: Call) -> Answer:
    context = call.context
    guess = Guess(call.body["username"], call.body["password"], call.address)
    found = await passwords.check_password(context.database, context.get(Hasher), context.clock, guess)
    if found is None:
        raise InvalidToken
    async with context.database.transaction(found.person.org_id) as tx:
        return await session_answer(tx, context, found, found.person.generation)


async def session_answer(tx: Connection, context: Context, found: SignedIn, generation: int) -> Answer:
    """200 with a fresh token of a quarter of an hour."""
    person, organisation = found.person, found.organisation
    owner = Owner(person.id, person.org_id, organisation.name, int(person.role), generation)
    token = await context.get(Signer).begin(tx, owner, PASSWORD_SESSION, WITH_PASSWORD)
    return ok({"token": token, "expires_in": int(PASSWORD_SESSION.total_seconds())})


@operation(
    summary="Sign out: this credential is refused from now on",
    permission=AUTHENTICATED,
    answers={200: schemas.NOTHING},
    refuses=(Unavailable,),
    tag="Sessions",
    tenant=False,
    idempotent=False,
    during_maintenance=True,
)
async def sign_out(call: Call) -> Answer:
    async def effect(tx: Connection, ending: Ending) -> Answer:
        await ending.of_session(tx, call.principal)
        await end_signed_out(tx, call.principal, call.context.clock(), ending)
        return ok({})

    call.org_id = call.principal.org_id
    return await write_and_tell(call, effect)


@operation(
    summary="The public keys that sign valid tokens",
    permission=PUBLIC,
    answers={200: schemas.JSON_WEB_KEYS},
    tag="Sessions",
    enveloped=False,
)
async def list_keys(call: Call) -> Answer:
    async with call.context.database.connection() as connection:
        keys = await json_web_keys(connection, call.context.clock())
    return Answer(200, {"keys": keys}, headers={"Cache-Control": "public, max-age=60"}, enveloped=False)
