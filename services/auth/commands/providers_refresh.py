"""Keeps the keys of all identity providers fresh: every few minutes, and soon when a token names an unknown one."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from services.auth.commands.providers import tell
from services.auth.domain.providers import ProviderFailure
from services.auth.providers import Providers
from services.auth.store import providers as rows
from shared.context import Context
from shared.contracts.providers import ProviderKeysRequested
from shared.database import DATABASE_IS_AWAY, Connection
from shared.telemetry import log
from shared.waiting import stopped_within

LOOK_SECONDS = 0.25
AT_ONCE = 8
EVERY = timedelta(minutes=5)
AFTER_FAILURE = timedelta(seconds=30)
PAUSE = timedelta(seconds=10)
"""Between two looks at one provider, whatever the tokens say."""


async def look_again(tx: Connection, asked: ProviderKeysRequested) -> None:
    """Somebody has a token whose key is not known."""
    await rows.ask_soon(tx, asked.provider_id, PAUSE)


async def keep_fresh(context: Context, stop: asyncio.Event) -> None:
    """Asks the providers whose time has come, until `stop`; each is asked by one process."""
    while not await stopped_within(stop, LOOK_SECONDS):
        try:
            await _ask_due(context)
        except DATABASE_IS_AWAY:
            continue
        except Exception as error:
            log("identity providers were not asked", level=logging.ERROR, error=error)


async def _ask_due(context: Context) -> None:
    now = context.clock()
    async with context.database.connection() as connection:
        due = await rows.claim_due(connection, now, now + EVERY, AT_ONCE)
    await asyncio.gather(*(_ask(context, org_id, provider_id) for org_id, provider_id in due))


async def _ask(context: Context, org_id: int, provider_id: int) -> None:
    """Takes a provider's keys; while it gives none, those that are known stay."""
    began = context.clock()
    async with context.database.transaction(org_id, read_only=True) as tx:
        before = await rows.find_provider(tx, provider_id)
    if before is None:
        return
    try:
        keys = await context.get(Providers).keys(before.issuer, before.jwks_uri)
    except ProviderFailure as failure:
        log("an identity provider gives no keys", level=logging.WARNING, provider=provider_id, reason=str(failure))
        async with context.database.transaction(org_id) as tx:
            await rows.keep_failure(tx, provider_id, str(failure), context.clock() + AFTER_FAILURE)
        return
    async with context.database.transaction(org_id) as tx:
        present = await rows.find_provider(tx, provider_id, locked=True)
        if present is not None and present.version == before.version:
            await tell(tx, await rows.keep_keys(tx, provider_id, keys, began))
    context.wake()
