"""Rows of campaigns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.recognition.domain.texts import text_key
from shared.database import Connection

_ADD = """
INSERT INTO campaigns (name, name_key, starts_at, ends_at, goal_metric, goal_target, core_value_ids, team_ids)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING *
"""
_UPDATE = """
UPDATE campaigns SET
    name = $2, name_key = $3, starts_at = $4, ends_at = $5, goal_metric = $6, goal_target = $7,
    core_value_ids = $8, team_ids = $9, version = version + 1
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_DOCUMENT = """
SELECT version, campaign_document(campaigns)::text AS document FROM campaigns WHERE org_id = tenant() AND id = $1
"""
_HOLD = """
SELECT id FROM core_values WHERE org_id = tenant() AND id = ANY ($1::bigint[]) ORDER BY id FOR KEY SHARE
"""


@dataclass(frozen=True, slots=True)
class Drive:
    """What a campaign is to be."""

    name: str
    starts_at: datetime
    ends_at: datetime
    goal_metric: str
    goal_target: int
    core_value_ids: tuple[int, ...]
    team_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Campaign:
    id: int
    drive: Drive
    version: int


async def hold_core_values(tx: Connection, ids: Collection[int]) -> set[int]:
    """Those of these core values that there are; nobody deletes them until the transaction ends."""
    return {row["id"] for row in await tx.fetch(_HOLD, list(ids))}


async def add_campaign(tx: Connection, drive: Drive) -> Campaign:
    row = await tx.fetchrow(_ADD, *_columns(drive))
    if row is None:
        raise LookupError("a campaign that was just added is not there")
    return _campaign(row)


async def lock_campaign(tx: Connection, campaign_id: int) -> Campaign | None:
    """The campaign, until the transaction's end changed by nobody else."""
    query = "SELECT * FROM campaigns WHERE org_id = tenant() AND id = $1 FOR UPDATE"
    row = await tx.fetchrow(query, campaign_id)
    return None if row is None else _campaign(row)


async def change_campaign(tx: Connection, campaign_id: int, drive: Drive) -> Campaign:
    row = await tx.fetchrow(_UPDATE, campaign_id, *_columns(drive))
    if row is None:
        raise LookupError("a campaign that is locked is not there")
    return _campaign(row)


async def delete_campaign(tx: Connection, campaign_id: int) -> None:
    await tx.execute("DELETE FROM campaigns WHERE org_id = tenant() AND id = $1", campaign_id)


async def campaign_document(tx: Connection, campaign_id: int) -> tuple[str, int] | None:
    """Its JSON as clients see it, and its version."""
    row = await tx.fetchrow(_DOCUMENT, campaign_id)
    return None if row is None else (row["document"], row["version"])


def _columns(drive: Drive) -> tuple[object, ...]:
    return (
        drive.name,
        text_key(drive.name),
        drive.starts_at,
        drive.ends_at,
        drive.goal_metric,
        drive.goal_target,
        list(drive.core_value_ids),
        list(drive.team_ids),
    )


def _campaign(row: asyncpg.Record) -> Campaign:
    drive = Drive(
        row["name"],
        row["starts_at"],
        row["ends_at"],
        row["goal_metric"],
        row["goal_target"],
        tuple(row["core_value_ids"]),
        tuple(row["team_ids"]),
    )
    return Campaign(row["id"], drive, row["version"])
