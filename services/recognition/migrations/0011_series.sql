-- Series of recognitions: what somebody says again and again, by a rule, and what became of each time it was due.

CREATE TABLE recognition_series (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    -- The name as it is compared.
    name_key text NOT NULL,
    text text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 1000),
    core_value_id bigint NOT NULL,
    given_by bigint NOT NULL,
    given_for bigint CHECK (given_for <> given_by),
    team_id bigint,
    recurrence text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    -- The local day up to which every occurrence has been given or missed.
    done_on date NOT NULL,
    -- When there is something to do for it: the next occurrence, or sooner. Null: there is none any more.
    look_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, id),
    CHECK (num_nonnulls(given_for, team_id) = 1),
    CONSTRAINT recognition_series_core_value FOREIGN KEY (org_id, core_value_id) REFERENCES core_values (org_id, id)
);
CREATE INDEX recognition_series_core_value ON recognition_series (org_id, core_value_id, id);
CREATE INDEX recognition_series_given_by ON recognition_series (org_id, given_by, id);
CREATE INDEX recognition_series_given_for ON recognition_series (org_id, given_for, id) WHERE given_for IS NOT NULL;
CREATE INDEX recognition_series_team ON recognition_series (org_id, team_id, id) WHERE team_id IS NOT NULL;
CREATE INDEX recognition_series_by_name ON recognition_series (org_id, name_key COLLATE "C", id);
CREATE INDEX recognition_series_by_start ON recognition_series (org_id, starts_at, id);
CREATE INDEX recognition_series_to_look_at ON recognition_series (look_at) WHERE look_at IS NOT NULL;
ALTER TABLE recognition_series ENABLE ROW LEVEL SECURITY;
ALTER TABLE recognition_series FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON recognition_series USING (org_id = tenant());

-- One row for each receiver of a day; a row without one for a whole occurrence that was missed. They go with their series.
CREATE TABLE recognition_series_occurrences (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    series_id bigint NOT NULL,
    -- The local day, which names the occurrence whatever happens to clocks and time zones.
    due_on date NOT NULL,
    due_at timestamptz NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    given_for bigint,
    recognition_id bigint,
    reason text,
    PRIMARY KEY (org_id, id),
    CHECK (num_nonnulls(recognition_id, reason) = 1),
    CONSTRAINT occurrences_once UNIQUE NULLS NOT DISTINCT (org_id, series_id, due_on, given_for),
    CONSTRAINT occurrences_series FOREIGN KEY (org_id, series_id) REFERENCES recognition_series (org_id, id)
        ON DELETE CASCADE,
    CONSTRAINT occurrences_recognition FOREIGN KEY (org_id, recognition_id) REFERENCES recognitions (org_id, id)
);
CREATE INDEX occurrences_of_series ON recognition_series_occurrences (org_id, series_id, id);
ALTER TABLE recognition_series_occurrences ENABLE ROW LEVEL SECURITY;
ALTER TABLE recognition_series_occurrences FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON recognition_series_occurrences USING (org_id = tenant());

GRANT SELECT, INSERT, DELETE ON recognition_series TO peerly_recognition;
GRANT UPDATE (name, name_key, text, core_value_id, given_for, team_id, recurrence, starts_at, ends_at, done_on, look_at, version)
    ON recognition_series TO peerly_recognition;
GRANT SELECT, INSERT ON recognition_series_occurrences TO peerly_recognition;
SELECT record_history(
    'recognition_series', 'recognition-series',
    '{name, text, core_value_id, given_by, given_for, team_id, recurrence, starts_at, ends_at}'
);

CREATE FUNCTION series_document(series recognition_series) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', series.id, 'name', series.name, 'text', series.text, 'core_value_id', series.core_value_id,
        'given_by', series.given_by, 'given_for', series.given_for, 'team_id', series.team_id,
        'recurrence', series.recurrence,
        'starts_at', epoch_seconds(series.starts_at), 'ends_at', epoch_seconds(series.ends_at),
        'next_at', epoch_seconds(series.look_at)
    );

-- The series of all organisations for which there is something to do, by their ids: whoever does it works for one
-- organisation at a time.
GRANT SELECT (org_id, id, look_at) ON recognition_series TO peerly_recognition_definer;
CREATE POLICY look_up ON recognition_series FOR SELECT TO peerly_recognition_definer USING (true);
CREATE FUNCTION series_to_look_at(moment timestamptz, most integer) RETURNS TABLE (org_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = recognition, pg_temp AS $$
    SELECT series.org_id, series.id FROM recognition_series AS series
    WHERE series.look_at <= moment ORDER BY series.look_at LIMIT most
$$;
REVOKE EXECUTE ON FUNCTION series_to_look_at(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION series_to_look_at(timestamptz, integer) TO peerly_recognition;
ALTER FUNCTION series_to_look_at(timestamptz, integer) OWNER TO peerly_recognition_definer;
