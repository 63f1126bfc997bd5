-- Which key signed a credential, so that the lists know what ended with a key that leaked. Null: not written down then.
ALTER TABLE personal_tokens ADD COLUMN kid text;
ALTER TABLE api_key_issues ADD COLUMN kid text;
GRANT UPDATE (kid) ON personal_tokens TO peerly_auth;

-- Keys that were withdrawn before their time; what they signed is refused from then on. They belong to no tenant.
CREATE TABLE retired_keys (
    kid text PRIMARY KEY,
    retired_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON retired_keys TO peerly_auth;

CREATE OR REPLACE FUNCTION api_key_document(of_key api_keys) RETURNS json LANGUAGE sql STABLE
    RETURN (
        SELECT json_build_object(
            'id', of_key.id,
            'name', of_key.name,
            'prefix', holding.prefix,
            'scopes', of_key.scopes,
            'origins', of_key.origins,
            'user_id', holding.user_id,
            'created_at', epoch_seconds(of_key.created_at),
            'rotated_at', CASE WHEN holding.issued_at > of_key.created_at THEN epoch_seconds(holding.issued_at) END,
            'expires_at', epoch_seconds(least(holding.expires_at, retired.retired_at)),
            'last_used_at', last_use(of_key.org_id, 'key:' || of_key.id)
        )
        FROM api_key_issues AS holding LEFT JOIN retired_keys AS retired USING (kid)
        WHERE holding.org_id = of_key.org_id AND holding.key_id = of_key.id AND holding.ends_at IS NULL
    );
