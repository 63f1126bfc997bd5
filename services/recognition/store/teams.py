"""Teams as auth tells of them."""

from __future__ import annotations

from collections.abc import Collection

from shared.contracts.teams import TeamChanged
from shared.database import Connection

_KEEP = """
INSERT INTO teams AS known (team_id, name, lead_id, removed, version) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, team_id) DO UPDATE SET
    name = excluded.name, lead_id = excluded.lead_id, removed = excluded.removed, version = excluded.version
WHERE known.version < excluded.version
RETURNING true
"""
_LEAVE = "DELETE FROM team_members WHERE org_id = tenant() AND team_id = $1 AND NOT user_id = ANY ($2::bigint[])"
_ENTER = """
INSERT INTO team_members (team_id, user_id) SELECT $1, person FROM unnest($2::bigint[]) AS person
ON CONFLICT DO NOTHING
"""
_PRESENT = "SELECT team_id FROM teams WHERE org_id = tenant() AND team_id = ANY ($1::bigint[]) AND NOT removed"


async def keep_team(tx: Connection, told: TeamChanged) -> None:
    """Takes the newer snapshot of a team."""
    removed = told.state == "removed"
    if await tx.fetchval(_KEEP, told.team_id, told.name, told.lead_id, removed, told.version):
        member_ids = [] if removed else list(told.member_ids)
        await tx.execute(_LEAVE, told.team_id, member_ids)
        await tx.execute(_ENTER, told.team_id, member_ids)


async def present_teams(tx: Connection, team_ids: Collection[int]) -> set[int]:
    """Those of these teams that are known here and not removed."""
    return {row["team_id"] for row in await tx.fetch(_PRESENT, list(team_ids))}
