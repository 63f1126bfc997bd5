"""Recognitions by their words: found by an index, ranked, and shown with what was found marked."""

from __future__ import annotations

import html
from typing import Any

import orjson

from shared.database import Connection

MOST_RANKED = 500
DEEPEST = 2_000
"""Of words that more recognitions have than are ranked, the newest are ranked, found among so many of the newest."""

_OPEN, _CLOSE = "\x02", "\x03"
"""What stands around a found word until the rest has been made safe; texts have lost theirs by then."""

_FOUND = "SELECT recognitions_saying($1::text, $2::bigint)"
_NEWEST = """
SELECT coalesce(array_agg(id), '{}') FROM (
    SELECT id FROM (
        SELECT id, given_at, text FROM recognitions
        WHERE NOT hidden AND deleted_at IS NULL ORDER BY given_at DESC, id DESC LIMIT $2
    ) AS newest
    WHERE to_tsvector('pg_catalog.simple', text) @@ plainto_tsquery('pg_catalog.simple', $1)
    ORDER BY given_at DESC, id DESC LIMIT $3
) AS found
"""
_RANKED = """
WITH found AS MATERIALIZED (
    SELECT id, given_at, translate(text, E'\\x02\\x03', '') AS text FROM recognitions
    WHERE id = ANY ($2::bigint[]) AND NOT hidden AND deleted_at IS NULL
), ranked AS (
    SELECT id, text, given_at,
        ts_rank_cd(to_tsvector('pg_catalog.simple', text), plainto_tsquery('pg_catalog.simple', $1), 1) AS rank
    FROM found
    ORDER BY rank DESC, given_at DESC, id DESC LIMIT $3
)
SELECT
    (SELECT whole.document FROM recognition_documents AS whole WHERE whole.id = ranked.id)::text AS document,
    rank,
    ts_headline(
        'pg_catalog.simple', text, plainto_tsquery('pg_catalog.simple', $1),
        E'StartSel=\\x02, StopSel=\\x03, MaxFragments=2, MinWords=8, MaxWords=24, FragmentDelimiter=" … "'
    ) AS fragment
FROM ranked
ORDER BY rank DESC, given_at DESC, id DESC
"""


async def search(tx: Connection, words: str, most: int) -> list[dict[str, Any]]:
    """Visible recognitions in which all the words are, the best first."""
    ids = await tx.fetchval(_FOUND, words, MOST_RANKED + 1)
    if len(ids) > MOST_RANKED:
        ids = await tx.fetchval(_NEWEST, words, DEEPEST, MOST_RANKED)
    rows = await tx.fetch(_RANKED, words, ids, most)
    return [
        {
            "recognition": orjson.loads(row["document"]),
            "rank": round(float(row["rank"]), 6),
            "highlight": marked(row["fragment"]),
        }
        for row in rows
    ]


def marked(fragment: str) -> str:
    """HTML in which nothing but `<mark>` is markup."""
    return html.escape(fragment).replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>")
