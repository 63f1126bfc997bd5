"""What insights read: standings, totals, and how far a campaign is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

import asyncpg

from services.recognition.domain.recognitions import UnknownOrganisation
from services.recognition.insights import statements
from services.recognition.insights.givers import DISTINCT_GIVERS
from services.recognition.insights.spans import Window, tile
from shared.database import Connection
from shared.http import Raw

ALL_VALUES = (0,)
MOST_CORE_VALUES = 20
LEADERBOARDS = {**statements.LEADERBOARDS, "distinct_givers": DISTINCT_GIVERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What counts: given in this time, of these core values, to people in these teams; None: to anybody."""

    window: Window
    values: Sequence[int] = ALL_VALUES
    teams: Sequence[int] | None = None

    @property
    def parameters(self) -> tuple[Any, ...]:
        """$1 to $8 of the statements."""
        tiling = tile(self.window)
        spans, firsts, lasts = [list(column) for column in zip(*tiling.parts, strict=True)] or ([], [], [])
        sinces, untils = [list(column) for column in zip(*tiling.edges, strict=True)] or ([], [])
        return spans, firsts, lasts, *tiling.whole_days, sinces, untils, list(self.values)


class Campaign(NamedTuple):
    """A drive with a goal; no core values and no teams stand for all."""

    name: str
    starts_at: datetime
    ends_at: datetime
    goal_metric: str
    goal_target: int
    core_value_ids: Sequence[int]
    team_ids: Sequence[int]

    @property
    def scope(self) -> Scope:
        return Scope(
            window=Window(self.starts_at, self.ends_at),
            values=self.core_value_ids or ALL_VALUES,
            teams=self.team_ids or None,
        )


async def timezone(tx: Connection) -> str:
    """The organisation's. Raises `UnknownOrganisation` while its event has not arrived."""
    name = await tx.fetchval(statements.TIMEZONE)
    if name is None:
        raise UnknownOrganisation
    return str(name)


async def campaign(tx: Connection, campaign_id: int) -> Campaign | None:
    row = await tx.fetchrow(statements.CAMPAIGN, campaign_id)
    return None if row is None else Campaign(**dict(row))


async def leaderboard(tx: Connection, metric: str, scope: Scope, team_id: int | None, most: int) -> Raw:
    """Who has most, with ranks that ties share; of a team's members, if one is named."""
    listed = most, team_id, scope.teams
    statement = LEADERBOARDS[metric]
    if metric == "recognitions_given" and scope.teams is not None:
        statement = statements.GIVEN_TO_TEAMS
    return Raw(await tx.fetchval(statement, *scope.parameters, *listed))


async def reached(tx: Connection, scope: Scope) -> dict[str, int]:
    """Recognitions and hi5s, and how many people received and gave."""
    return dict(cast(asyncpg.Record, await tx.fetchrow(statements.REACHED, *scope.parameters, scope.teams)))


async def by_core_value(tx: Connection, scope: Scope) -> list[dict[str, Any]]:
    """The core values that people are thanked for most."""
    return [
        {
            "core_value": {"id": row["id"], "text": row["text"]},
            "recognitions": row["recognitions"],
            "hi5s": row["hi5s"],
        }
        for row in await tx.fetch(statements.BY_CORE_VALUE, *scope.parameters, MOST_CORE_VALUES)
    ]
