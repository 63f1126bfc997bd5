"""What is kept of every client, whatever its kind."""

from __future__ import annotations

from collections.abc import Sequence

from shared.database import Connection


async def forget_uses(tx: Connection, client_ids: Sequence[str]) -> None:
    """When they were last used is nobody's business any more."""
    await tx.execute(
        "DELETE FROM credential_uses WHERE org_id = tenant() AND client_id = ANY($1::text[])", list(client_ids)
    )
