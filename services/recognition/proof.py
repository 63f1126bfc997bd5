"""The invariants of allowances and hi5s as queries: each counts its violations, now, in one organisation."""

from __future__ import annotations

from shared.proof import Invariant

# I8 leaves out when credentials were last used: that is written at a stop, too, waits for the next start, and no book
# needs it.
INVARIANTS = (
    Invariant(
        "I1",
        "What is spent net of refunds is never negative and never more than what is granted",
        "SELECT count(*) AS overspent FROM allowances WHERE NOT (spent_total - refunded_total BETWEEN 0 AND granted)",
    ),
    Invariant(
        "I2",
        "No spend went beyond the limit and the adjustments that were in force at its moment",
        """
        WITH steps AS (
            SELECT allowance_id, seq, 1 AS change, target FROM spends
            UNION ALL SELECT allowance_id, seq, -1, NULL FROM refunds
        ), running AS (
            SELECT target, sum(change) OVER (PARTITION BY allowance_id ORDER BY seq) AS net FROM steps
        )
        SELECT
            (SELECT count(*) FROM running WHERE net > target) AS beyond_their_limit,
            (
                SELECT count(*) FROM spends AS spend
                JOIN policies AS policy ON policy.version = spend.policy_version AND policy.hi5_limit <> spend.target
                WHERE NOT EXISTS (SELECT FROM adjustment_sets AS adjusted WHERE adjusted.user_id = spend.user_id)
            ) AS of_another_limit
        """,
    ),
    Invariant(
        "I3",
        "The totals of allowances, recognitions and people equal the rows of spends, refunds and hi5s",
        """
        WITH spent AS (SELECT allowance_id, count(*) AS total FROM spends GROUP BY allowance_id),
        refunded AS (SELECT allowance_id, count(*) AS total FROM refunds GROUP BY allowance_id),
        counted AS (SELECT recognition_id, count(*) AS total FROM hi5s WHERE void_at IS NULL GROUP BY recognition_id),
        received AS (
            SELECT given_for, sum(hi5_count) AS total FROM recognitions WHERE NOT hidden AND deleted_at IS NULL
            GROUP BY given_for
        )
        SELECT
            (
                SELECT count(*) FROM allowances AS held
                LEFT JOIN spent ON spent.allowance_id = held.id
                LEFT JOIN refunded ON refunded.allowance_id = held.id
                WHERE (held.spent_total, held.refunded_total) <> (coalesce(spent.total, 0), coalesce(refunded.total, 0))
            ) AS allowances,
            (
                SELECT count(*) FROM hi5s AS hi5
                LEFT JOIN spends AS spend ON spend.hi5_id = hi5.id
                LEFT JOIN refunds AS refund ON refund.spend_id = spend.id
                WHERE spend.id IS NULL OR (hi5.void_at IS NULL) <> (refund.spend_id IS NULL)
            ) AS hi5s,
            (
                SELECT count(*) FROM recognitions AS thanks LEFT JOIN counted ON counted.recognition_id = thanks.id
                WHERE thanks.hi5_count <> coalesce(counted.total, 0)
            ) AS recognitions,
            (
                SELECT count(*) FROM received FULL JOIN received_counts AS told ON told.user_id = received.given_for
                WHERE coalesce(received.total, 0) <> coalesce(told.count, 0)
            ) AS people
        """,
    ),
    Invariant(
        "I4",
        "One hi5 for each idempotency key, and one that is not void for each recognition and giver",
        """
        WITH kept AS (
            SELECT (convert_from(answer, 'UTF8')::jsonb #>> '{data,id}')::bigint AS hi5_id
            FROM idempotency_keys WHERE route ~ '/recognitions/[0-9]+/hi5$' AND status = 201
        )
        SELECT
            (SELECT count(*) - count(DISTINCT hi5.id) FROM kept LEFT JOIN hi5s AS hi5 ON hi5.id = kept.hi5_id) AS keys,
            (
                SELECT count(*) FROM (
                    SELECT FROM hi5s WHERE void_at IS NULL GROUP BY recognition_id, given_by HAVING count(*) > 1
                ) AS twice
            ) AS givers
        """,
    ),
    Invariant(
        "I8",
        "The changes of each allowance are numbered 1 to n without gaps, and nothing is parked, unsent or dead",
        """
        WITH numbered AS (
            SELECT allowance_id, seq FROM spends UNION ALL SELECT allowance_id, seq FROM refunds
        ), runs AS (
            SELECT allowance_id, count(*) AS steps, count(DISTINCT seq) AS numbers, min(seq) AS first, max(seq) AS last
            FROM numbered GROUP BY allowance_id
        )
        SELECT
            (
                SELECT count(*) FROM allowances AS held LEFT JOIN runs ON runs.allowance_id = held.id
                WHERE held.seq <> coalesce(runs.last, 0) OR runs.first <> 1
                    OR runs.steps <> runs.last OR runs.numbers <> runs.last
            ) AS gaps,
            (SELECT count(*) FROM parked) AS parked,
            (SELECT count(*) FROM outbox
                WHERE sent_at IS NULL AND org_id = tenant() AND type NOT LIKE 'CredentialsUsed.%') AS unsent,
            (SELECT count(*) FROM dead) AS dead
        """,
    ),
    Invariant(
        "I10",
        "A hidden recognition keeps no hi5 of a running period, and nobody spent after their deactivation was applied",
        """
        SELECT
            (
                SELECT count(*) FROM spends AS spend
                JOIN recognitions AS thanks ON thanks.id = spend.recognition_id AND thanks.hidden
                JOIN allowances AS held ON held.id = spend.allowance_id
                    AND held.starts_at <= clock_timestamp() AND held.ends_at > clock_timestamp()
                WHERE spend.kind = 'hi5' AND NOT EXISTS (SELECT FROM refunds AS refund WHERE refund.spend_id = spend.id)
            ) AS kept_by_hidden,
            (
                SELECT count(*) FROM allowances AS held JOIN spends AS spend ON spend.allowance_id = held.id
                WHERE spend.seq > held.closed_seq
            ) AS spent_when_closed,
            (
                SELECT count(*) FROM allowances AS held JOIN members AS member ON member.user_id = held.user_id
                WHERE NOT member.active AND held.closed_version IS NULL AND held.ends_at > clock_timestamp()
            ) AS left_open
        """,
    ),
)

STATE = """
SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws(
    ':', id, user_id, seq, granted, spent_total, refunded_total, epoch_seconds(starts_at), epoch_seconds(ends_at)
), ',' ORDER BY id), ''), 'UTF8')), 'hex')
FROM allowances WHERE seq > 0
"""
"""I6: the hash of the states of all allowances that events have told of, to compare with the ledger's own."""
