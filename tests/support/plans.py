"""What PostgreSQL does, asked by the service's role, for every filter, sort and pair of filters of a kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.database import Connection
from shared.errors import InvalidData
from shared.http import Page
from shared.query import Asked, Kind
from shared.query.schemas import sort_keys
from shared.query.searching import CONTAINS
from shared.query.statement import Statement, plan

ORGANISATION = 1
ROWS = 100_000
MOST_READ = 2_500
"""Rows that a page may read: those of several people or of a page, nowhere near an organisation's."""

BEYOND_CUSTOM_PLANS = 6
NOW = datetime(2026, 1, 1, tzinfo=UTC)
READ = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables WHERE relname = $1
"""

Samples = Mapping[str, Mapping[str, Any]]
Filters = tuple[Mapping[str, Mapping[str, Any]], ...]
Sort = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Question:
    """A query, by what it says."""

    filters: Filters
    sort: Sort
    cursor: str | None = None

    def statement(self, kind: Kind) -> Statement:
        return plan(kind, Asked(self.filters, self.sort, None, Page(20, 0, self.cursor, False)), NOW, "").page


def questions(kind: Kind, samples: Samples) -> Iterator[Question]:
    """Each filter with each sort, each sort alone, and each pair of filters: those that are not refused."""
    ones: list[Mapping[str, Mapping[str, Any]]] = [
        {name: {operator: samples[name][operator]}}
        for name, one in kind.filters.items()
        for operator in one.operators
        if operator != CONTAINS
    ]
    pairs = [pair for pair in itertools.combinations(ones, 2) if pair[0].keys() != pair[1].keys()]
    sorts: list[Sort] = [
        None,
        *((key,) for key in sort_keys(kind)),
        *((key, _other_way(key)) for key in sort_keys(kind)),
    ]
    every: list[tuple[Filters, Sort]] = [((), sort) for sort in sorts] + [
        ((one,), sort) for one in ones for sort in sorts
    ]
    every += [(pair, sort) for pair in pairs for sort in (None, ("-id",))]
    for filters, sort in every:
        question = Question(filters, sort)
        try:
            question.statement(kind)
        except InvalidData:
            continue
        yield question


def _other_way(key: str) -> str:
    return "id" if key.startswith("-") else "-id"


async def explained(tx: Connection, statement: Statement, table: str) -> int:
    """How many of the table's rows a plan that knows the values reads; `AssertionError` for a walk through all."""
    query = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement.text}"
    [root] = orjson.loads(await tx.fetchval(query, *statement.values))
    scans = [node for node in _nodes(root["Plan"]) if node.get("Relation Name") == table]
    assert scans
    for scan in scans:
        assert scan["Node Type"] != "Seq Scan", root
        assert "Index Cond" in scan or "Recheck Cond" in scan, root
    return sum(_read(scan) for scan in scans)


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _read(scan: Mapping[str, Any]) -> int:
    removed = scan.get("Rows Removed by Filter", 0) + scan.get("Rows Removed by Index Recheck", 0)
    return int((scan["Actual Rows"] + removed) * scan["Actual Loops"])


async def read_when_known(tx: Connection, statement: Statement, table: str) -> int:
    """How many rows it reads once PostgreSQL may have settled for a plan that knows no values."""
    for _ in range(BEYOND_CUSTOM_PLANS):
        await tx.fetch(statement.text, *statement.values)
    before = await tx.fetchval(READ, table)
    await tx.fetch(statement.text, *statement.values)
    return int(await tx.fetchval(READ, table) - before)


async def walks(tx: Connection, kind: Kind, asked: Sequence[Question]) -> list[str]:
    """The questions that read too much."""
    found = []
    for question in asked:
        statement = question.statement(kind)
        read = await explained(tx, statement, kind.table)
        settled = await read_when_known(tx, statement, kind.table)
        if max(read, settled) > MOST_READ:
            found.append(f"{question} reads {read}, then {settled}: {statement.text}")
    return found
