"""Local passwords: a link from an admin, used once; a change by their owner."""

from __future__ import annotations

from services.auth import schemas
from services.auth.commands import passwords as commands
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import check_in_person, lock_person, own_caller
from services.auth.commands.passwords import Guess, WrongLink, check_new_password, link_hash
from services.auth.commands.people import UnknownPerson
from services.auth.hashing import Hasher
from services.auth.routes.answering import require_all_rights, work_for_owner, write_and_tell
from services.auth.routes.sessions import session_answer
from services.auth.store import credentials
from services.auth.store.tenants import owner_of_password_reset
from shared.database import Connection
from shared.errors import Conflict, InvalidData, RateLimited, Unavailable
from shared.http import Answer, Call, created, ok, operation
from shared.identity import AUTHENTICATED, PUBLIC

INVALID = "Invalid password data"


@operation(
    summary="A one-time link with which a person sets a local password",
    description="Shown once, good for a day; a new link voids the one before. This takes a session.",
    permission="manage:user",
    answers={201: schemas.PASSWORD_LINK},
    refuses=(InvalidData, Conflict),
    invalid="Invalid user data",
    tag="Passwords",
    tenant=False,
    idempotent=False,
)
async def make_password_link(call: Call) -> Answer:
    check_in_person(call.principal)

    async def effect(tx: Connection) -> Answer:
        person = await lock_person(tx, call.principal, call.org_id, call.path["id"])
        if person is None:
            raise UnknownPerson
        if not person.is_present:
            raise Conflict("Restore the user first; a deleted user cannot sign in")
        made_by = call.principal.user_id
        token, expires_at = await commands.make_password_link(tx, person, made_by, call.context.clock())
        link = f"{call.context.settings.public_url}/password-resets/{token}"
        return created({"link": link, "expires_at": int(expires_at.timestamp())})

    await work_for_owner(call, UnknownPerson())
    return await call.write(effect)


@operation(
    summary="Set a local password with a one-time link",
    description=f"A password has {schemas.PASSWORD_RULE}",
    permission=PUBLIC,
    body=schemas.SET_PASSWORD,
    answers={200: schemas.NOTHING},
    refuses=(InvalidData, RateLimited, Unavailable),
    invalid=INVALID,
    tag="Passwords",
    idempotent=False,
)
async def use_password_link(call: Call) -> Answer:
    return await set_password_with_link(call, call.body["password"])


async def set_password_with_link(call: Call, password: str) -> Answer:
    """Raises `InvalidData` naming `password` or `token`."""
    check_new_password(password, "password")
    await require_link(call)
    hasher = call.context.get(Hasher)
    async with hasher.place():
        hashed = await hasher.hash(password)
    token_hash = link_hash(call.words["token"])

    async def effect(tx: Connection, ending: Ending) -> Answer:
        await commands.use_password_link(tx, token_hash, hashed, call.context.clock(), ending)
        return ok({})

    return await write_and_tell(call, effect)


async def require_link(call: Call) -> None:
    """Works for the link's organisation from here on. Raises `WrongLink`."""
    token_hash, database = link_hash(call.words["token"]), call.context.database
    async with database.connection() as connection:
        call.org_id = (await owner_of_password_reset(connection, token_hash)).org_id
    async with database.transaction(call.org_id, read_only=True) as tx:
        if await credentials.find_password_reset(tx, token_hash, call.context.clock()) is None:
            raise WrongLink


@operation(
    summary="Change my local password",
    description="All tokens of mine end; the answer holds a fresh session, so it takes a credential with all my rights."
    f" A password has {schemas.PASSWORD_RULE}",
    permission=AUTHENTICATED,
    body=schemas.CHANGE_PASSWORD,
    answers={200: schemas.SESSION},
    refuses=(InvalidData, RateLimited, Unavailable),
    invalid=INVALID,
    tag="Passwords",
    tenant=False,
)
async def change_password(call: Call) -> Answer:
    require_all_rights(call)
    call.org_id = call.principal.org_id
    context, hasher = call.context, call.context.get(Hasher)
    async with call.read() as tx:
        me = await commands.owner_of_token(tx, call.principal.user_id)
    guess = Guess(me.email, call.body["current"], call.address)
    check_new_password(call.body["new"], "new")
    found = await commands.check_password(context.database, hasher, context.clock, guess)
    wrong = InvalidData(INVALID, fields={"current": "Is not the present password."})
    if found is None:
        raise wrong
    async with hasher.place():
        hashed = await hasher.hash(call.body["new"])

    async def effect(tx: Connection, ending: Ending) -> Answer:
        await own_caller(tx, call.principal)
        if await credentials.password_hash(tx, me.id) != found.hashed:
            raise wrong
        generation = await commands.set_password(tx, me.id, hashed, context.clock(), ending)
        return await session_answer(tx, context, found, generation)

    return await write_and_tell(call, effect)
