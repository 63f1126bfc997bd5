"""How many gave to whom since a moment: each giver is counted on the last day on which they gave, so that days add up.

What is not folded yet, or was given in the hours before the first whole day, concerns few pairs of people; these are
looked up.
"""
# ruff: noqa: S608 - statements consist of this file's constants

from __future__ import annotations

from services.recognition.insights.statements import CHANGES, GIVEN_AT_EDGES, IN_PART, PARTS, RANKED, RECEIVERS

_NOTHING_LATER = """(
    $12::timestamptz IS NULL
    OR coalesce((SELECT max(given_at) FROM recognitions WHERE NOT hidden AND deleted_at IS NULL) < $12, true)
)"""
_OF_PAIR = "core_value_id = ANY ($8) AND given_for = one.given_for AND given_by = one.given_by"
_SUMMED = f"""(
    SELECT coalesce(sum(known.recognitions), 0)
    FROM {PARTS} CROSS JOIN LATERAL (
        SELECT span, starts FROM insight_totals WHERE core_value_id = ANY ($8) AND {IN_PART} OFFSET 0
    ) AS total CROSS JOIN LATERAL (
        SELECT recognitions FROM insight_pairs WHERE span = total.span AND starts = total.starts AND {_OF_PAIR} OFFSET 0
    ) AS known
)"""
GIVERS_SINCE = f"""
SELECT CASE WHEN {_NOTHING_LATER} THEN (
    WITH changed AS (
        SELECT given_for, given_by, day, sum(recognitions) AS change FROM {CHANGES} AND given_by IS NOT NULL
        GROUP BY given_for, given_by, day
    ), looked_up AS (
        SELECT given_for, given_by, sum(change) AS change, bool_or(gave) AS gave
        FROM (
            SELECT one.given_for, one.given_by, one.change, one.change + coalesce(known.recognitions, 0) > 0 AS gave
            FROM changed AS one LEFT JOIN LATERAL (
                SELECT recognitions FROM insight_pairs WHERE span = 'day' AND starts = one.day AND {_OF_PAIR} OFFSET 0
            ) AS known ON true
            UNION ALL
            SELECT given_for, given_by, 0, true FROM {GIVEN_AT_EDGES}
        ) AS seen
        GROUP BY given_for, given_by
    ), shares AS (
        SELECT summed.* FROM {PARTS} CROSS JOIN LATERAL (
            SELECT user_id, latest_givers FROM insight_persons
            WHERE core_value_id = ANY ($8) AND {IN_PART} AND latest_givers <> 0 OFFSET 0
        ) AS summed
        UNION ALL
        SELECT
            one.given_for,
            CASE WHEN one.gave THEN 1 WHEN latest.counted IS NOT TRUE THEN 0 ELSE (one.change + {_SUMMED} > 0)::int END
            - coalesce(latest.counted, false)::int
        FROM looked_up AS one LEFT JOIN LATERAL (
            SELECT day >= $4 AS counted FROM insight_latest WHERE {_OF_PAIR} OFFSET 0
        ) AS latest ON true
    ), score AS (
        SELECT user_id, sum(latest_givers)::bigint AS value FROM shares WHERE {RECEIVERS} GROUP BY user_id
    )
    {RANKED}
) END
"""
"""$1 to $11 as for `distinct_givers` of a time without an end, of one core value or all; null when there is something
that was given at $12 or later.
"""
