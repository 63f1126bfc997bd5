"""Rows of series, and of their occurrences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import asyncpg

from services.recognition.domain.recognitions import INVALID_SERIES
from services.recognition.domain.texts import text_key
from services.recognition.recurrence import Schedule
from shared.database import Connection
from shared.errors import InvalidData
from shared.periods import zone

_ADD = """
INSERT INTO recognition_series
    (name, name_key, text, core_value_id, given_for, team_id, recurrence, starts_at, ends_at, done_on, look_at,
    given_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
RETURNING *
"""
_UPDATE = """
UPDATE recognition_series SET
    name = $1, name_key = $2, text = $3, core_value_id = $4, given_for = $5, team_id = $6, recurrence = $7,
    starts_at = $8, ends_at = $9, done_on = $10, look_at = $11, version = version + 1
WHERE org_id = tenant() AND id = $12
RETURNING *
"""
_CLAIM = """
SELECT * FROM recognition_series WHERE org_id = tenant() AND id = $1 AND look_at <= $2 FOR UPDATE SKIP LOCKED
"""
_PLAN = "UPDATE recognition_series SET done_on = $2, look_at = $3 WHERE org_id = tenant() AND id = $1"
_REST = "UPDATE recognition_series SET look_at = $2 WHERE org_id = tenant() AND id = $1 AND look_at < $2"
_LOOK_AGAIN = """
UPDATE recognition_series SET look_at = clock_timestamp() WHERE org_id = tenant() AND look_at > clock_timestamp()
"""
_TEAM = """
SELECT removed, ARRAY(
    SELECT member.user_id FROM team_members AS member JOIN members AS person USING (org_id, user_id)
    WHERE member.org_id = tenant() AND member.team_id = $1 AND person.active
    ORDER BY member.user_id
) AS member_ids
FROM teams WHERE org_id = tenant() AND team_id = $1
"""


@dataclass(frozen=True, slots=True)
class Thanks:
    """What a series is to say, of what, to whom, and when: to one person or to each of a team."""

    name: str
    text: str
    core_value_id: int
    given_for: int | None
    team_id: int | None
    recurrence: str
    starts_at: datetime
    ends_at: datetime | None

    @property
    def schedule(self) -> Schedule:
        """What its occurrences follow from."""
        return Schedule(self.recurrence, self.starts_at, self.ends_at)


@dataclass(frozen=True, slots=True)
class Plan:
    """How far a series has come: the local day up to which all is done, and when to look at it again, if ever."""

    done_on: date
    look_at: datetime | None


@dataclass(frozen=True, slots=True)
class Series:
    id: int
    given_by: int
    thanks: Thanks
    plan: Plan
    version: int


class Organisation(NamedTuple):
    """What of an organisation matters to series."""

    zone: ZoneInfo
    active: bool
    cost: int


class Team(NamedTuple):
    """A team that is or was, with those of its people who have not left."""

    removed: bool
    member_ids: Sequence[int]


async def organisation(tx: Connection) -> Organisation | None:
    """None before its event has arrived."""
    row = await tx.fetchrow("SELECT timezone, status, recognition_hi5_cost FROM organisations")
    return None if row is None else Organisation(zone(row[0]), row[1] == "ACTIVE", row[2])


async def timezone(tx: Connection) -> str | None:
    """The name of the organisation's time zone, None before its event has arrived."""
    return cast("str | None", await tx.fetchval("SELECT timezone FROM organisations"))


async def count_series_of(tx: Connection, user_id: int) -> int:
    query = "SELECT count(*) FROM recognition_series WHERE org_id = tenant() AND given_by = $1"
    return cast(int, await tx.fetchval(query, user_id))


async def add_series(tx: Connection, given_by: int, thanks: Thanks, plan: Plan) -> Series:
    """Raises `InvalidData` when the core value went away in this moment."""
    return await _kept(tx, _ADD, thanks, plan, given_by)


async def change_series(tx: Connection, series_id: int, thanks: Thanks, plan: Plan) -> Series:
    """Raises `InvalidData` when the core value went away in this moment."""
    return await _kept(tx, _UPDATE, thanks, plan, series_id)


async def _kept(tx: Connection, statement: str, thanks: Thanks, plan: Plan, whose: int) -> Series:
    columns = (thanks.name, text_key(thanks.name), thanks.text, thanks.core_value_id, thanks.given_for, thanks.team_id)
    times = (thanks.recurrence, thanks.starts_at, thanks.ends_at, plan.done_on, plan.look_at)
    try:
        row = await tx.fetchrow(statement, *columns, *times, whose)
    except asyncpg.ForeignKeyViolationError:
        raise InvalidData(INVALID_SERIES, fields={"core_value_id": "No such core value."}) from None
    if row is None:
        raise LookupError("a series that was just kept is not there")
    return _series(row)


async def lock_series(tx: Connection, series_id: int) -> Series | None:
    """The series, until the transaction's end changed and continued by nobody else."""
    query = "SELECT * FROM recognition_series WHERE org_id = tenant() AND id = $1 FOR UPDATE"
    row = await tx.fetchrow(query, series_id)
    return None if row is None else _series(row)


async def delete_series(tx: Connection, series_id: int) -> None:
    await tx.execute("DELETE FROM recognition_series WHERE org_id = tenant() AND id = $1", series_id)


async def series_document(tx: Connection, series_id: int) -> tuple[str, int] | None:
    """Its JSON as clients see it, and its version."""
    query = (
        "SELECT version, series_document(recognition_series)::text AS document FROM recognition_series"
        " WHERE org_id = tenant() AND id = $1"
    )
    row = await tx.fetchrow(query, series_id)
    return None if row is None else (row["document"], row["version"])


async def team(tx: Connection, team_id: int) -> Team | None:
    """None for a team of which nothing has been heard."""
    row = await tx.fetchrow(_TEAM, team_id)
    return None if row is None else Team(*row)


async def are_active(tx: Connection, user_ids: Collection[int]) -> dict[int, bool]:
    """Of each of these people who are known here whether they are members now."""
    query = "SELECT user_id, active FROM members WHERE org_id = tenant() AND user_id = ANY ($1::bigint[])"
    return {row["user_id"]: row["active"] for row in await tx.fetch(query, list(user_ids))}


async def claim_series(tx: Connection, series_id: int, now: datetime) -> Series | None:
    """The series if there is something to do for it, and nobody else does it."""
    row = await tx.fetchrow(_CLAIM, series_id, now)
    return None if row is None else _series(row)


async def plan_series(tx: Connection, series_id: int, plan: Plan) -> None:
    await tx.execute(_PLAN, series_id, plan.done_on, plan.look_at)


async def rest_series(tx: Connection, series_id: int, until: datetime) -> None:
    """Nobody looks at it before that moment."""
    await tx.execute(_REST, series_id, until)


async def look_again(tx: Connection) -> None:
    """Whoever comes next finds out anew when the organisation's series are due."""
    await tx.execute(_LOOK_AGAIN)


def _series(row: asyncpg.Record) -> Series:
    thanks = Thanks(
        row["name"],
        row["text"],
        row["core_value_id"],
        row["given_for"],
        row["team_id"],
        row["recurrence"],
        row["starts_at"],
        row["ends_at"],
    )
    return Series(row["id"], row["given_by"], thanks, Plan(row["done_on"], row["look_at"]), row["version"])
