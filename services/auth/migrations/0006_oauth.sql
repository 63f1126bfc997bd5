-- OAuth 2.0: applications, what people allowed them, and everything given out for it. Secrets, codes, refresh tokens and
-- sign-ins are kept as SHA-256 of 256 random bits. People are named without a foreign key, as in credential_uses:
-- whoever moves to the installation leaves what they allowed behind, where nothing finds its owner any more.

CREATE TABLE oauth_clients (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    client_id text NOT NULL UNIQUE,
    name text NOT NULL,
    secret_hash bytea,
    redirect_uris text[] NOT NULL,
    scopes text[] NOT NULL,
    acts_for bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id)
);
COMMENT ON COLUMN oauth_clients.secret_hash IS 'Null: a public application, which can keep no secret.';
COMMENT ON COLUMN oauth_clients.acts_for IS 'Who got the secret: whom client_credentials speak for.';

-- What a person allowed an application; its row is the lock for everything below it.
CREATE TABLE oauth_grants (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id bigint NOT NULL,
    application bigint NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, user_id, application),
    FOREIGN KEY (org_id, application) REFERENCES oauth_clients (org_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_grants_application ON oauth_grants (org_id, application);

-- One code, and the family of tokens that it was redeemed for.
CREATE TABLE oauth_authorizations (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    grant_id bigint NOT NULL,
    code_hash bytea NOT NULL,
    redirect_uri text NOT NULL,
    challenge text NOT NULL,
    scopes text[] NOT NULL,
    generation bigint NOT NULL,
    created_at timestamptz NOT NULL,
    keep_until timestamptz NOT NULL,
    redeemed boolean NOT NULL DEFAULT false,
    ended boolean NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, code_hash),
    FOREIGN KEY (org_id, grant_id) REFERENCES oauth_grants (org_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_authorizations_grant ON oauth_authorizations (org_id, grant_id);
CREATE INDEX oauth_authorizations_old ON oauth_authorizations (org_id, keep_until);
COMMENT ON COLUMN oauth_authorizations.generation IS 'The person''s when they allowed it: a newer one ends the family.';

CREATE TABLE oauth_refresh_tokens (
    org_id bigint NOT NULL DEFAULT tenant(),
    token_hash bytea NOT NULL,
    authorization_id bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    used boolean NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, token_hash),
    FOREIGN KEY (org_id, authorization_id) REFERENCES oauth_authorizations (org_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_refresh_tokens_family ON oauth_refresh_tokens (org_id, authorization_id);

-- Names of access tokens that may still be valid, so that they can be ended with their family.
CREATE TABLE oauth_access_tokens (
    org_id bigint NOT NULL DEFAULT tenant(),
    jti text NOT NULL,
    authorization_id bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, jti),
    FOREIGN KEY (org_id, authorization_id) REFERENCES oauth_authorizations (org_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_access_tokens_family ON oauth_access_tokens (org_id, authorization_id, expires_at);

-- Browsers in which somebody has signed in to allow an application.
CREATE TABLE oauth_sign_ins (
    org_id bigint NOT NULL DEFAULT tenant(),
    token_hash bytea NOT NULL,
    user_id bigint NOT NULL,
    generation bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, token_hash)
);
CREATE INDEX oauth_sign_ins_old ON oauth_sign_ins (org_id, expires_at);

ALTER TABLE oauth_clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_clients FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON oauth_clients USING (org_id = tenant());
ALTER TABLE oauth_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_grants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON oauth_grants USING (org_id = tenant());
ALTER TABLE oauth_authorizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_authorizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON oauth_authorizations USING (org_id = tenant());
ALTER TABLE oauth_refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON oauth_refresh_tokens USING (org_id = tenant());
ALTER TABLE oauth_access_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_access_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON oauth_access_tokens USING (org_id = tenant());
ALTER TABLE oauth_sign_ins ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_sign_ins FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON oauth_sign_ins USING (org_id = tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_clients, oauth_grants, oauth_authorizations, oauth_refresh_tokens,
    oauth_access_tokens, oauth_sign_ins TO peerly_auth;

CREATE FUNCTION oauth_client_document(client oauth_clients) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', client.id,
        'client_id', client.client_id,
        'name', client.name,
        'confidential', client.secret_hash IS NOT NULL,
        'redirect_uris', client.redirect_uris,
        'scopes', client.scopes,
        'created_at', epoch_seconds(client.created_at),
        'last_used_at', (
            SELECT epoch_seconds(max(used_at)) FROM credential_uses AS used
            WHERE used.org_id = client.org_id AND used.client_id = client.client_id
        )
    );

CREATE FUNCTION oauth_grant_document(allowed oauth_grants) RETURNS json LANGUAGE sql STABLE
    RETURN (
        SELECT json_build_object(
            'id', allowed.id,
            'application', json_build_object('client_id', client.client_id, 'name', client.name),
            'scopes', allowed.scopes,
            'since', epoch_seconds(allowed.created_at),
            'last_used_at', (
                SELECT epoch_seconds(used_at) FROM credential_uses AS used
                WHERE used.org_id = allowed.org_id AND used.client_id = client.client_id AND used.user_id = allowed.user_id
            )
        )
        FROM oauth_clients AS client WHERE client.org_id = allowed.org_id AND client.id = allowed.application
    );

-- What nothing can be done with any more, a few rows at a time: called by what adds rows, so that nothing piles up.
CREATE FUNCTION forget_oauth(moment timestamptz) RETURNS void LANGUAGE sql AS $$
    DELETE FROM oauth_sign_ins WHERE org_id = tenant() AND token_hash IN (
        SELECT token_hash FROM oauth_sign_ins WHERE org_id = tenant() AND expires_at < moment
        ORDER BY expires_at LIMIT 50 FOR UPDATE SKIP LOCKED
    );
    DELETE FROM oauth_authorizations WHERE org_id = tenant() AND id IN (
        SELECT id FROM oauth_authorizations WHERE org_id = tenant() AND keep_until < moment
        ORDER BY keep_until LIMIT 50 FOR UPDATE SKIP LOCKED
    );
$$;

-- An application names itself before its organisation is known.
GRANT SELECT (client_id, org_id) ON oauth_clients TO peerly_auth_definer;
CREATE POLICY look_up ON oauth_clients FOR SELECT TO peerly_auth_definer USING (true);
CREATE FUNCTION organisation_of_client(of_client_id text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    SELECT org_id FROM oauth_clients WHERE client_id = of_client_id
$$;
REVOKE EXECUTE ON FUNCTION organisation_of_client(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organisation_of_client(text) TO peerly_auth;
ALTER FUNCTION organisation_of_client(text) OWNER TO peerly_auth_definer;
