"""A person ends one of their sign-ins."""

from __future__ import annotations

from services.auth.commands.endings import Ending
from services.auth.store import oauth_grants
from services.auth.store import sessions as rows
from shared.database import Connection
from shared.errors import NotFound


async def end_session(tx: Connection, user_id: int, session_id: int, ending: Ending) -> None:
    """Refuses its token, or its cookie, from now on. Raises `NotFound` for any but one's own."""
    begun = await rows.remove_own_session(tx, user_id, session_id)
    if begun is None:
        raise NotFound("Session")
    if begun.jti is not None:
        await ending.of_credential(tx, begun.jti, int(begun.expires_at.timestamp()))
    if begun.token_hash is not None:
        await oauth_grants.remove_sign_in(tx, begun.token_hash)
