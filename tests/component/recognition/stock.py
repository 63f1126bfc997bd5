"""Recognitions of two organisations, and a plain model of what a query finds among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.component.recognition.world import (
    ADMIN,
    ANNA,
    FOREIGN_ADMIN,
    Api,
    World,
)
from tests.support.api import ACME, GLOBEX, Caller, Reply

START = 1_700_000_000
MAKE = """
INSERT INTO recognitions (org_id, given_by, given_for, core_value_id, text, given_at, hidden, deleted_at)
SELECT
    $1, 11 + number % 3, 14 + number % 2, ($2::bigint[])[1 + number % 2], 'Thanks ' || number,
    to_timestamp($3 + number / 3 * 10 + 0.25), number % 10 = 9, CASE WHEN number % 10 = 8 THEN now() END
FROM generate_series(0, 39) AS number
"""
ROWS = """
SELECT id, given_by, given_for, core_value_id, extract(epoch FROM given_at)::float8 AS given_at
FROM recognitions WHERE NOT hidden AND deleted_at IS NULL
"""
NUMBERS = "SELECT id, split_part(text, ' ', 2)::bigint AS number FROM recognitions"
SORTS = (None, ["-given_at"], ["given_at"], ["-given_at", "id"], ["given_at", "-id"])
OPERATORS: Mapping[str, Any] = {
    "eq": lambda one, value: one == value,
    "ne": lambda one, value: one != value,
    "in": lambda one, value: one in value,
    "lt": lambda one, value: one < value,
    "le": lambda one, value: one <= value,
    "gt": lambda one, value: one > value,
    "ge": lambda one, value: one >= value,
    "prefix": lambda one, value: one.lower().startswith(value.lower()),
}


@dataclass(frozen=True, slots=True)
class Stock:
    """What the caller may see, as the model knows it."""

    api: Api
    rows: Sequence[Mapping[str, Any]]
    values: Sequence[int]

    def expected(self, filters: Mapping[str, Any], sort: Sequence[str]) -> list[int]:
        found = [dict(row) for row in self.rows if all(fits(row, name, given) for name, given in filters.items())]
        keys = list(sort) if sort[-1].lstrip("-") == "id" else [*sort, "-id" if sort[-1][0] == "-" else "id"]
        for key in reversed(keys):
            found.sort(key=lambda row: row[key.lstrip("-")], reverse=key[0] == "-")
        return [row["id"] for row in found]


def fits(row: Mapping[str, Any], name: str, given: Any) -> bool:
    shown = int(row[name]) if name == "given_at" else row[name]
    by_operator = given if isinstance(given, dict) else {"eq": given}
    return all(OPERATORS[operator](shown, value) for operator, value in by_operator.items())


async def ask(api: Api, body: Mapping[str, Any], caller: Caller = ANNA, kind: str = "recognitions") -> Reply:
    return await api.ask(caller, "POST", f"/{kind}/query", body)


async def ids(api: Api, body: Mapping[str, Any], caller: Caller = ANNA, kind: str = "recognitions") -> list[int]:
    return [row["id"] for row in (await ask(api, {"limit": 100, **body}, caller, kind)).data]


def as_parameters(body: Mapping[str, Any]) -> str:
    """The same query as a query string."""
    sent: list[tuple[str, str]] = []
    for name, given in body.get("filter", {}).items():
        if not isinstance(given, dict):
            sent.append((f"filter[{name}]", str(given)))
            continue
        for operator, value in given.items():
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            sent.append((f"filter[{name}][{operator}]", text))
    sent.extend((name, ",".join(body[name])) for name in ("sort", "fields") if body.get(name))
    sent.extend((name, str(body[name])) for name in ("limit", "cursor", "offset", "page", "page_size") if name in body)
    return urlencode(sent)


def together(stock: Stock) -> list[dict[str, Any]]:
    some = sorted(row["id"] for row in stock.rows)
    between = {"given_at": {"ge": START + 20, "lt": START + 90}}
    return [
        between,
        {"given_by": 11, "given_for": {"in": [14, 15]}, "core_value_id": stock.values[1]},
        {"given_by": {"in": [11, 12]}, **between},
        {"given_for": 14, "id": {"gt": some[4], "le": some[20]}},
        {"given_by": 13, "id": {"in": some[:20]}, **between},
        {"core_value_id": {"in": stock.values}, **between},
        {"id": {"in": some[:9], "ne": some[1], "lt": some[7]}, "given_for": 15, **between},
        {"given_by": 13, "given_for": 14, "id": {"ne": some[1]}},
        {"given_by": {"eq": 11, "in": [12, 13]}},
    ]


async def stocked(api: Api, world: World) -> Stock:
    for caller, org_id in ((ADMIN, ACME), (FOREIGN_ADMIN, GLOBEX)):
        values = [await api.new_value(text, caller) for text in ("Courage", "Care")]
        await world.rows(MAKE, org_id, values, START, org_id=org_id)
    ours = await world.rows(ROWS, org_id=ACME)
    return Stock(api, [dict(row) for row in ours], sorted({row["core_value_id"] for row in ours}))
