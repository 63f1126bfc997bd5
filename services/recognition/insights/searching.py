"""Recognitions by their words: found by an index, ranked, and shown with what was found marked."""
# ruff: noqa: S608 - statements consist of this file's constants

from __future__ import annotations

import html
from typing import Any

import orjson

from shared.database import Connection

MOST_RANKED = 500
DEEPEST = 2_000
"""Of words that more recognitions have than are ranked, those among so many of the newest come first."""
SAMPLE, MANY_OF_SAMPLE = 100, 20
"""As many of the newest ones tell that words are common: an index would only find that out by gathering all."""

_OPEN, _CLOSE = "\x02", "\x03"
"""What stands around a found word until the rest has been made safe; texts have lost theirs by then."""

_FOUND = "SELECT recognitions_saying($1::text, $2::bigint)"
_QUERY = "plainto_tsquery('pg_catalog.simple', composed($1))"
_HAS_WORDS = f"to_tsvector('pg_catalog.simple', composed(text)) @@ {_QUERY}"
_LOOKS_ALIKE = "normalize(text, NFC)"
_MARKABLE = f"""
CASE WHEN to_tsvector('pg_catalog.simple', {_LOOKS_ALIKE}) @@ {_QUERY} THEN {_LOOKS_ALIKE} ELSE composed(text) END
"""
"""The text in a form in which its words can be marked: one that looks the same, if there is one."""

_IN_ORDER = """
SELECT id, given_at, text FROM recognitions
WHERE NOT hidden AND deleted_at IS NULL ORDER BY given_at DESC, id DESC
"""
_NEWEST = f"""
SELECT ARRAY(
    SELECT id FROM ({_IN_ORDER} LIMIT $2) AS newest
    WHERE {_HAS_WORDS} ORDER BY given_at DESC, id DESC LIMIT $3
)
"""
_NEWEST_IF_COMMON = f"""
SELECT CASE WHEN (SELECT count(*) FROM ({_IN_ORDER} LIMIT $4) AS sample WHERE {_HAS_WORDS}) >= $5
THEN ({_NEWEST}) ELSE '{{}}' END
"""
_RANKED = f"""
WITH found AS MATERIALIZED (
    SELECT id, given_at, translate(text, E'\\x02\\x03', '') AS text FROM recognitions
    WHERE id = ANY ($2::bigint[]) AND NOT hidden AND deleted_at IS NULL
), ranked AS (
    SELECT id, text, given_at,
        ts_rank_cd(to_tsvector('pg_catalog.simple', composed(text)), {_QUERY}, 1) AS rank
    FROM found
    ORDER BY rank DESC, given_at DESC, id DESC LIMIT $3
)
SELECT
    (SELECT whole.document FROM recognition_documents AS whole WHERE whole.id = ranked.id)::text AS document,
    rank,
    ts_headline(
        'pg_catalog.simple', {_MARKABLE}, {_QUERY},
        E'StartSel=\\x02, StopSel=\\x03, MaxFragments=2, MinWords=8, MaxWords=24, FragmentDelimiter=" … "'
    ) AS fragment
FROM ranked
ORDER BY rank DESC, given_at DESC, id DESC
"""


async def search(tx: Connection, words: str, most: int) -> list[dict[str, Any]]:
    """Visible recognitions in which all the words are, the best first."""
    ids = await _to_rank(tx, words)
    rows = await tx.fetch(_RANKED, words, ids, most)
    return [
        {
            "recognition": orjson.loads(row["document"]),
            "rank": round(float(row["rank"]), 6),
            "highlight": marked(row["fragment"]),
        }
        for row in rows
    ]


async def _to_rank(tx: Connection, words: str) -> list[int]:
    """All that have the words; of more than are ranked, those among the newest, and others as far as there is room."""
    newest: list[int] = await tx.fetchval(_NEWEST_IF_COMMON, words, DEEPEST, MOST_RANKED, SAMPLE, MANY_OF_SAMPLE)
    if len(newest) == MOST_RANKED:
        return newest
    found: list[int] = await tx.fetchval(_FOUND, words, MOST_RANKED + 1)
    if len(found) <= MOST_RANKED:
        return found
    newest = await tx.fetchval(_NEWEST, words, DEEPEST, MOST_RANKED)
    return list(dict.fromkeys([*newest, *found]))[:MOST_RANKED]


def marked(fragment: str) -> str:
    """HTML in which nothing but `<mark>` is markup."""
    return html.escape(fragment).replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>")
