"""Ends personal tokens and API keys, with everything that was made with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from services.auth.commands.endings import Ending
from services.auth.store import api_keys as keys
from services.auth.store import personal_tokens as tokens
from services.auth.store.api_keys import IssueToEnd, client_id_of_key
from services.auth.store.clients import forget_uses
from services.auth.store.sessions import remove_session_of, remove_sessions_made_with
from shared.database import Connection
from shared.identity import Principal
from shared.identity.claims import API_KEY, PERSONAL_TOKEN


async def end_clients(tx: Connection, client_ids: Iterable[str], now: datetime, ending: Ending) -> None:
    """Refuses all that these clients hold, and all that was made with it: a stolen credential leaves no offspring."""
    waiting = deque(client_ids)
    ended: list[str] = []
    while waiting:
        client_id = waiting.popleft()
        if client_id in ended:
            continue
        ended.append(client_id)
        await ending.of_client(tx, client_id, now)
        await _remove(tx, client_id)
        waiting.extend(await _offspring(tx, client_id, ending))
    await forget_uses(tx, ended)


async def end_what_was(tx: Connection, key_id: int, now: datetime, ending: Ending) -> None:
    """Refuses the tokens of a key that were replaced, grace or not, and all that was made with the key, which stays."""
    await _end_issues(tx, await keys.former_issues(tx, key_id), ending)
    await end_clients(tx, await _offspring(tx, client_id_of_key(key_id), ending), now, ending)


async def _offspring(tx: Connection, client_id: str, ending: Ending) -> list[str]:
    made = await tokens.remove_tokens_made_with(tx, client_id)
    return [*made, *await _end_issues(tx, await keys.issues_made_with(tx, client_id), ending)]


async def end_keys_of(tx: Connection, user_id: int, now: datetime, ending: Ending) -> None:
    """Ends the API keys that speak for somebody who leaves or takes another role: a key names its owner's role."""
    await end_clients(tx, await _end_issues(tx, await keys.issues_of(tx, user_id), ending), now, ending)


async def end_signed_out(tx: Connection, principal: Principal, now: datetime, ending: Ending) -> None:
    """What signed itself out is listed no more."""
    await remove_session_of(tx, principal.jti)
    if principal.client_id is None:
        return
    if principal.kind == PERSONAL_TOKEN or (principal.kind == API_KEY and await keys.is_holding(tx, principal.jti)):
        await end_clients(tx, [principal.client_id], now, ending)


async def _end_issues(tx: Connection, issues: Iterable[IssueToEnd], ending: Ending) -> list[str]:
    """Ends tokens that were replaced already; returns the clients whose present token is among them."""
    clients = []
    for issue in issues:
        if issue.is_holding:
            clients.append(client_id_of_key(issue.key_id))
        else:
            await keys.remove_former_issue(tx, issue.jti)
            await ending.of_credential(tx, issue.jti, int(issue.expires_at.timestamp()))
    return clients


async def _remove(tx: Connection, client_id: str) -> None:
    kind, _, number = client_id.partition(":")
    if kind == "token":
        await tokens.remove_token(tx, int(number))
    elif kind == "key":
        await keys.remove_key(tx, int(number))
        await remove_sessions_made_with(tx, client_id)
