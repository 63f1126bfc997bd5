"""The first start: a key that signs, and somebody who may do everything else."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime

from services.auth.commands import keys
from services.auth.commands.people import Enrolment, enrol_people
from services.auth.domain.names import is_email
from services.auth.domain.passwords import weakness
from services.auth.domain.profiles import profile_of_names
from services.auth.hashing import Hasher, common_passwords
from services.auth.keys import Vault
from services.auth.store import credentials
from services.auth.store.people import find_person_by_email
from shared import history
from shared.clock import Clock
from shared.context import Context
from shared.database import Connection, Database
from shared.identity import Role
from shared.identity.principal import SYSTEM_ORGANISATION
from shared.telemetry import log

DEFAULT_EMAIL = "admin@peerly.test"
_ADMIN_IS_THERE = """
SELECT true FROM users WHERE org_id = tenant() AND role_id = 1 AND soft_delete_at IS NULL LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Admin:
    """How the first super admin signs in; shown once."""

    email: str
    password: str

    def __str__(self) -> str:
        return f"Super admin, shown this once: {self.email} / {self.password}"


class CannotMakeAdmin(ValueError):
    """PEERLY_ADMIN_EMAIL is not an e-mail address, or somebody of an organisation has it."""


async def ensure_key(database: Database, vault: Vault, clock: Clock) -> None:
    """The installation has a key that signs."""
    async with database.transaction(SYSTEM_ORGANISATION) as tx:
        if await keys.ensure_key(tx, vault, clock()):
            log("signing key made")


async def ensure_admin(context: Context, hasher: Hasher, email: str, password: str | None) -> None:
    """The super admin of the environment can sign in; who has changed their password since keeps theirs.

    Raises `CannotMakeAdmin`.
    """
    _check_email(email)
    if password is None:
        log("no PEERLY_ADMIN_PASSWORD: `python -m services.auth admin` makes and shows one", level=logging.WARNING)
        return
    if weakness(password, common_passwords()):
        log("PEERLY_ADMIN_PASSWORD is weak; change it with PUT /users/me/password", level=logging.WARNING)
    async with context.database.transaction(SYSTEM_ORGANISATION) as tx:
        if await _enter(tx, hasher, Admin(email, password), context.clock()):
            log("admin made")
    context.wake()


async def make_admin(database: Database, hasher: Hasher, clock: Clock, email: str) -> Admin | None:
    """A super admin with a password of its own making, when there is none yet. Raises `CannotMakeAdmin`."""
    _check_email(email)
    admin = Admin(email, secrets.token_urlsafe(18))
    async with database.transaction(SYSTEM_ORGANISATION) as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('first admin', 0))")
        if await tx.fetchval(_ADMIN_IS_THERE) or not await _enter(tx, hasher, admin, clock()):
            return None
    return admin


def _check_email(email: str) -> None:
    if not is_email(email):
        raise CannotMakeAdmin(f"PEERLY_ADMIN_EMAIL is not an e-mail address: {email}")


async def _enter(tx: Connection, hasher: Hasher, admin: Admin, now: datetime) -> bool:
    """Makes the person or gives them a first password; false when they have one."""
    known = await find_person_by_email(tx, admin.email)
    if known is not None and await credentials.password_hash(tx, known.id) is not None:
        return False
    async with hasher.place():
        hashed = await hasher.hash(admin.password)
    if known is not None:
        await credentials.set_password_hash(tx, known.id, hashed, now)
        await history.record(tx, "users", known.id, "password_set")
        return True
    profile = profile_of_names("Peerly", "Admin")
    if not await enrol_people(tx, [Enrolment(admin.email, profile, Role.SUPER_ADMIN, hashed)], now):
        known = await find_person_by_email(tx, admin.email)
        if known is None:
            raise CannotMakeAdmin("PEERLY_ADMIN_EMAIL belongs to somebody of an organisation; name another address")
        return False
    return True
