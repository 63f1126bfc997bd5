-- Lists of values that an organisation keeps. Rows of removed ones stay, so that a list of the same name counts its versions on.
CREATE TABLE value_lists (
    org_id bigint NOT NULL DEFAULT tenant(),
    name text NOT NULL,
    items text[] NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, name)
);
ALTER TABLE value_lists ENABLE ROW LEVEL SECURITY;
ALTER TABLE value_lists FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON value_lists USING (org_id = tenant());
GRANT SELECT, INSERT ON value_lists TO peerly_auth;
GRANT UPDATE (items, removed, version) ON value_lists TO peerly_auth;
SELECT record_history(
    'value_lists', 'organisations', '{name, items, removed}', '{"removed": ["deleted", "restored"]}',
    id_column => 'org_id', part => 'value_list'
);
