"""API keys: an organisation's programs, each with a part of the rights of the person who made its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.auth.commands.clients import end_clients, end_what_was
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import Maker, end_for, maker_of
from services.auth.domain.credentials import check_scopes
from services.auth.store import api_keys as rows
from services.auth.store.api_keys import Issue, client_id_of_key
from services.auth.store.organisations import lock_organisation
from services.auth.tokens import Narrowing, Signer
from shared import history
from shared.database import Connection
from shared.errors import Conflict, InvalidData
from shared.identity import Principal
from shared.identity.claims import API_KEY

INVALID = "Invalid API key data"
MOST_KEYS = 200
PREFIX_CHARACTERS = 28
"""What a prefix shows of the claims: the first half of the random `jti`, which tells keys apart and opens nothing."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What an API key is to be."""

    name: str
    scopes: frozenset[str]
    expires_at: datetime
    origins: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Making:
    """Who makes or rotates a key, when, and what signs it."""

    signer: Signer
    principal: Principal
    now: datetime


@dataclass(frozen=True, slots=True)
class _Terms:
    """Of which key a token is, what it may do, until when."""

    key_id: int
    scopes: frozenset[str]
    expires_at: datetime
    origins: Sequence[str] | None


class UnknownKey(InvalidData):
    """No such key as far as the caller may know."""

    def __init__(self) -> None:
        super().__init__(INVALID, fields={"id": "No such API key."})


async def make_key(tx: Connection, making: Making, new: NewKey) -> tuple[int, str]:
    """Its id and the key, which is kept nowhere. Raises `AccessDenied`, `Conflict`, `InvalidData`, `InvalidToken`."""
    check_scopes(new.scopes, making.principal.permissions)
    if new.origins is not None and making.principal.is_super_admin:
        raise InvalidData(INVALID, fields={"origins": "Only an organisation has publishable keys."})
    await lock_organisation(tx, making.principal.org_id)
    maker = await maker_of(tx, making.principal)
    if await rows.count_keys(tx) >= MOST_KEYS:
        raise Conflict(f"An organisation has {MOST_KEYS} API keys at most; delete one first")
    key_id = await rows.add_key(tx, new.name, new.scopes, new.origins, making.now)
    return key_id, await _issue(tx, making, maker, _Terms(key_id, new.scopes, new.expires_at, new.origins))


async def rotate_key(tx: Connection, making: Making, key_id: int, grace: timedelta, ending: Ending) -> str:
    """Another token for as long as the last one was to live; it speaks for who rotates, who alone knows it.

    The last one is refused after the time of grace. Without one the key is taken for compromised: all tokens before and
    what was made with the key end. Raises `UnknownKey`, `AccessDenied`, `InvalidToken`.
    """
    maker = await maker_of(tx, making.principal)
    key = await rows.lock_key(tx, key_id)
    if key is None:
        raise UnknownKey
    check_scopes(key.scopes, making.principal.permissions)
    life = int(key.expires_at.timestamp()) - int(key.issued_at.timestamp())
    expires_at = end_for(making.principal, None, making.now, INVALID, life)
    refused_from = making.now + grace
    await rows.end_holding(tx, key, refused_from, making.now)
    if grace:
        await ending.of_credential(tx, key.jti, int(key.expires_at.timestamp()), int(refused_from.timestamp()))
    else:
        await end_what_was(tx, key.id, making.now, ending)
    await history.record(tx, "api-keys", key.id, "rotated")
    return await _issue(tx, making, maker, _Terms(key.id, key.scopes, expires_at, key.origins))


async def _issue(tx: Connection, making: Making, maker: Maker, terms: _Terms) -> str:
    narrowing = Narrowing(API_KEY, terms.scopes, client_id_of_key(terms.key_id), terms.origins)
    signed = await making.signer.sign_narrowed(tx, maker.owner, narrowing, terms.expires_at)
    issue = Issue(
        jti=signed.jti,
        key_id=terms.key_id,
        user_id=maker.person.id,
        prefix=signed.token[: signed.token.index(".") + 1 + PREFIX_CHARACTERS],
        made_with=making.principal.client_id,
        issued_at=making.now,
        expires_at=terms.expires_at,
        kid=signed.kid,
    )
    await rows.add_issue(tx, issue)
    return signed.token


async def delete_key(tx: Connection, key_id: int, now: datetime, ending: Ending) -> None:
    """Refuses it from now on, and who signed in with it."""
    await end_clients(tx, [client_id_of_key(key_id)], now, ending)
