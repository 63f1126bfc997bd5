-- Sign-ins that a person can look through and end one by one: by the jti of their token, or by the hash of the cookie of
-- the sign-in page. Nothing reads a row to accept a token. People are named without a foreign key, as in credential_uses.
CREATE TABLE sessions (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id bigint NOT NULL,
    generation bigint NOT NULL,
    began text NOT NULL,
    jti text,
    token_hash bytea,
    made_with text,
    kid text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    PRIMARY KEY (org_id, id)
);
COMMENT ON COLUMN sessions.made_with IS 'The client id of the API key that it was begun with; null: none.';
CREATE UNIQUE INDEX sessions_jti ON sessions (org_id, jti);
CREATE UNIQUE INDEX sessions_cookie ON sessions (org_id, token_hash);
CREATE INDEX sessions_owner ON sessions (org_id, user_id, id);
CREATE INDEX sessions_made_with ON sessions (org_id, made_with) WHERE made_with IS NOT NULL;
CREATE INDEX sessions_old ON sessions (org_id, expires_at);
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sessions USING (org_id = tenant());
GRANT SELECT, INSERT, DELETE, UPDATE (last_used_at) ON sessions TO peerly_auth;

CREATE FUNCTION session_document(session sessions, current_jti text) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', session.id,
        'began', session.began,
        'created_at', epoch_seconds(session.created_at),
        'expires_at', epoch_seconds(session.expires_at),
        'last_used_at', epoch_seconds(session.last_used_at),
        'current', session.jti IS NOT DISTINCT FROM current_jti
    );
