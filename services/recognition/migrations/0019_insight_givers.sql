-- Different givers of any time, running or over: who gave to whom within a span is kept as bits, which several spans put together
-- without counting anybody twice.

CREATE TABLE insight_givers (
    org_id bigint NOT NULL,
    span text NOT NULL CHECK (span IN ('day', 'month', 'year')),
    core_value_id bigint NOT NULL,
    starts date NOT NULL,
    user_id bigint NOT NULL,
    -- Of givers whose ids are from 1,024 times this number on, 1,024 of them.
    block bigint NOT NULL,
    -- One bit for each: whether their recognitions for the person within the span are more than none.
    givers bit(1024) NOT NULL,
    PRIMARY KEY (org_id, span, core_value_id, starts, user_id, block)
) WITH (fillfactor = 80);
ALTER TABLE insight_givers ENABLE ROW LEVEL SECURITY;
ALTER TABLE insight_givers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insight_givers USING (org_id = tenant());
GRANT SELECT ON insight_givers TO peerly_recognition;
GRANT SELECT, INSERT, UPDATE ON insight_givers TO peerly_recognition_definer;
CREATE POLICY folding ON insight_givers TO peerly_recognition_definer USING (true);

CREATE FUNCTION giver_bit(user_id bigint) RETURNS bit LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN set_bit(0::bit(1024), (user_id % 1024)::integer, 1);

-- Moves changes into the sums, `most` at a time; returns how many. One at a time does it: another one finds nothing to do.
CREATE OR REPLACE FUNCTION fold_insights(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = recognition, pg_temp AS $$
DECLARE
    folded bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM insight_changes)
        OR NOT pg_try_advisory_xact_lock(hashtextextended('recognition.insights', 0))
    THEN
        RETURN 0;
    END IF;
    WITH taken AS (
        DELETE FROM insight_changes AS gone
        USING (SELECT org_id, day, id FROM insight_changes LIMIT most) AS next
        WHERE gone.org_id = next.org_id AND gone.day = next.day AND gone.id = next.id
        RETURNING gone.*
    ), spread AS MATERIALIZED (
        SELECT
            taken.org_id, spans.span, spans.starts, core.value_id, taken.given_for, taken.given_by,
            sum(taken.recognitions)::bigint AS recognitions, sum(taken.hi5s)::bigint AS hi5s
        FROM taken
        CROSS JOIN LATERAL insight_spans(taken.day) AS spans
        CROSS JOIN LATERAL (VALUES (0::bigint), (taken.core_value_id)) AS core (value_id)
        GROUP BY 1, 2, 3, 4, 5, 6
    ), into_pairs AS (
        INSERT INTO insight_pairs AS known (org_id, span, core_value_id, starts, given_for, given_by, recognitions)
        SELECT org_id, span, value_id, starts, given_for, given_by, recognitions FROM spread WHERE given_by IS NOT NULL
        ON CONFLICT (org_id, span, core_value_id, starts, given_for, given_by)
        DO UPDATE SET recognitions = known.recognitions + excluded.recognitions
        RETURNING known.*
    ), into_givers AS (
        -- Those who now have given and had not, and those who had and now have not.
        INSERT INTO insight_givers AS known (org_id, span, core_value_id, starts, user_id, block, givers)
        SELECT
            pair.org_id, pair.span, pair.core_value_id, pair.starts, pair.given_for, pair.given_by / 1024,
            bit_or(giver_bit(pair.given_by))
        FROM into_pairs AS pair
        JOIN spread AS change
            ON change.org_id = pair.org_id AND change.span = pair.span AND change.value_id = pair.core_value_id
            AND change.starts = pair.starts AND change.given_for = pair.given_for AND change.given_by = pair.given_by
        WHERE (pair.recognitions > 0) <> (pair.recognitions - change.recognitions > 0)
        GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (org_id, span, core_value_id, starts, user_id, block)
        DO UPDATE SET givers = known.givers # excluded.givers
    ), into_totals AS (
        INSERT INTO insight_totals AS known (org_id, span, starts, core_value_id, recognitions, hi5s)
        SELECT org_id, span, starts, value_id, sum(recognitions), sum(hi5s) FROM spread GROUP BY 1, 2, 3, 4
        ON CONFLICT (org_id, span, starts, core_value_id)
        DO UPDATE SET recognitions = known.recognitions + excluded.recognitions, hi5s = known.hi5s + excluded.hi5s
    ), into_persons AS (
        INSERT INTO insight_persons AS known (org_id, span, core_value_id, starts, user_id, received, hi5s, given)
        SELECT org_id, span, value_id, starts, user_id, sum(received), sum(hi5s), sum(given)
        FROM (
            SELECT
                org_id, span, value_id, starts, given_for AS user_id, recognitions AS received, hi5s, 0 AS given
            FROM spread
            UNION ALL
            SELECT org_id, span, value_id, starts, given_by, 0, 0, recognitions FROM spread WHERE given_by IS NOT NULL
        ) AS shares
        GROUP BY 1, 2, 3, 4, 5
        HAVING sum(received) <> 0 OR sum(hi5s) <> 0 OR sum(given) <> 0
        ON CONFLICT (org_id, span, core_value_id, starts, user_id)
        DO UPDATE SET
            received = known.received + excluded.received,
            hi5s = known.hi5s + excluded.hi5s,
            given = known.given + excluded.given
    )
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END $$;

-- What is in sums already. Nobody folds meanwhile.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtextextended('recognition.insights', 0)); END $$;
SET LOCAL ROLE peerly_recognition_definer;
INSERT INTO insight_givers (org_id, span, core_value_id, starts, user_id, block, givers)
SELECT org_id, span, core_value_id, starts, given_for, given_by / 1024, bit_or(giver_bit(given_by))
FROM insight_pairs WHERE recognitions > 0 GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6;
SET LOCAL ROLE peerly_recognition_owner;

-- Bits answer for what these were kept for.
-- squawk-ignore ban-drop-table
DROP TABLE insight_latest;
-- squawk-ignore ban-drop-column
ALTER TABLE insight_persons DROP COLUMN latest_givers;
