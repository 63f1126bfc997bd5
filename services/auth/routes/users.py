"""People: oneself, one, many; their roles; leaving and coming back."""

from __future__ import annotations

from services.auth import schemas
from services.auth.commands import people as commands
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import check_in_person, lock_person, own_caller
from services.auth.commands.people import UnknownPerson
from services.auth.commands.value_lists import check_department
from services.auth.domain.people import Person
from services.auth.domain.profiles import Profile
from services.auth.domain.roles import check_grant
from services.auth.queries import people as queries
from services.auth.routes import querying
from services.auth.routes.answering import shown, work_for_owner, write_and_tell
from services.auth.store.tenants import working_for
from shared.database import Connection
from shared.errors import AccessDenied, Conflict, InvalidData, InvalidToken, NotFound, Unavailable, VersionMismatch
from shared.http import Answer, Call, listed, operation
from shared.identity import Role

INVALID = "Invalid user data"
OPTIONAL = ("profile_image_url", "phone", "department", "listed_in_leaderboards")
ADMINS = (Role.SUPER_ADMIN, Role.ORGANISATION_ADMIN)


async def of_the_user(call: Call) -> None:
    """Makes a super admin's call one of the user's organisation."""
    await work_for_owner(call, NotFound("User"))


@operation(
    summary="People of the organisation, by id",
    permission="view:user",
    query=querying.USER_QUERY,
    answers={200: querying.LISTED_USER},
    invalid=INVALID,
    tag="Users",
    many=True,
)
async def list_users(call: Call) -> Answer:
    if "org_id" in call.query and not call.principal.is_super_admin:
        raise AccessDenied
    if call.query.get("include_deleted") and call.principal.role_id not in ADMINS:
        raise AccessDenied
    queried = await querying.users(call)
    if queried is not None:
        return queried
    async with call.read() as tx:
        rows = await queries.list_profiles(tx, call.query, call.page, call.context.clock())
    return listed(call, rows.json, total=rows.total, next_cursor=rows.next_cursor)


@operation(
    summary="My own profile",
    permission="view:profile",
    answers={200: schemas.FULL_USER},
    invalid=INVALID,
    tag="Users",
    tenant=False,
)
async def show_me(call: Call) -> Answer:
    me = call.principal
    document = await queries.my_profile(call.context.database, me.org_id, me.user_id, call.context.clock())
    if document is None:
        raise InvalidToken
    return shown(document)


@operation(
    summary="One person",
    permission="manage:user",
    answers={200: schemas.FULL_USER},
    refuses=(NotFound,),
    invalid=INVALID,
    resource="User",
    tag="Users",
    tenant=False,
)
async def show_user(call: Call) -> Answer:
    await work_for_owner(call, NotFound("User"))
    async with call.read() as tx:
        document = await queries.profile(tx, call.path["id"], call.context.clock())
    if document is None:
        raise NotFound("User")
    return shown(document)


@operation(
    summary="Change my profile",
    permission="update:profile",
    body=schemas.CHANGE_PROFILE,
    answers={200: schemas.FULL_USER},
    refuses=(VersionMismatch,),
    invalid=INVALID,
    tag="Users",
    tenant=False,
)
async def change_me(call: Call) -> Answer:
    call.org_id = call.principal.org_id

    async def effect(tx: Connection) -> Answer:
        present = await own_caller(tx, call.principal)
        call.check_version(present.version)
        await check_department(tx, call.body.get("department"), INVALID)
        await commands.change_profile(tx, present, _profile(call, present))
        return await _profile_answer(call, tx, present.id)

    return await call.write(effect)


def _profile(call: Call, present: Person) -> Profile:
    """What is optional stays when the body does not name it."""
    optional = {name: call.body.get(name, getattr(present, name)) for name in OPTIONAL}
    return Profile(call.body["first_name"], call.body["last_name"], call.body["display_name"], **optional)


@operation(
    summary="Give a person another role",
    description="Their tokens end: the new role holds from the next sign-in on. Only a super admin makes super admins;"
    " a role outlives the credential that gives it: this takes a session.",
    permission="manage:user",
    body=schemas.CHANGE_ROLE,
    answers={200: schemas.FULL_USER},
    refuses=(InvalidData, Conflict, VersionMismatch, Unavailable),
    invalid=INVALID,
    tag="Users",
    tenant=False,
)
async def change_role(call: Call) -> Answer:
    check_in_person(call.principal)
    wanted = Role(call.body["role_id"])
    check_grant(Role(call.principal.role_id), wanted)

    async def effect(tx: Connection, ending: Ending) -> Answer:
        person = await _locked(call, tx, UnknownPerson())
        changed = await commands.change_role(tx, person, wanted, call.context.clock(), ending)
        async with working_for(tx, changed.org_id):
            return await _profile_answer(call, tx, changed.id)

    await work_for_owner(call, UnknownPerson())
    return await write_and_tell(call, effect)


@operation(
    summary="Remove a person: they leave, what they gave stays",
    permission="manage:user",
    answers={200: schemas.FULL_USER},
    refuses=(NotFound, Conflict, VersionMismatch, Unavailable),
    invalid=INVALID,
    resource="User",
    tag="Users",
    tenant=False,
)
async def delete_user(call: Call) -> Answer:
    async def effect(tx: Connection, ending: Ending) -> Answer:
        person = await _locked(call, tx, NotFound("User"))
        await commands.delete_person(tx, call.principal, person, call.context.clock(), ending)
        return await _profile_answer(call, tx, person.id)

    await work_for_owner(call, NotFound("User"))
    return await write_and_tell(call, effect)


@operation(
    summary="Bring a removed person back",
    permission="manage:user",
    answers={200: schemas.FULL_USER},
    refuses=(InvalidData,),
    invalid=INVALID,
    tag="Users",
    tenant=False,
)
async def restore_user(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        person = await _locked(call, tx, UnknownPerson())
        await commands.restore_person(tx, person)
        return await _profile_answer(call, tx, person.id)

    await work_for_owner(call, UnknownPerson())
    return await call.write(effect)


async def _locked(call: Call, tx: Connection, unknown: InvalidData | NotFound) -> Person:
    person = await lock_person(tx, call.principal, call.org_id, call.path["id"])
    if person is None:
        raise unknown
    call.check_version(person.version)
    return person


async def _profile_answer(call: Call, tx: Connection, user_id: int) -> Answer:
    document = await queries.profile(tx, user_id, call.context.clock())
    if document is None:
        raise LookupError("a person that was just changed is not there")
    return shown(document)
