-- Recognitions, the hi5s on them, and how many hi5s each person has received.

CREATE TABLE recognitions (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    given_by bigint NOT NULL,
    given_for bigint NOT NULL CHECK (given_for <> given_by),
    core_value_id bigint NOT NULL,
    text text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 1000),
    given_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The hi5s that are not void.
    hi5_count bigint NOT NULL DEFAULT 0 CHECK (hi5_count >= 0),
    hidden boolean NOT NULL DEFAULT false,
    -- How many hides and restores have been applied.
    moderation_version bigint NOT NULL DEFAULT 0,
    imported boolean NOT NULL DEFAULT false,
    external_id text,
    deleted_at timestamptz,
    deleted_by bigint,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, id),
    CONSTRAINT recognitions_external UNIQUE (org_id, external_id),
    CONSTRAINT recognitions_core_value FOREIGN KEY (org_id, core_value_id) REFERENCES core_values (org_id, id)
) WITH (fillfactor = 85);
-- Room in the pages and no index on hi5_count: a hi5 rewrites its row in place.
CREATE INDEX recognitions_feed ON recognitions (org_id, given_at DESC, id DESC) WHERE NOT hidden AND deleted_at IS NULL;
CREATE INDEX recognitions_given_by ON recognitions (org_id, given_by, given_at DESC, id DESC)
    WHERE NOT hidden AND deleted_at IS NULL;
CREATE INDEX recognitions_given_for ON recognitions (org_id, given_for, given_at DESC, id DESC)
    WHERE NOT hidden AND deleted_at IS NULL;
CREATE INDEX recognitions_of_value ON recognitions (org_id, core_value_id, given_at DESC, id DESC)
    WHERE NOT hidden AND deleted_at IS NULL;
CREATE INDEX recognitions_hidden ON recognitions (org_id, given_at DESC, id DESC) WHERE hidden AND deleted_at IS NULL;
-- For the foreign key, whatever the state of the recognition.
CREATE INDEX recognitions_core_value ON recognitions (org_id, core_value_id);
ALTER TABLE recognitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE recognitions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON recognitions USING (org_id = tenant());

CREATE TABLE hi5s (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    recognition_id bigint NOT NULL,
    given_by bigint NOT NULL,
    given_at timestamptz NOT NULL,
    comment text CHECK (char_length(comment) BETWEEN 1 AND 500),
    -- Set when the hi5 was refunded; final.
    void_at timestamptz,
    PRIMARY KEY (org_id, id),
    CONSTRAINT hi5s_recognition FOREIGN KEY (org_id, recognition_id) REFERENCES recognitions (org_id, id)
) WITH (fillfactor = 95);
CREATE UNIQUE INDEX hi5s_once ON hi5s (org_id, recognition_id, given_by) WHERE void_at IS NULL;
CREATE INDEX hi5s_of_recognition ON hi5s (org_id, recognition_id, id DESC) WHERE void_at IS NULL;
ALTER TABLE hi5s ENABLE ROW LEVEL SECURITY;
ALTER TABLE hi5s FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON hi5s USING (org_id = tenant());

CREATE TABLE received_counts (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    -- Hi5s that are not void, on visible recognitions.
    count bigint NOT NULL CHECK (count >= 0),
    version bigint NOT NULL,
    PRIMARY KEY (org_id, user_id)
) WITH (fillfactor = 70);
ALTER TABLE received_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE received_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON received_counts USING (org_id = tenant());

GRANT SELECT, INSERT, UPDATE ON recognitions, received_counts TO peerly_recognition;
GRANT SELECT, INSERT, UPDATE (void_at) ON hi5s TO peerly_recognition;
