"""Rows of users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from asyncpg import Record

from services.auth.domain.names import fold_email
from services.auth.domain.people import Person
from services.auth.domain.profiles import Profile
from shared.database import Connection
from shared.identity import Role

_INSERT = """
INSERT INTO users (
    email, first_name, last_name, display_name, profile_image_url, phone, department, role_id, google_subject,
    folded_email, folded_first_name, folded_last_name, folded_display_name
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (folded_email COLLATE "POSIX") DO NOTHING
RETURNING *
"""
_PROFILE = """
UPDATE users SET
    first_name = $2, last_name = $3, display_name = $4, profile_image_url = $5, phone = $6, department = $7,
    folded_first_name = $8, folded_last_name = $9, folded_display_name = $10, unlisted = NOT $11::boolean,
    version = version + 1
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_ROLE = """
UPDATE users SET role_id = $2, generation = generation + 1, version = version + 1
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_DELETE = """
UPDATE users SET soft_delete_by = $2, soft_delete_at = $3, generation = generation + 1, version = version + 1
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_RESTORE = """
UPDATE users SET soft_delete_by = NULL, soft_delete_at = NULL, version = version + 1
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_RAISE = """
UPDATE users SET generation = generation + 1, version = version + 1
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_OTHER_ADMINS = """
SELECT count(*) FROM users WHERE org_id = tenant() AND role_id = $1 AND id <> $2 AND soft_delete_at IS NULL
"""


async def add_person(
    tx: Connection, email: str, profile: Profile, role: Role, google_subject: str | None = None
) -> Person | None:
    """A new person; nobody when the e-mail address is taken, in whichever organisation."""
    row = await tx.fetchrow(
        _INSERT,
        email,
        *_columns(profile),
        int(role),
        google_subject,
        fold_email(email),
        *profile.folded,
    )
    return None if row is None else _person(row)


async def find_person(tx: Connection, user_id: int, *, locked: bool = False) -> Person | None:
    query = "SELECT * FROM users WHERE org_id = tenant() AND id = $1"
    row = await tx.fetchrow(f"{query} FOR UPDATE" if locked else query, user_id)
    return None if row is None else _person(row)


async def hold_person(tx: Connection, user_id: int) -> Person | None:
    """Until the transaction's end they keep role, state and password; others may hold them, too."""
    row = await tx.fetchrow("SELECT * FROM users WHERE org_id = tenant() AND id = $1 FOR SHARE", user_id)
    return None if row is None else _person(row)


async def find_person_by_email(tx: Connection, email: str) -> Person | None:
    row = await tx.fetchrow("SELECT * FROM users WHERE org_id = tenant() AND folded_email = $1", fold_email(email))
    return None if row is None else _person(row)


async def change_profile(tx: Connection, user_id: int, profile: Profile) -> Person:
    listed = profile.listed_in_leaderboards
    return _person(await tx.fetchrow(_PROFILE, user_id, *_columns(profile), *profile.folded, listed))


async def change_role(tx: Connection, user_id: int, role: Role) -> Person:
    return _person(await tx.fetchrow(_ROLE, user_id, int(role)))


async def move_to_installation(tx: Connection, user_id: int) -> None:
    await tx.fetchval("SELECT move_to_installation($1)", user_id)


async def mark_deleted(tx: Connection, user_id: int, deleted_by: int, at: datetime) -> Person:
    return _person(await tx.fetchrow(_DELETE, user_id, deleted_by, at))


async def mark_restored(tx: Connection, user_id: int) -> Person:
    return _person(await tx.fetchrow(_RESTORE, user_id))


async def raise_generation(tx: Connection, user_id: int) -> Person:
    """Makes all tokens of a person old: they count from the generation that they now have."""
    return _person(await tx.fetchrow(_RAISE, user_id))


async def remember_google_subject(tx: Connection, user_id: int, subject: str) -> None:
    await tx.execute(
        "UPDATE users SET google_subject = $2 WHERE org_id = tenant() AND id = $1 AND google_subject IS NULL",
        user_id,
        subject,
    )


async def count_other_admins(tx: Connection, admin_role: Role, user_id: int) -> int:
    """Present people with this role besides one; exact under the organisation's lock."""
    count: int = await tx.fetchval(_OTHER_ADMINS, int(admin_role), user_id)
    return count


async def add_people(tx: Connection, people: Sequence[tuple[str, Profile, Role]]) -> list[Person]:
    """New people in one statement; whose e-mail address is taken is left out."""
    columns: list[list[Any]] = [
        [email, *_columns(profile), int(role), fold_email(email), *profile.folded] for email, profile, role in people
    ]
    rows = await tx.fetch(_INSERT_MANY, *map(list, zip(*columns, strict=True)))
    return [_person(row) for row in rows]


_INSERT_MANY = """
INSERT INTO users (
    email, first_name, last_name, display_name, profile_image_url, phone, department, role_id,
    folded_email, folded_first_name, folded_last_name, folded_display_name
)
SELECT fresh.* FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[],
    $9::text[], $10::text[], $11::text[], $12::text[]
) AS fresh
ON CONFLICT (folded_email COLLATE "POSIX") DO NOTHING
RETURNING *
"""


def _columns(profile: Profile) -> tuple[str | None, ...]:
    return (
        profile.first_name,
        profile.last_name,
        profile.display_name,
        profile.profile_image_url,
        profile.phone,
        profile.department,
    )


def _person(row: Record | None) -> Person:
    if row is None:
        raise LookupError("the statement found nobody")
    return Person(
        id=row["id"],
        org_id=row["org_id"],
        email=row["email"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        display_name=row["display_name"],
        profile_image_url=row["profile_image_url"],
        phone=row["phone"],
        department=row["department"],
        role=Role(row["role_id"]),
        google_subject=row["google_subject"],
        generation=row["generation"],
        version=row["version"],
        is_present=row["soft_delete_at"] is None,
        listed_in_leaderboards=not row["unlisted"],
    )
