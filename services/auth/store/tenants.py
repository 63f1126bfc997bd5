"""Which organisation a transaction works for, and whose rows a name or id leads to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.database import Connection
from shared.identity.principal import SYSTEM_ORGANISATION


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account a look-up found; the ids of nobody where it found none."""

    org_id: int
    user_id: int


NOBODY = Account(SYSTEM_ORGANISATION, 0)


@asynccontextmanager
async def working_for(tx: Connection, org_id: int) -> AsyncIterator[None]:
    """Within, the transaction works for this organisation, afterwards for the one before; an error ends it."""
    before = await tx.fetchval("SELECT current_setting('app.org_id', true)")
    await _work_for(tx, str(org_id))
    yield
    await _work_for(tx, before or "")


async def _work_for(tx: Connection, org_id: str) -> None:
    await tx.execute("SELECT set_config('app.org_id', $1, true)", org_id)


async def organisation_of_domain(connection: Connection, domain: str) -> int | None:
    """The active organisation that owns a domain."""
    org_id: int | None = await connection.fetchval("SELECT organisation_of_domain($1)", domain)
    return org_id


async def organisation_of_user(connection: Connection, user_id: int) -> int | None:
    org_id: int | None = await connection.fetchval("SELECT organisation_of_user($1)", user_id)
    return org_id


async def account_of_email(connection: Connection, folded_email: str) -> Account:
    row = await connection.fetchrow("SELECT org_id, user_id FROM account_of_email($1)", folded_email)
    return _account(row["org_id"], row["user_id"]) if row else NOBODY


async def owner_of_password_reset(connection: Connection, token_hash: bytes) -> Account:
    row = await connection.fetchrow("SELECT org_id, user_id FROM owner_of_password_reset($1)", token_hash)
    return _account(row["org_id"], row["user_id"]) if row else NOBODY


def _account(org_id: int | None, user_id: int | None) -> Account:
    return NOBODY if org_id is None or user_id is None else Account(org_id, user_id)
