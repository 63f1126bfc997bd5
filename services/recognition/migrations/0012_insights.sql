-- Leaderboards, thermometers and summaries without a walk through all recognitions: how much was given, by day, month and year.
-- Triggers add a row to insight_changes in the transaction of each change: nobody waits for anybody there, however often one
-- person is thanked. One job folds these rows into sums. A reader adds both up, and so is right at every moment.

-- True for who told auth that they do not want to be listed in leaderboards. Functions use the type of these rows, so that
-- the column has no default.
ALTER TABLE members ADD COLUMN unlisted boolean;

CREATE FUNCTION utc_day(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (moment AT TIME ZONE 'UTC')::date;

-- What became visible (or no longer is, below 0) and is in no sum yet. Days are of UTC.
CREATE TABLE insight_changes (
    org_id bigint NOT NULL,
    day date NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    given_for bigint NOT NULL,
    -- Who gave the recognition; null for hi5s.
    given_by bigint,
    core_value_id bigint NOT NULL,
    recognitions bigint NOT NULL,
    hi5s bigint NOT NULL,
    PRIMARY KEY (org_id, day, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
ALTER TABLE insight_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE insight_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insight_changes USING (org_id = tenant());

-- Sums. A span is a day, a month or a year of UTC and starts on its first day; core value 0 stands for all of them.
CREATE TABLE insight_persons (
    org_id bigint NOT NULL,
    span text NOT NULL CHECK (span IN ('day', 'month', 'year')),
    core_value_id bigint NOT NULL,
    starts date NOT NULL,
    user_id bigint NOT NULL,
    received bigint NOT NULL,
    hi5s bigint NOT NULL,
    given bigint NOT NULL,
    -- How many of those who ever thanked the person did so last in this span. Each is in one day, so that days add up to all
    -- who thanked since a day.
    latest_givers bigint NOT NULL,
    PRIMARY KEY (org_id, span, core_value_id, starts, user_id)
) WITH (fillfactor = 80);
ALTER TABLE insight_persons ENABLE ROW LEVEL SECURITY;
ALTER TABLE insight_persons FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insight_persons USING (org_id = tenant());

-- Who was thanked by whom, and how often.
CREATE TABLE insight_pairs (
    org_id bigint NOT NULL,
    span text NOT NULL CHECK (span IN ('day', 'month', 'year')),
    core_value_id bigint NOT NULL,
    starts date NOT NULL,
    given_for bigint NOT NULL,
    given_by bigint NOT NULL,
    recognitions bigint NOT NULL,
    PRIMARY KEY (org_id, span, core_value_id, starts, given_for, given_by)
) WITH (fillfactor = 80);
ALTER TABLE insight_pairs ENABLE ROW LEVEL SECURITY;
ALTER TABLE insight_pairs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insight_pairs USING (org_id = tenant());

-- The last day on which a giver's recognitions for a person were more than none; null where there is none any more.
CREATE TABLE insight_latest (
    org_id bigint NOT NULL,
    core_value_id bigint NOT NULL,
    given_for bigint NOT NULL,
    given_by bigint NOT NULL,
    day date,
    PRIMARY KEY (org_id, core_value_id, given_for, given_by)
) WITH (fillfactor = 80);
ALTER TABLE insight_latest ENABLE ROW LEVEL SECURITY;
ALTER TABLE insight_latest FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insight_latest USING (org_id = tenant());

CREATE TABLE insight_totals (
    org_id bigint NOT NULL,
    span text NOT NULL CHECK (span IN ('day', 'month', 'year')),
    starts date NOT NULL,
    core_value_id bigint NOT NULL,
    recognitions bigint NOT NULL,
    hi5s bigint NOT NULL,
    PRIMARY KEY (org_id, span, starts, core_value_id)
) WITH (fillfactor = 80);
ALTER TABLE insight_totals ENABLE ROW LEVEL SECURITY;
ALTER TABLE insight_totals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insight_totals USING (org_id = tenant());

-- For the hours at both ends of a time that is no whole day of UTC.
CREATE INDEX hi5s_by_time ON hi5s (org_id, given_at) WHERE void_at IS NULL;

GRANT SELECT, INSERT ON insight_changes TO peerly_recognition;
GRANT SELECT ON insight_persons, insight_pairs, insight_latest, insight_totals TO peerly_recognition;

-- A recognition became visible, or is no longer; with it its hi5s.
CREATE FUNCTION note_recognition() RETURNS trigger LANGUAGE plpgsql SET search_path = recognition, pg_temp AS $$
DECLARE
    change bigint := CASE WHEN NEW.hidden OR NEW.deleted_at IS NOT NULL THEN -1 ELSE 1 END;
BEGIN
    INSERT INTO insight_changes (org_id, day, given_for, given_by, core_value_id, recognitions, hi5s)
    VALUES (NEW.org_id, utc_day(NEW.given_at), NEW.given_for, NEW.given_by, NEW.core_value_id, change, 0);
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO insight_changes (org_id, day, given_for, core_value_id, recognitions, hi5s)
        SELECT NEW.org_id, utc_day(hi5.given_at), NEW.given_for, NEW.core_value_id, 0, change * count(*)
        FROM hi5s AS hi5
        WHERE hi5.org_id = NEW.org_id AND hi5.recognition_id = NEW.id AND hi5.void_at IS NULL
        GROUP BY utc_day(hi5.given_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER insights_given AFTER INSERT ON recognitions
    FOR EACH ROW WHEN (NOT NEW.hidden AND NEW.deleted_at IS NULL) EXECUTE FUNCTION note_recognition();
CREATE TRIGGER insights_shown AFTER UPDATE OF hidden, deleted_at ON recognitions
    FOR EACH ROW
    WHEN ((OLD.hidden OR OLD.deleted_at IS NOT NULL) <> (NEW.hidden OR NEW.deleted_at IS NOT NULL))
    EXECUTE FUNCTION note_recognition();

-- A hi5 was given, or is void; on what nobody sees none counts.
CREATE FUNCTION note_hi5() RETURNS trigger LANGUAGE plpgsql SET search_path = recognition, pg_temp AS $$
BEGIN
    INSERT INTO insight_changes (org_id, day, given_for, core_value_id, recognitions, hi5s)
    SELECT
        NEW.org_id, utc_day(NEW.given_at), thanks.given_for, thanks.core_value_id, 0,
        CASE WHEN NEW.void_at IS NULL THEN 1 ELSE -1 END
    FROM recognitions AS thanks
    WHERE thanks.org_id = NEW.org_id AND thanks.id = NEW.recognition_id
        AND NOT thanks.hidden AND thanks.deleted_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER insights_hi5 AFTER INSERT ON hi5s
    FOR EACH ROW WHEN (NEW.void_at IS NULL) EXECUTE FUNCTION note_hi5();
CREATE TRIGGER insights_void AFTER UPDATE OF void_at ON hi5s
    FOR EACH ROW WHEN ((OLD.void_at IS NULL) <> (NEW.void_at IS NULL)) EXECUTE FUNCTION note_hi5();

-- Folding is of all organisations, so it runs as the role that may see them all.
GRANT SELECT, INSERT, DELETE ON insight_changes TO peerly_recognition_definer;
GRANT SELECT, INSERT, UPDATE ON insight_persons, insight_pairs, insight_latest, insight_totals TO peerly_recognition_definer;
CREATE POLICY folding ON insight_changes TO peerly_recognition_definer USING (true);
CREATE POLICY folding ON insight_persons TO peerly_recognition_definer USING (true);
CREATE POLICY folding ON insight_pairs TO peerly_recognition_definer USING (true);
CREATE POLICY folding ON insight_latest TO peerly_recognition_definer USING (true);
CREATE POLICY folding ON insight_totals TO peerly_recognition_definer USING (true);

-- The spans that a day is in.
CREATE FUNCTION insight_spans(day date) RETURNS TABLE (span text, starts date) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 3 AS $$
    VALUES
    ('day', day),
    ('month', date_trunc('month', day::timestamp)::date),
    ('year', date_trunc('year', day::timestamp)::date)
$$;

-- Moves changes into the sums, `most` at a time; returns how many. One at a time does it: another one finds nothing to do.
CREATE FUNCTION fold_insights(most integer) RETURNS bigint
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
    ), days AS (
        SELECT
            org_id, core_value_id, given_for, given_by,
            max(starts) FILTER (WHERE recognitions > 0) AS latest,
            array_agg(starts) FILTER (WHERE recognitions <= 0) AS emptied
        FROM into_pairs WHERE span = 'day' GROUP BY 1, 2, 3, 4
    ), moved AS MATERIALIZED (
        SELECT days.org_id, days.core_value_id, days.given_for, days.given_by, known.day AS old_day, found.day AS new_day
        FROM days
        LEFT JOIN LATERAL (
            SELECT pair.day FROM insight_latest AS pair
            WHERE pair.org_id = days.org_id AND pair.core_value_id = days.core_value_id
                AND pair.given_for = days.given_for AND pair.given_by = days.given_by
            OFFSET 0
        ) AS known ON true
        CROSS JOIN LATERAL (
            SELECT greatest(
                days.latest,
                CASE
                    WHEN days.latest >= known.day OR known.day = ANY (days.emptied) IS NOT TRUE THEN known.day
                    -- The last day was lost: the one before it, among the days of the organisation.
                    ELSE (
                        SELECT earlier.starts FROM insight_totals AS earlier
                        CROSS JOIN LATERAL (
                            SELECT FROM insight_pairs AS pair
                            WHERE pair.org_id = days.org_id AND pair.span = 'day'
                                AND pair.core_value_id = days.core_value_id AND pair.starts = earlier.starts
                                AND pair.given_for = days.given_for AND pair.given_by = days.given_by
                                AND pair.recognitions > 0
                            OFFSET 0
                        ) AS given
                        WHERE earlier.org_id = days.org_id AND earlier.span = 'day' AND earlier.starts < known.day
                            AND earlier.core_value_id = days.core_value_id AND earlier.starts <> ALL (days.emptied)
                        ORDER BY earlier.starts DESC LIMIT 1
                    )
                END
            ) AS day
        ) AS found
        WHERE found.day IS DISTINCT FROM known.day
    ), into_latest AS (
        INSERT INTO insight_latest AS known (org_id, core_value_id, given_for, given_by, day)
        SELECT org_id, core_value_id, given_for, given_by, new_day FROM moved
        ON CONFLICT (org_id, core_value_id, given_for, given_by) DO UPDATE SET day = excluded.day
    ), into_totals AS (
        INSERT INTO insight_totals AS known (org_id, span, starts, core_value_id, recognitions, hi5s)
        SELECT org_id, span, starts, value_id, sum(recognitions), sum(hi5s) FROM spread GROUP BY 1, 2, 3, 4
        ON CONFLICT (org_id, span, starts, core_value_id)
        DO UPDATE SET recognitions = known.recognitions + excluded.recognitions, hi5s = known.hi5s + excluded.hi5s
    ), into_persons AS (
        INSERT INTO insight_persons AS known
            (org_id, span, core_value_id, starts, user_id, received, hi5s, given, latest_givers)
        SELECT org_id, span, value_id, starts, user_id, sum(received), sum(hi5s), sum(given), sum(latest_givers)
        FROM (
            SELECT
                org_id, span, value_id, starts, given_for AS user_id, recognitions AS received, hi5s, 0 AS given,
                0 AS latest_givers
            FROM spread
            UNION ALL
            SELECT org_id, span, value_id, starts, given_by, 0, 0, recognitions, 0 FROM spread WHERE given_by IS NOT NULL
            UNION ALL
            SELECT moved.org_id, spans.span, moved.core_value_id, spans.starts, moved.given_for, 0, 0, 0, step.change
            FROM moved
            CROSS JOIN LATERAL (VALUES (moved.old_day, -1), (moved.new_day, 1)) AS step (day, change)
            CROSS JOIN LATERAL insight_spans(step.day) AS spans
            WHERE step.day IS NOT NULL
        ) AS shares
        GROUP BY 1, 2, 3, 4, 5
        HAVING sum(received) <> 0 OR sum(hi5s) <> 0 OR sum(given) <> 0 OR sum(latest_givers) <> 0
        ON CONFLICT (org_id, span, core_value_id, starts, user_id)
        DO UPDATE SET
            received = known.received + excluded.received,
            hi5s = known.hi5s + excluded.hi5s,
            given = known.given + excluded.given,
            latest_givers = known.latest_givers + excluded.latest_givers
    )
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END $$;

-- Writes down as changes whatever the sums and the open changes differ by from what is there; returns how many rows that
-- took: none, but where triggers were off. For who may see all organisations.
CREATE FUNCTION recount_insights() RETURNS bigint
LANGUAGE plpgsql SET search_path = recognition, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    INSERT INTO insight_changes (org_id, day, given_for, given_by, core_value_id, recognitions, hi5s)
    SELECT org_id, day, given_for, given_by, core_value_id, sum(recognitions), sum(hi5s)
    FROM (
        SELECT org_id, utc_day(given_at) AS day, given_for, given_by, core_value_id, 1::bigint AS recognitions, 0::bigint AS hi5s
        FROM recognitions WHERE NOT hidden AND deleted_at IS NULL
        UNION ALL
        SELECT thanks.org_id, utc_day(hi5.given_at), thanks.given_for, NULL, thanks.core_value_id, 0, 1
        FROM hi5s AS hi5
        JOIN recognitions AS thanks ON thanks.org_id = hi5.org_id AND thanks.id = hi5.recognition_id
        WHERE hi5.void_at IS NULL AND NOT thanks.hidden AND thanks.deleted_at IS NULL
        UNION ALL
        SELECT org_id, day, given_for, given_by, core_value_id, -recognitions, -hi5s FROM insight_changes
        UNION ALL
        SELECT org_id, starts, given_for, given_by, core_value_id, -recognitions, 0
        FROM insight_pairs WHERE span = 'day' AND core_value_id <> 0
        UNION ALL
        SELECT org_id, starts, user_id, NULL, core_value_id, 0, -hi5s
        FROM insight_persons WHERE span = 'day' AND core_value_id <> 0
    ) AS both_sides
    GROUP BY org_id, day, given_for, given_by, core_value_id
    HAVING sum(recognitions) <> 0 OR sum(hi5s) <> 0;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;

REVOKE EXECUTE ON FUNCTION fold_insights(integer), recount_insights() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fold_insights(integer) TO peerly_recognition;
ALTER FUNCTION fold_insights(integer) OWNER TO peerly_recognition_definer;

-- What was given before this migration; the rights for it last as long as it takes.
GRANT EXECUTE ON FUNCTION recount_insights() TO peerly_recognition_definer;
GRANT SELECT (given_by, given_for, core_value_id, given_at) ON recognitions TO peerly_recognition_definer;
GRANT SELECT (org_id, id, recognition_id, given_at, void_at) ON hi5s TO peerly_recognition_definer;
CREATE POLICY counting ON hi5s FOR SELECT TO peerly_recognition_definer USING (true);
SET LOCAL ROLE peerly_recognition_definer;
DO $$ BEGIN PERFORM recount_insights(); END $$;
SET LOCAL ROLE peerly_recognition_owner;
DROP POLICY counting ON hi5s;
REVOKE SELECT (org_id, id, recognition_id, given_at, void_at) ON hi5s FROM peerly_recognition_definer;
REVOKE SELECT (given_by, given_for, core_value_id, given_at) ON recognitions FROM peerly_recognition_definer;
REVOKE EXECUTE ON FUNCTION recount_insights() FROM peerly_recognition_definer;
