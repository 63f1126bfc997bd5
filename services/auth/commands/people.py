"""People join, change, leave and come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.auth.commands.clients import end_keys_of
from services.auth.commands.endings import Ending
from services.auth.commands.teams import leave_teams
from services.auth.domain.google import Identity
from services.auth.domain.people import Person
from services.auth.domain.profiles import Profile
from services.auth.domain.roles import admin_role_of, check_change, check_leaving
from services.auth.store import credentials
from services.auth.store import people as rows
from services.auth.store.tenants import working_for
from shared import history, outbox
from shared.contracts import auth as events
from shared.database import Connection
from shared.errors import Conflict, InvalidData, InvalidToken
from shared.identity import Principal, Role
from shared.identity.principal import SYSTEM_ORGANISATION


class UnknownPerson(InvalidData):
    """No such person as far as the caller may know."""

    def __init__(self) -> None:
        super().__init__("Invalid user data", fields={"id": "No such user."})


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Somebody who is entered by an admin or an import instead of signing in; the hash is of a local password."""

    email: str
    profile: Profile
    role: Role = Role.EMPLOYEE
    password_hash: str | None = None


async def join_with_google(tx: Connection, identity: Identity) -> Person:
    """The person behind a Google account, made at the first sign-in. Raises `InvalidToken` for who may not come in."""
    joined = await rows.add_person(tx, identity.email, identity.profile, Role.EMPLOYEE, identity.subject)
    if joined is not None:
        await outbox.append(tx, joined.snapshot(events.UserJoined))
        return joined
    return await recognise_with_google(tx, identity)


async def recognise_with_google(tx: Connection, identity: Identity) -> Person:
    """Somebody known here. Raises `InvalidToken` when they left, or another Google account uses their address."""
    person = await rows.find_person_by_email(tx, identity.email)
    if person is None or not person.is_present or person.google_subject not in (None, identity.subject):
        raise InvalidToken
    if person.google_subject is None:
        await rows.remember_google_subject(tx, person.id, identity.subject)
    return person


async def enrol_people(tx: Connection, enrolments: Sequence[Enrolment], now: datetime) -> list[Person]:
    """Enters many people at once; whose e-mail address is known already is left as they are."""
    if not enrolments:
        return []
    joined = await rows.add_people(tx, [(one.email, one.profile, one.role) for one in enrolments])
    hashes = {one.email: one.password_hash for one in enrolments}
    for person in joined:
        hashed = hashes[person.email]
        if hashed is not None:
            await credentials.set_password_hash(tx, person.id, hashed, now)
    await outbox.append(tx, *(person.snapshot(events.UserJoined) for person in joined))
    return joined


async def own_person(tx: Connection, user_id: int) -> Person:
    """The person that a token speaks for, until the transaction's end changed by nobody else. Raises `InvalidToken`."""
    person = await rows.find_person(tx, user_id, locked=True)
    if person is None or not person.is_present:
        raise InvalidToken
    return person


async def change_profile(tx: Connection, person: Person, profile: Profile) -> None:
    """A new profile; nothing happens when it is so already."""
    if _profile_of(person) != profile:
        changed = await rows.change_profile(tx, person.id, profile)
        await outbox.append(tx, changed.snapshot(events.UserChanged))


async def change_picture(tx: Connection, person: Person, url: str | None) -> None:
    """Another picture in the same profile."""
    await change_profile(tx, person, replace(_profile_of(person), profile_image_url=url))


def _profile_of(person: Person) -> Profile:
    names = person.first_name, person.last_name, person.display_name
    return Profile(*names, person.profile_image_url, person.phone, person.department, person.listed_in_leaderboards)


async def change_role(tx: Connection, person: Person, wanted: Role, now: datetime, ending: Ending) -> Person:
    """Another role, from the next sign-in on; a link that somebody has for them is void. Raises `Conflict`."""
    check_change(person.standing, wanted, await _other_admins(tx, person))
    if person.role is wanted:
        return person
    if await credentials.forget_password_resets(tx, person.id):
        await history.record(tx, "users", person.id, "link_voided")
    if wanted is Role.SUPER_ADMIN:
        return await _move_to_installation(tx, person, now, ending)
    changed = await rows.change_role(tx, person.id, wanted)
    await outbox.append(tx, changed.snapshot(events.UserChanged))
    await ending.of_person(tx, changed.id, changed.generation, now)
    await end_keys_of(tx, changed.id, now, ending)
    return changed


async def _move_to_installation(tx: Connection, person: Person, now: datetime, ending: Ending) -> Person:
    """A super admin belongs to no organisation: they leave theirs, and the password its admins may know."""
    if not person.is_present:
        raise Conflict("Restore the user first; a deleted user takes no new role")
    if await credentials.remove_password(tx, person.id):
        await history.record(tx, "users", person.id, "password_removed")
    left = await rows.mark_deleted(tx, person.id, person.id, now)
    await leave_teams(tx, person.id)
    await outbox.append(tx, left.snapshot(events.UserDeactivated))
    await ending.of_person(tx, left.id, left.generation, now)
    await end_keys_of(tx, left.id, now, ending)
    await rows.mark_restored(tx, person.id)
    await rows.move_to_installation(tx, person.id)
    async with working_for(tx, SYSTEM_ORGANISATION):
        moved = await own_person(tx, person.id)
        await outbox.append(tx, moved.snapshot(events.UserJoined))
    return moved


async def delete_person(tx: Connection, remover: Principal, person: Person, now: datetime, ending: Ending) -> None:
    """They leave, their tokens end; what they gave stays readable. Again changes nothing. Raises `Conflict`."""
    if not person.is_present:
        return
    if person.id == remover.user_id:
        raise Conflict("Nobody removes themselves; another admin can")
    check_leaving(person.standing, await _other_admins(tx, person))
    left = await rows.mark_deleted(tx, person.id, remover.user_id, now)
    await leave_teams(tx, person.id)
    await credentials.forget_password_resets(tx, person.id)
    await outbox.append(tx, left.snapshot(events.UserDeactivated))
    await ending.of_person(tx, left.id, left.generation, now)
    await end_keys_of(tx, left.id, now, ending)


async def restore_person(tx: Connection, person: Person) -> None:
    """They are back with the same id and role. Again changes nothing."""
    if person.is_present:
        return
    back = await rows.mark_restored(tx, person.id)
    await outbox.append(tx, back.snapshot(events.UserRestored))


async def _other_admins(tx: Connection, person: Person) -> int:
    return await rows.count_other_admins(tx, admin_role_of(person.role), person.id)
