"""Rows of teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from services.auth.domain.names import fold
from shared.contracts.teams import TeamChanged, TeamState
from shared.database import Connection

_INSERT = """
INSERT INTO teams (name, folded_name, member_ids, lead_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, folded_name) DO NOTHING
RETURNING *
"""
_UPDATE = """
UPDATE teams SET name = $2, folded_name = $3, member_ids = $4, lead_id = $5, version = version + 1
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_WITHOUT = """
UPDATE teams SET
    member_ids = array_remove(member_ids, $1), lead_id = nullif(lead_id, $1), version = version + 1
WHERE org_id = tenant() AND id IN (
    SELECT id FROM teams WHERE org_id = tenant() AND ($1 = ANY (member_ids) OR lead_id = $1) ORDER BY id FOR UPDATE
)
RETURNING *
"""
_PRESENT = """
SELECT id FROM users WHERE org_id = tenant() AND id = ANY ($1::bigint[]) AND soft_delete_at IS NULL
ORDER BY id FOR SHARE
"""


@dataclass(frozen=True, slots=True)
class Roster:
    """What a team is to be."""

    name: str
    member_ids: tuple[int, ...]
    lead_id: int | None


@dataclass(frozen=True, slots=True)
class Team:
    id: int
    roster: Roster
    version: int

    def snapshot(self, state: TeamState = "kept", *, version: int | None = None) -> TeamChanged:
        """The event that tells of it."""
        return TeamChanged(
            team_id=self.id,
            name=self.roster.name,
            member_ids=self.roster.member_ids,
            lead_id=self.roster.lead_id,
            state=state,
            version=version or self.version,
        )


async def lock_present_people(tx: Connection, user_ids: Sequence[int]) -> set[int]:
    """Those of the organisation who have not left; until the transaction's end nobody removes them."""
    return {row["id"] for row in await tx.fetch(_PRESENT, list(user_ids))}


async def lock_team(tx: Connection, team_id: int) -> Team | None:
    """The team, until the transaction's end changed by nobody else."""
    row = await tx.fetchrow("SELECT * FROM teams WHERE org_id = tenant() AND id = $1 FOR UPDATE", team_id)
    return None if row is None else _team(row)


async def add_team(tx: Connection, roster: Roster) -> Team | None:
    """None when the name is taken."""
    row = await tx.fetchrow(_INSERT, roster.name, fold(roster.name), list(roster.member_ids), roster.lead_id)
    return None if row is None else _team(row)


async def change_team(tx: Connection, team_id: int, roster: Roster) -> Team | None:
    """None when the name is taken; the transaction cannot go on then."""
    try:
        row = await tx.fetchrow(
            _UPDATE, team_id, roster.name, fold(roster.name), list(roster.member_ids), roster.lead_id
        )
    except asyncpg.UniqueViolationError:
        return None
    if row is None:
        raise LookupError("a team that is locked is not there")
    return _team(row)


async def delete_team(tx: Connection, team_id: int) -> None:
    await tx.execute("DELETE FROM teams WHERE org_id = tenant() AND id = $1", team_id)


async def take_out(tx: Connection, user_id: int) -> list[Team]:
    """Takes a person out of all teams; returns those that changed."""
    return [_team(row) for row in await tx.fetch(_WITHOUT, user_id)]


def _team(row: asyncpg.Record) -> Team:
    return Team(row["id"], Roster(row["name"], tuple(row["member_ids"]), row["lead_id"]), row["version"])
