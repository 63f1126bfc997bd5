"""Invariants as queries: what must hold in one organisation, counted now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import marshmallow as ma

from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Invariant:
    """Holds when every column of the query's one row, each a count of violations, is 0."""

    id: str
    name: str
    query: str


class InvariantSchema(ma.Schema):
    """One invariant as `prove` tells it."""

    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    holds = ma.fields.Boolean(required=True)
    query = ma.fields.String(required=True)
    result = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Integer(),
        required=True,
        metadata={"description": "What the query counted: violations, each of them 0 when the invariant holds."},
    )


INVARIANT = InvariantSchema()


async def prove(tx: Connection, invariants: Iterable[Invariant]) -> list[dict[str, Any]]:
    """Every invariant with its query and what it counted; of one snapshot when the transaction has one."""
    return [await _prove(tx, invariant) for invariant in invariants]


async def _prove(tx: Connection, invariant: Invariant) -> dict[str, Any]:
    row = await tx.fetchrow(invariant.query)
    result = dict(row) if row is not None else {}
    return {
        "id": invariant.id,
        "name": invariant.name,
        "holds": row is not None and not any(result.values()),
        "query": " ".join(invariant.query.split()),
        "result": result,
    }
