"""Personal tokens: a person passes some of their own rights on to a program of theirs."""

from __future__ import annotations

from datetime import datetime

from services.auth.commands.clients import end_clients
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import maker_of
from services.auth.domain.credentials import check_scopes
from services.auth.store import personal_tokens as rows
from services.auth.store.personal_tokens import NewToken, client_id_of_token
from services.auth.tokens import Narrowing, Signer
from shared.database import Connection
from shared.errors import Conflict, NotFound
from shared.identity import Principal
from shared.identity.claims import PERSONAL_TOKEN

MOST_TOKENS = 100


async def make_token(
    tx: Connection, signer: Signer, principal: Principal, new: NewToken, now: datetime
) -> tuple[int, str]:
    """Its id and the token, which is kept nowhere. Raises `AccessDenied`, `Conflict`, `InvalidToken`."""
    check_scopes(new.scopes, principal.permissions)
    maker = await maker_of(tx, principal)
    await rows.remove_stale_tokens(tx, maker.person, now)
    if await rows.count_tokens(tx, maker.person.id) >= MOST_TOKENS:
        raise Conflict(f"A person has {MOST_TOKENS} personal tokens at most; delete one first")
    token_id = await rows.add_token(tx, maker.person, new, now)
    narrowing = Narrowing(PERSONAL_TOKEN, new.scopes, client_id_of_token(token_id))
    signed = await signer.sign_narrowed(tx, maker.owner, narrowing, new.expires_at)
    await rows.note_signing_key(tx, token_id, signed.kid)
    return token_id, signed.token


async def delete_token(tx: Connection, user_id: int, token_id: int, now: datetime, ending: Ending) -> None:
    """Refuses it from now on. Raises `NotFound` for any but one's own."""
    if not await rows.remove_own_token(tx, user_id, token_id):
        raise NotFound("Personal token")
    await end_clients(tx, [client_id_of_token(token_id)], now, ending)
