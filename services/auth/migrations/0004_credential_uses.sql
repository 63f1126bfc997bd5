-- When personal tokens, API keys and applications were last used, as the services tell.

CREATE TABLE credential_uses (
    org_id bigint NOT NULL DEFAULT tenant(),
    client_id text NOT NULL,
    user_id bigint NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, client_id, user_id)
);
ALTER TABLE credential_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE credential_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON credential_uses USING (org_id = tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON credential_uses TO peerly_auth;
