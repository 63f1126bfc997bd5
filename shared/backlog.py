"""What is under way or stuck in a service: at rest all of it is zero."""

from __future__ import annotations

from dataclasses import dataclass

from shared.database import Database

_BACKLOG = """
SELECT
    (SELECT count(*) FROM outbox WHERE sent_at IS NULL) AS unsent,
    (SELECT count(*) FROM replays) AS replays,
    (SELECT count(*) FROM parked) AS parked,
    (SELECT count(*) FROM dead) AS dead,
    (SELECT coalesce(sum(head - (
        SELECT coalesce(sum(upper(part) - lower(part)), 0)
        FROM unnest(positions * int8multirange(int8range(1, head, '[]'))) AS part
    )), 0)::bigint FROM inbox_positions WHERE head > 0) AS missing
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Counts of events: to be published, to be published again, waiting, given up, known to exist but not here."""

    unsent: int
    replays: int
    parked: int
    dead: int
    missing: int

    @property
    def empty(self) -> bool:
        """Whether the service is at rest."""
        return self == Backlog(0, 0, 0, 0, 0)


async def backlog(database: Database) -> Backlog:
    """The present counts, in one snapshot. Raises what the database raises."""
    async with database.connection() as connection:
        row = await connection.fetchrow(_BACKLOG)
    return Backlog(**dict(row or {}))
