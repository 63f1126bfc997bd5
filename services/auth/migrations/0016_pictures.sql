-- The newest word about each person's uploaded picture: an older one that comes later changes nothing.
CREATE TABLE pictures (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    version bigint NOT NULL,
    -- The file that the profile was last told to show; null: none.
    url text,
    PRIMARY KEY (org_id, user_id)
);
ALTER TABLE pictures ENABLE ROW LEVEL SECURITY;
ALTER TABLE pictures FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pictures USING (org_id = tenant());
GRANT SELECT, INSERT, UPDATE (version, url) ON pictures TO peerly_auth;
