"""Read models made anew from the events that their publishers keep."""

from __future__ import annotations

from shared.database import Database

REBUILD_SECONDS = 600.0
TURN_SECONDS = 60
"""How long it waits for each lock of a consumer at work: an operator's command has more patience than a request."""

_FORGET = """
UPDATE inbox_positions SET
    positions = '{}', missing = CASE WHEN head > 0 THEN 1 END, missing_since = clock_timestamp() - interval '1 day',
    asked = 0, asked_at = NULL
"""

_CAUGHT_UP = """
SELECT NOT EXISTS (SELECT FROM inbox_positions WHERE missing IS NOT NULL) AND NOT EXISTS (SELECT FROM parked)
"""


async def rebuild(database: Database) -> None:
    """Empties the read models and the inbox in one transaction; the consumer then asks for everything.

    Each schema has a function `clear_read_models()` that knows which tables these are.

    The service's consumer and the publishers' relays do the rest, in whatever process they run; it is done when
    `caught_up` says so. Raises what the database raises.
    """
    async with database.transaction() as tx:
        await tx.execute(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{TURN_SECONDS}s'")
        await tx.execute("SELECT lock_inbox()", timeout=REBUILD_SECONDS)
        await tx.execute("SELECT clear_read_models()", timeout=REBUILD_SECONDS)
        await tx.execute("TRUNCATE inbox, parked", timeout=REBUILD_SECONDS)
        await tx.execute(_FORGET, timeout=REBUILD_SECONDS)


async def caught_up(database: Database) -> bool:
    """Whether every event up to the known heads has been handled."""
    return bool(await database.fetch_value(_CAUGHT_UP))
