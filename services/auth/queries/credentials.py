"""Personal tokens and API keys as their owners see them, and a caller as they see themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from services.auth.queries.people import Document
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection
from shared.http import Page, Raw
from shared.identity import Principal

_TOKENS = Source("personal_tokens", "id, personal_token_document(personal_tokens)::text AS document")
_TOKEN = (
    "SELECT personal_token_document(personal_tokens)::text FROM personal_tokens WHERE org_id = tenant() AND id = $1"
)
_KEYS = Source("api_keys", "id, api_key_document(api_keys)::text AS document")
_KEY = "SELECT version, api_key_document(api_keys)::text AS document FROM api_keys WHERE org_id = tenant() AND id = $1"
_CALLER = """
SELECT id, first_name, last_name, email, display_name, role_id,
    (SELECT name FROM organisations WHERE organisations.id = users.org_id) AS organisation
FROM users WHERE org_id = tenant() AND id = $1 AND soft_delete_at IS NULL
"""
# A change of role, password or state ends all of a person's tokens: an older generation is none any more.
OF_GENERATION = "generation >= (SELECT users.generation FROM users WHERE users.org_id = tenant() AND users.id = {})"
NOT_LEAKED = "(kid IS NULL OR kid NOT IN (SELECT retired_keys.kid FROM retired_keys))"


async def list_tokens(tx: Connection, user_id: int, page: Page, now: datetime) -> Rows:
    """The personal tokens of a person that are accepted now, by id."""
    selection = Selection(["org_id = tenant()", NOT_LEAKED])
    selection.only("user_id = {}", user_id)
    selection.only("expires_at > {}", now)
    selection.only(OF_GENERATION, user_id)
    return await page_of(tx, _TOKENS, selection, page)


async def token_document(tx: Connection, token_id: int) -> dict[str, Any]:
    """A personal token that is certainly there."""
    document: dict[str, Any] = orjson.loads(await tx.fetchval(_TOKEN, token_id))
    return document


async def list_keys(tx: Connection, page: Page) -> Rows:
    """The organisation's API keys, by id."""
    return await page_of(tx, _KEYS, Selection(["org_id = tenant()"]), page)


async def api_key(tx: Connection, key_id: int) -> Document | None:
    row = await tx.fetchrow(_KEY, key_id)
    return None if row is None else Document(Raw(row["document"]), row["version"])


async def caller(tx: Connection, principal: Principal) -> dict[str, Any] | None:
    """The person of a credential and what it may do; nobody once they left."""
    row = await tx.fetchrow(_CALLER, principal.user_id)
    if row is None:
        return None
    user = dict(row)
    name = user.pop("organisation")
    return {
        "kind": principal.kind,
        "user": user,
        "organisation": None if principal.is_super_admin else {"id": principal.org_id, "name": name},
        "scopes": sorted(principal.permissions),
        "expires_at": principal.expires_at,
        "client_id": principal.client_id,
    }
