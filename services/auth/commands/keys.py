"""The keys that sign: made at the first start, followed by new ones, withdrawn at once when they leaked."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.auth.keys import CannotOpen, KeyPair, Vault, make_key_pair
from services.auth.store import credentials as rows
from services.auth.store.retired_keys import add_retired_key
from services.auth.tokens import FORGET_AFTER
from shared import outbox
from shared.contracts.auth import SigningKeysChanged
from shared.database import Connection
from shared.identity.records import keep_keys

SPREADS_IN = timedelta(seconds=15)
"""Every service knows a new public key before it signs the first token."""


class UnknownKey(LookupError):
    """There is no such key."""


async def ensure_key(tx: Connection, vault: Vault, now: datetime) -> bool:
    """Makes a key when none can be used: at the first start, or after a change of the secret. Tells whether it did."""
    await tx.execute(rows.KEYS_LOCK)
    if any(_opens(vault, row["kid"], row["sealed"]) and row["not_after"] is None for row in await rows.key_pairs(tx)):
        return False
    await _begin_key(tx, vault, now, signs_from=now)
    return True


async def rotate_keys(tx: Connection, vault: Vault, now: datetime) -> KeyPair:
    """A new key signs in a moment; the ones before stay valid until the last token they signed has expired."""
    await tx.execute(rows.KEYS_LOCK)
    return await _begin_key(tx, vault, now, signs_from=now + SPREADS_IN)


async def retire_key(tx: Connection, vault: Vault, kid: str, now: datetime) -> None:
    """Refuses everything that a leaked key signed, from now on. Raises `UnknownKey`."""
    await tx.execute(rows.KEYS_LOCK)
    if not await rows.remove_key_pair(tx, kid):
        raise UnknownKey(kid)
    await add_retired_key(tx, kid, now, forgotten_before=now - FORGET_AFTER)
    if not any(row["signs_from"] <= now and row["not_after"] is None for row in await rows.key_pairs(tx)):
        await _begin_key(tx, vault, now, signs_from=now)
    else:
        await _publish(tx, now)


async def _begin_key(tx: Connection, vault: Vault, now: datetime, signs_from: datetime) -> KeyPair:
    pair = make_key_pair()
    await rows.add_key_pair(tx, pair, vault.seal(pair), signs_from)
    await rows.limit_key_pairs(tx, but=pair.kid, not_after=signs_from + FORGET_AFTER)
    await _publish(tx, now)
    return pair


async def _publish(tx: Connection, now: datetime) -> None:
    await rows.remove_expired_key_pairs(tx, now)
    changed = SigningKeysChanged(keys=await rows.public_keys(tx), version=await rows.next_key_version(tx))
    await keep_keys(tx, changed)
    await outbox.append(tx, changed)


def _opens(vault: Vault, kid: str, sealed: bytes) -> bool:
    try:
        vault.open(kid, sealed)
    except CannotOpen:
        return False
    return True
