-- Personal tokens and API keys: what they are called and may do. The tokens themselves are nowhere: they are signed, not
-- looked up, and nothing in here can be used as one.

-- What a person made of their own rights. It counts while its generation is not below its owner's.
CREATE TABLE personal_tokens (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id bigint NOT NULL,
    generation bigint NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    made_with text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON UPDATE CASCADE
);
COMMENT ON COLUMN personal_tokens.made_with IS 'The client id of the credential that asked for it, which it does not outlive; null: a session.';
CREATE INDEX personal_tokens_owner ON personal_tokens (org_id, user_id, id);
CREATE INDEX personal_tokens_made_with ON personal_tokens (org_id, made_with) WHERE made_with IS NOT NULL;
ALTER TABLE personal_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE personal_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON personal_tokens USING (org_id = tenant());

-- A key keeps its id when it is rotated; each rotation issues another token.
CREATE TABLE api_keys (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, id)
);
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_keys USING (org_id = tenant());

-- The tokens of a key by their jti: the one that holds, and those before it until their time of grace is over.
CREATE TABLE api_key_issues (
    org_id bigint NOT NULL DEFAULT tenant(),
    jti text NOT NULL,
    key_id bigint NOT NULL,
    user_id bigint NOT NULL,
    prefix text NOT NULL,
    made_with text,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ends_at timestamptz,
    PRIMARY KEY (org_id, jti),
    FOREIGN KEY (org_id, key_id) REFERENCES api_keys (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id)
);
COMMENT ON COLUMN api_key_issues.ends_at IS 'Replaced: refused from then on; null: the one that holds.';
CREATE UNIQUE INDEX api_key_issues_holding ON api_key_issues (org_id, key_id) WHERE ends_at IS NULL;
CREATE INDEX api_key_issues_key ON api_key_issues (org_id, key_id);
CREATE INDEX api_key_issues_user ON api_key_issues (org_id, user_id);
CREATE INDEX api_key_issues_made_with ON api_key_issues (org_id, made_with) WHERE made_with IS NOT NULL;
ALTER TABLE api_key_issues ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key_issues FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_key_issues USING (org_id = tenant());

-- UPDATE (name) of a token is for the lock that keeps it there while something is made with it.
GRANT SELECT, INSERT, DELETE, UPDATE (name) ON personal_tokens TO peerly_auth;
GRANT SELECT, INSERT, DELETE, UPDATE (name, version) ON api_keys TO peerly_auth;
GRANT SELECT, INSERT, DELETE, UPDATE (ends_at) ON api_key_issues TO peerly_auth;

CREATE FUNCTION last_use(of_organisation bigint, of_client text) RETURNS bigint LANGUAGE sql STABLE
    RETURN (
        SELECT epoch_seconds(max(used.used_at)) FROM credential_uses AS used
        WHERE used.org_id = of_organisation AND used.client_id = of_client
    );

CREATE FUNCTION personal_token_document(token personal_tokens) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', token.id,
        'name', token.name,
        'scopes', token.scopes,
        'expires_at', epoch_seconds(token.expires_at),
        'created_at', epoch_seconds(token.created_at),
        'last_used_at', last_use(token.org_id, 'token:' || token.id)
    );

CREATE FUNCTION api_key_document(of_key api_keys) RETURNS json LANGUAGE sql STABLE
    RETURN (
        SELECT json_build_object(
            'id', of_key.id,
            'name', of_key.name,
            'prefix', holding.prefix,
            'scopes', of_key.scopes,
            'user_id', holding.user_id,
            'created_at', epoch_seconds(of_key.created_at),
            'rotated_at', CASE WHEN holding.issued_at > of_key.created_at THEN epoch_seconds(holding.issued_at) END,
            'expires_at', epoch_seconds(holding.expires_at),
            'last_used_at', last_use(of_key.org_id, 'key:' || of_key.id)
        )
        FROM api_key_issues AS holding
        WHERE holding.org_id = of_key.org_id AND holding.key_id = of_key.id AND holding.ends_at IS NULL
    );
