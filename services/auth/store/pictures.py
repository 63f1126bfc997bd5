"""The newest word about a person's uploaded picture."""

from __future__ import annotations

from typing import NamedTuple

from shared.database import Connection

_NOTE = """
INSERT INTO pictures AS known (user_id, version, url) VALUES ($1, $2, $3)
ON CONFLICT (org_id, user_id) DO UPDATE SET version = excluded.version, url = excluded.url
"""


class Word(NamedTuple):
    """Which file the profile was told to show."""

    version: int
    url: str | None


NOTHING = Word(0, None)


async def newest_word(tx: Connection, user_id: int) -> Word:
    """While the person is locked, nobody brings a newer one."""
    query = "SELECT version, url FROM pictures WHERE org_id = tenant() AND user_id = $1"
    row = await tx.fetchrow(query, user_id)
    return NOTHING if row is None else Word(**dict(row))


async def note_word(tx: Connection, user_id: int, word: Word) -> None:
    await tx.execute(_NOTE, user_id, *word)
