"""What auth shows of the other services' work: balances, received hi5s, and which credentials they were called with.

The newest version stands.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.auth.commands.pictures import forget_picture, show_picture
from services.auth.commands.providers_people import resolve_identity
from services.auth.commands.providers_refresh import look_again
from services.auth.store.sessions import note_session_uses
from shared.consumer import Received
from shared.contracts.credentials import CredentialsUsed
from shared.contracts.files import FileAttached, FileRemoved
from shared.contracts.providers import ExternalIdentitySeen, ProviderKeysRequested
from shared.contracts.quota import Hi5BalanceChanged
from shared.contracts.recognition import Hi5sReceivedChanged
from shared.database import Connection
from shared.identity.usage import SESSION_PREFIX, is_session

_BALANCE = """
INSERT INTO balances AS known (user_id, net, adjusted, resets_at, version)
VALUES ($1, $2, $3, to_timestamp($4), $5)
ON CONFLICT (org_id, user_id) DO UPDATE SET
    net = excluded.net, adjusted = excluded.adjusted, resets_at = excluded.resets_at, version = excluded.version
WHERE known.version < excluded.version
"""
_COUNT = """
INSERT INTO hi5_counts AS known (user_id, count, version) VALUES ($1, $2, $3)
ON CONFLICT (org_id, user_id) DO UPDATE SET count = excluded.count, version = excluded.version
WHERE known.version < excluded.version
"""


# A credential that is gone, or is going in this moment, leaves no row: nothing would ever remove it.
_USE = """
WITH present AS (
    SELECT 'token:' || id AS client_id FROM (
        SELECT id FROM personal_tokens WHERE org_id = tenant() AND id = ANY($4::bigint[]) FOR KEY SHARE SKIP LOCKED
    ) AS token
    UNION ALL SELECT 'key:' || id FROM (
        SELECT id FROM api_keys WHERE org_id = tenant() AND id = ANY($5::bigint[]) FOR KEY SHARE SKIP LOCKED
    ) AS key
    UNION ALL SELECT 'provider:' || id FROM (
        SELECT id FROM identity_providers WHERE org_id = tenant() AND id = ANY($6::bigint[]) FOR KEY SHARE SKIP LOCKED
    ) AS provider
    UNION ALL SELECT client_id FROM (
        SELECT client_id FROM oauth_clients
        WHERE org_id = tenant() AND client_id = ANY($1::text[]) FOR KEY SHARE SKIP LOCKED
    ) AS client
)
INSERT INTO credential_uses AS known (client_id, user_id, used_at)
SELECT client_id, user_id, to_timestamp(at)
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS use (client_id, user_id, at)
JOIN present USING (client_id)
ORDER BY client_id, user_id
ON CONFLICT (org_id, client_id, user_id) DO UPDATE SET used_at = excluded.used_at
WHERE known.used_at <= excluded.used_at - interval '60 seconds'
"""


async def credentials_used(tx: Connection, received: Received[CredentialsUsed]) -> None:
    latest: dict[tuple[str, int], int] = {}
    for use in received.event.uses:
        named = use.client_id, use.user_id
        latest[named] = max(use.at, latest.get(named, 0))
    names = [name for name, _ in latest]
    numbers = [_numbers(names, kind) for kind in ("token", "key", "provider")]
    await tx.execute(_USE, names, [user for _, user in latest], list(latest.values()), *numbers)
    sessions = {name.removeprefix(SESSION_PREFIX): at for (name, _), at in latest.items() if is_session(name)}
    if sessions:
        await note_session_uses(tx, list(sessions), list(sessions.values()))


def _numbers(client_ids: Iterable[str], kind: str) -> list[int]:
    named = (client_id.partition(":") for client_id in client_ids)
    return [int(number) for prefix, _, number in named if prefix == kind and number.isdecimal()]


async def external_identity_seen(tx: Connection, received: Received[ExternalIdentitySeen]) -> None:
    await resolve_identity(tx, received.event, received.org_id)


async def provider_keys_requested(tx: Connection, received: Received[ProviderKeysRequested]) -> None:
    await look_again(tx, received.event)


async def file_attached(tx: Connection, received: Received[FileAttached]) -> None:
    await show_picture(tx, received.event)


async def file_removed(tx: Connection, received: Received[FileRemoved]) -> None:
    await forget_picture(tx, received.event)


async def balance_changed(tx: Connection, received: Received[Hi5BalanceChanged]) -> None:
    balance = received.event
    await tx.execute(_BALANCE, balance.user_id, balance.net, balance.adjusted, balance.resets_at, balance.version)


async def hi5s_received_changed(tx: Connection, received: Received[Hi5sReceivedChanged]) -> None:
    counted = received.event
    await tx.execute(_COUNT, counted.user_id, counted.count, counted.version)
