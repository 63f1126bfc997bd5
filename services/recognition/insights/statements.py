"""The SQL of insights: sums of whole spans, changes that no sum has yet, and the rows at the ends of the time.

Parameters that all have in common: $1 to $3 the parts (span, first, last), $4 and $5 the days that they cover, $6 and
$7 the edges, $8 the core values, `{0}` for all.
"""
# ruff: noqa: S608 - statements consist of this file's constants

from __future__ import annotations

PARTS = "unnest($1::text[], $2::date[], $3::date[]) AS part (kind, first, last)"
_EDGES = "unnest($6::timestamptz[], $7::timestamptz[]) AS edge (since, until)"
IN_PART = "span = part.kind AND starts >= part.first AND starts < part.last"
_OF_VALUES = "($8::bigint[] = '{0}' OR core_value_id = ANY ($8))"
CHANGES = f"insight_changes WHERE day >= $4::date AND day < $5::date AND {_OF_VALUES}"
# OFFSET 0 keeps each of these look-ups by itself, along its index: joined, they are guessed to find very many rows.
GIVEN_AT_EDGES = f"""
    {_EDGES} CROSS JOIN LATERAL (
        SELECT given_for, given_by, core_value_id FROM recognitions
        WHERE given_at >= edge.since AND given_at < edge.until AND NOT hidden AND deleted_at IS NULL AND {_OF_VALUES}
        OFFSET 0
    ) AS thanks
"""
_SPENT_AT_EDGES = f"""
    {_EDGES} CROSS JOIN LATERAL (
        SELECT recognition_id FROM hi5s
        WHERE given_at >= edge.since AND given_at < edge.until AND void_at IS NULL
        OFFSET 0
    ) AS hi5 CROSS JOIN LATERAL (
        SELECT given_for, core_value_id FROM recognitions
        WHERE id = hi5.recognition_id AND NOT hidden AND deleted_at IS NULL AND {_OF_VALUES}
        OFFSET 0
    ) AS thanks
"""

_PERSONS = f"""
SELECT user_id, sum(received)::bigint AS received, sum(hi5s)::bigint AS hi5s, sum(given)::bigint AS given
FROM (
    SELECT summed.* FROM {PARTS} CROSS JOIN LATERAL (
        SELECT user_id, received, hi5s, given FROM insight_persons
        WHERE core_value_id = ANY ($8) AND {IN_PART} OFFSET 0
    ) AS summed
    UNION ALL
    SELECT given_for, recognitions, hi5s, 0 FROM {CHANGES}
    UNION ALL
    SELECT given_by, 0, 0, recognitions FROM {CHANGES} AND given_by IS NOT NULL
    UNION ALL
    SELECT shares.* FROM {GIVEN_AT_EDGES}
    CROSS JOIN LATERAL (VALUES (given_for, 1, 0, 0), (given_by, 0, 0, 1)) AS shares
    UNION ALL
    SELECT given_for, 0, 1, 0 FROM {_SPENT_AT_EDGES}
) AS shares
GROUP BY user_id
"""

_PAIRS = f"""
SELECT given_for, given_by, sum(recognitions)::bigint AS recognitions
FROM (
    SELECT summed.* FROM {PARTS} CROSS JOIN LATERAL (
        SELECT given_for, given_by, recognitions FROM insight_pairs
        WHERE core_value_id = ANY ($8) AND {IN_PART} OFFSET 0
    ) AS summed
    UNION ALL
    SELECT given_for, given_by, recognitions FROM {CHANGES} AND given_by IS NOT NULL
    UNION ALL
    SELECT given_for, given_by, 1 FROM {GIVEN_AT_EDGES}
) AS shares
GROUP BY given_for, given_by
"""

_TOTALS = f"""
SELECT core_value_id, sum(recognitions)::bigint AS recognitions, sum(hi5s)::bigint AS hi5s
FROM (
    SELECT summed.* FROM {PARTS} CROSS JOIN LATERAL (
        SELECT core_value_id, recognitions, hi5s FROM insight_totals
        WHERE core_value_id <> 0 AND {IN_PART} OFFSET 0
    ) AS summed
    UNION ALL
    SELECT core_value_id, recognitions, hi5s FROM {CHANGES}
    UNION ALL
    SELECT core_value_id, 1, 0 FROM {GIVEN_AT_EDGES}
    UNION ALL
    SELECT core_value_id, 0, 1 FROM {_SPENT_AT_EDGES}
) AS shares
GROUP BY core_value_id
"""

# $9: most; $10: the team whose members are listed, or null; $11: whose receivers count, by their teams, or null.
_IN_TEAMS = "IN (SELECT user_id FROM team_members WHERE team_id = ANY ($11))"
RECEIVERS = f"($11::bigint[] IS NULL OR user_id {_IN_TEAMS})"
RANKED = """
SELECT coalesce(
    json_agg(json_build_object('rank', place, 'user', card, 'value', value) ORDER BY place, user_id), '[]'
)::text
FROM (
    SELECT
        score.user_id, score.value, rank() OVER (ORDER BY score.value DESC) AS place,
        person_card(score.user_id, member) AS card
    FROM score
    JOIN members AS member ON member.user_id = score.user_id AND member.active AND member.version > 0
        AND member.unlisted IS NOT TRUE
    WHERE score.value > 0 AND (
        $10::bigint IS NULL OR score.user_id IN (SELECT user_id FROM team_members WHERE team_id = $10)
    )
    ORDER BY place, score.user_id LIMIT $9
) AS listed
"""
LEADERBOARDS = {
    "hi5_received": f"""
    WITH score AS (SELECT user_id, hi5s AS value FROM ({_PERSONS}) AS persons WHERE {RECEIVERS}) {RANKED}
    """,
    "recognitions_received": f"""
    WITH score AS (SELECT user_id, received AS value FROM ({_PERSONS}) AS persons WHERE {RECEIVERS}) {RANKED}
    """,
    "recognitions_given": f"""
    WITH score AS (SELECT user_id, given AS value FROM ({_PERSONS}) AS persons WHERE $11::bigint[] IS NULL) {RANKED}
    """,
}
GIVEN_TO_TEAMS = f"""
WITH score AS (
    SELECT given_by AS user_id, sum(recognitions)::bigint AS value FROM ({_PAIRS}) AS pairs
    WHERE given_for {_IN_TEAMS}
    GROUP BY given_by
) {RANKED}
"""
"""Recognitions given, of those whose receivers are in some teams."""

# $9: teams whose members' received things count, or null.
REACHED = f"""
SELECT
    coalesce(sum(received), 0)::bigint AS recognitions,
    coalesce(sum(hi5s), 0)::bigint AS hi5s,
    count(*) FILTER (WHERE received > 0) AS distinct_receivers,
    count(*) FILTER (WHERE given > 0) AS distinct_givers
FROM ({_PERSONS}) AS persons
WHERE $9::bigint[] IS NULL OR user_id IN (SELECT user_id FROM team_members WHERE team_id = ANY ($9))
"""
BY_CORE_VALUE = f"""
SELECT value.id, value.text, totals.recognitions, totals.hi5s
FROM ({_TOTALS}) AS totals JOIN core_values AS value ON value.id = totals.core_value_id
WHERE totals.recognitions > 0 OR totals.hi5s > 0
ORDER BY totals.recognitions DESC, totals.hi5s DESC, value.id
LIMIT $9
"""

TIMEZONE = "SELECT timezone FROM organisations"
CAMPAIGN = """
SELECT name, starts_at, ends_at, goal_metric, goal_target, core_value_ids, team_ids FROM campaigns WHERE id = $1
"""
