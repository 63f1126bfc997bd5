"""Who wants to be listed in leaderboards."""

from __future__ import annotations

from shared.database import Connection

_KEEP = "UPDATE members SET unlisted = $2 WHERE user_id = $1 AND coalesce(unlisted, false) <> $2"


async def keep(tx: Connection, user_id: int, *, listed: bool) -> None:
    """What a person told auth."""
    await tx.execute(_KEEP, user_id, not listed)
