-- What an organisation wants to thank people for: a tree of at most three levels.

CREATE TABLE core_values (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    text text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 100),
    -- The text as it is compared: folded by the service, since the database's locale may know no letters but ASCII.
    text_key text NOT NULL,
    description text NOT NULL CHECK (char_length(description) BETWEEN 1 AND 1000),
    parent_core_value_id bigint CHECK (parent_core_value_id <> id),
    thumbnail text,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, id),
    CONSTRAINT core_values_text UNIQUE (org_id, text_key),
    CONSTRAINT core_values_parent FOREIGN KEY (org_id, parent_core_value_id) REFERENCES core_values (org_id, id)
);
ALTER TABLE core_values ENABLE ROW LEVEL SECURITY;
ALTER TABLE core_values FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON core_values USING (org_id = tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON core_values TO peerly_recognition;
