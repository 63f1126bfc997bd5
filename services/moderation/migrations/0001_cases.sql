-- Reports and reviews, the cases that they make, and what moderation knows of recognitions.

-- A read model of recognition's events. The text has a version of its own, so that events in any order end alike.
CREATE TABLE recognitions (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint NOT NULL,
    given_by bigint NOT NULL,
    given_for bigint NOT NULL,
    core_value_id bigint NOT NULL,
    text text NOT NULL,
    text_version bigint NOT NULL,
    given_at timestamptz NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, id)
);

CREATE FUNCTION epoch_microseconds(moment timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (extract(epoch FROM moment) * 1000000)::bigint;

-- One case a recognition, made by the first report or review. It outlives a rebuild of the read models, hence no
-- reference to recognitions.
CREATE TABLE cases (
    org_id bigint NOT NULL DEFAULT tenant(),
    recognition_id bigint NOT NULL,
    state text NOT NULL DEFAULT 'open',
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    -- The recognition was taken back: nothing is left to decide.
    withdrawn boolean NOT NULL DEFAULT false,
    -- Hides and restores so far, counted without gaps.
    visibility_version bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    -- Sorts the open ones first, the longest waiting at the top, then the decided ones, the newest decision at the top.
    place bigint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN decided_at IS NULL THEN epoch_microseconds(opened_at)
        ELSE 9000000000000000 - epoch_microseconds(decided_at) END
    ) STORED,
    PRIMARY KEY (org_id, recognition_id),
    CHECK (state IN ('open', 'hidden', 'dismissed')),
    CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE INDEX cases_queue ON cases (org_id, state, place, recognition_id) WHERE NOT withdrawn;

CREATE TABLE reports (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    recognition_id bigint NOT NULL,
    reported_by bigint NOT NULL,
    mark_as text NOT NULL,
    reason text NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, recognition_id, reported_by),
    FOREIGN KEY (org_id, recognition_id) REFERENCES cases
);

CREATE TABLE reviews (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    recognition_id bigint NOT NULL,
    reviewed_by bigint NOT NULL,
    is_inappropriate boolean NOT NULL,
    comment text,
    reviewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The version of the hide or restore that it caused; null when it changed nothing.
    visibility_version bigint,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, recognition_id, visibility_version),
    FOREIGN KEY (org_id, recognition_id) REFERENCES cases
);
CREATE INDEX reviews_of_case ON reviews (org_id, recognition_id, id);

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['recognitions', 'cases', 'reports', 'reviews'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = tenant())', owned);
    END LOOP;
END
$$;

-- Nothing takes a report or a review back, and no case goes away.
GRANT SELECT, INSERT, UPDATE ON recognitions, cases TO peerly_moderation;
GRANT SELECT, INSERT ON reports, reviews TO peerly_moderation;

CREATE FUNCTION person(organisation bigint, person_id bigint) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
    RETURN person_card(
        person_id, (SELECT members FROM members WHERE org_id = organisation AND user_id = person_id)
    );

CREATE FUNCTION recognition_document(given recognitions) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
    RETURN json_build_object(
        'id', given.id,
        'text', given.text,
        'core_value_id', given.core_value_id,
        'given_by', given.given_by,
        'given_for', given.given_for,
        'given_at', epoch_seconds(given.given_at),
        'given_by_user', person(given.org_id, given.given_by),
        'given_for_user', person(given.org_id, given.given_for),
        'deleted', given.deleted
    );

CREATE FUNCTION reports_of(subject cases) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(json_agg(json_build_object(
            'id', id,
            'mark_as', mark_as,
            'reason', reason,
            'reported_by', reported_by,
            'reported_by_user', person(org_id, reported_by),
            'reported_at', epoch_seconds(reported_at)
        ) ORDER BY id), '[]')
        FROM reports WHERE org_id = subject.org_id AND recognition_id = subject.recognition_id
    );

CREATE FUNCTION reviews_of(subject cases) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(json_agg(json_build_object(
            'id', id,
            'is_inappropriate', is_inappropriate,
            'comment', comment,
            'reviewed_by', reviewed_by,
            'reviewed_by_user', person(org_id, reviewed_by),
            'reviewed_at', epoch_seconds(reviewed_at)
        ) ORDER BY id), '[]')
        FROM reviews WHERE org_id = subject.org_id AND recognition_id = subject.recognition_id
    );

CREATE FUNCTION case_document(subject cases, given recognitions) RETURNS json LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN json_build_object(
        'recognition_id', subject.recognition_id,
        'state', subject.state,
        'opened_at', epoch_seconds(subject.opened_at),
        'age', greatest(0, epoch_seconds(clock_timestamp()) - epoch_seconds(subject.opened_at)),
        'version', subject.version,
        'recognition', recognition_document(given),
        'reports', reports_of(subject),
        'reviews', reviews_of(subject)
    );

-- Empties the read models of all organisations before they are filled again from the events; own data stays.
CREATE FUNCTION clear_read_models() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = moderation, pg_temp AS $$
BEGIN
    TRUNCATE recognitions, members, organisations;
END
$$;
REVOKE EXECUTE ON FUNCTION clear_read_models() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clear_read_models() TO peerly_moderation;
