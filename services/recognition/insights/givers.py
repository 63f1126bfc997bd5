"""How many gave to whom: one bit for each giver and span, so that spans are put together and nobody is counted twice.

What is not folded yet, or was given in the hours at the ends that are no whole day, concerns few pairs of people; these
are looked up.
"""
# ruff: noqa: S608 - statements consist of this file's constants

from __future__ import annotations

from services.recognition.insights.statements import CHANGES, GIVEN_AT_EDGES, IN_PART, PARTS, RANKED, RECEIVERS

_OF_PAIR = "given_for = one.given_for AND given_by = one.given_by"
_ON_THE_DAY = f"""(
    SELECT coalesce(sum(recognitions), 0) FROM insight_pairs
    WHERE span = 'day' AND core_value_id = ANY ($8) AND starts = one.day AND {_OF_PAIR}
)"""
_SUMMED = f"""(
    SELECT coalesce(sum(known.recognitions), 0)
    FROM {PARTS} CROSS JOIN LATERAL (
        SELECT span, core_value_id, starts FROM insight_totals WHERE core_value_id = ANY ($8) AND {IN_PART} OFFSET 0
    ) AS total CROSS JOIN LATERAL (
        SELECT recognitions FROM insight_pairs
        WHERE span = total.span AND core_value_id = total.core_value_id AND starts = total.starts AND {_OF_PAIR}
        OFFSET 0
    ) AS known
)"""
DISTINCT_GIVERS = f"""
WITH summed AS MATERIALIZED (
    SELECT user_id, block, bit_or(givers) AS givers
    FROM {PARTS} CROSS JOIN LATERAL (
        SELECT user_id, block, givers FROM insight_givers WHERE core_value_id = ANY ($8) AND {IN_PART} OFFSET 0
    ) AS known
    GROUP BY user_id, block
), changed AS (
    SELECT given_for, given_by, day, sum(recognitions) AS change FROM {CHANGES} AND given_by IS NOT NULL
    GROUP BY given_for, given_by, day
), looked_up AS (
    SELECT given_for, given_by, sum(change) AS change, bool_or(gave) AS gave
    FROM (
        SELECT given_for, given_by, change, change + {_ON_THE_DAY} > 0 AS gave FROM changed AS one
        UNION ALL
        SELECT given_for, given_by, 0, true FROM {GIVEN_AT_EDGES}
    ) AS seen
    GROUP BY given_for, given_by
), shares AS (
    SELECT user_id, bit_count(givers) AS givers FROM summed
    UNION ALL
    SELECT
        one.given_for,
        (one.gave OR one.change + {_SUMMED} > 0)::integer
        - coalesce(get_bit(summed.givers, (one.given_by % 1024)::integer), 0)
    FROM looked_up AS one LEFT JOIN summed ON summed.user_id = one.given_for AND summed.block = one.given_by / 1024
), score AS (
    SELECT user_id, sum(givers)::bigint AS value FROM shares WHERE {RECEIVERS} GROUP BY user_id
)
{RANKED}
"""
"""Takes $1 to $11, as every leaderboard."""
