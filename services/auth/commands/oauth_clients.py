"""Applications are registered, changed, given new secrets, removed; and prove who they are."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.auth.commands.endings import Ending
from services.auth.commands.issuing import check_in_person
from services.auth.domain.oauth import MAKES_CREDENTIALS, InvalidClient
from services.auth.store import oauth_clients as rows
from services.auth.store.clients import forget_uses
from services.auth.store.oauth_clients import Client, Registration, Secret, secret_hash
from services.auth.store.organisations import find_organisation
from shared import history
from shared.database import Connection, Database
from shared.errors import AccessDenied, Conflict, InvalidData
from shared.identity import Principal

INVALID = "Invalid application data"


@dataclass(frozen=True, slots=True)
class Registered:
    """A new application, and the secret that is told once; public ones have none."""

    id: int
    secret: str | None


def check_scopes(maker: Principal, scopes: Iterable[str]) -> None:
    """Raises `InvalidData` for what no application may have, `AccessDenied` for what the maker lacks."""
    making = sorted(MAKES_CREDENTIALS & set(scopes))
    if making:
        wrong = f"Not for applications, since they make credentials: {', '.join(making)}."
        raise InvalidData(INVALID, fields={"scopes": wrong})
    if not all(maker.may(scope) for scope in scopes):
        raise AccessDenied


async def register_client(
    tx: Connection, maker: Principal, wanted: Registration, *, confidential: bool, now: datetime
) -> Registered:
    """A new application. Raises `InvalidData`, `AccessDenied`."""
    check_in_person(maker)
    check_scopes(maker, wanted.scopes)
    if not confidential and not wanted.redirect_uris:
        missing = {"redirect_uris": "A public application needs one: it gets tokens in no other way."}
        raise InvalidData(INVALID, fields=missing)
    secret = secrets.token_urlsafe(32) if confidential else None
    kept = Secret(None if secret is None else secret_hash(secret), maker.user_id)
    client_id = f"app-{secrets.token_urlsafe(15)}"
    return Registered(await rows.add_client(tx, client_id, wanted, kept, now), secret)


async def change_client(tx: Connection, maker: Principal, client: Client, wanted: Registration) -> None:
    """Other names, addresses or scopes; anything but fewer scopes as by whoever could register it.

    People allow an application by its name and get back to its addresses: who chooses these can use all its scopes.
    Raises `InvalidData`, `AccessDenied`.
    """
    is_same = (wanted.name, tuple(wanted.redirect_uris)) == (client.name, client.redirect_uris)
    if not is_same or not client.scopes.issuperset(wanted.scopes):
        check_in_person(maker)
        check_scopes(maker, client.scopes.union(wanted.scopes))
    if not client.is_confidential and not wanted.redirect_uris:
        raise InvalidData(INVALID, fields={"redirect_uris": "A public application needs one."})
    await rows.change_client(tx, client.id, wanted)


async def rotate_secret(tx: Connection, maker: Principal, client: Client) -> str:
    """A new secret; the one before proves nothing from now on. Raises `AccessDenied`, `Conflict`."""
    check_in_person(maker)
    check_scopes(maker, client.scopes)
    if not client.is_confidential:
        raise Conflict("A public application has no secret")
    secret = secrets.token_urlsafe(32)
    await rows.change_secret(tx, client.id, Secret(secret_hash(secret), maker.user_id))
    await history.record(tx, "oauth/clients", client.id, "rotated")
    return secret


async def remove_client(tx: Connection, client: Client, now: datetime, ending: Ending) -> None:
    """It is known no more, and everything that was given to it ends."""
    await rows.remove_client(tx, client.id)
    await ending.of_client(tx, client.client_id, now)
    await forget_uses(tx, [client.client_id])


async def known_client(database: Database, client_id: str | None) -> Client | None:
    """The application by this id, of an organisation that is active."""
    if client_id is None:
        return None
    async with database.connection() as connection:
        org_id = await rows.organisation_of_client(connection, client_id)
    if org_id is None:
        return None
    async with database.transaction(org_id, read_only=True) as tx:
        client = await rows.find_client(tx, client_id)
        organisation = await find_organisation(tx, org_id)
    return client if organisation is not None and organisation.is_active else None


async def proven_client(database: Database, client_id: str | None, secret: str | None) -> Client:
    """The application that this id and secret, or for a public one this id, prove. Raises `InvalidClient`."""
    client = await known_client(database, client_id)
    if client is None:
        raise InvalidClient
    if client.secret_hash is None:
        if secret is not None:
            raise InvalidClient
    elif secret is None or not hmac.compare_digest(secret_hash(secret), client.secret_hash):
        raise InvalidClient
    return client
