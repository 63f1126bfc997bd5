-- API keys that may stand in web pages: whose pages, as browsers name them. Null: a key that is kept secret.
ALTER TABLE api_keys ADD COLUMN origins text[];

DROP TRIGGER history ON api_keys;
SELECT record_history('api_keys', 'api-keys', '{name, scopes, origins}');

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
            'expires_at', epoch_seconds(holding.expires_at),
            'last_used_at', last_use(of_key.org_id, 'key:' || of_key.id)
        )
        FROM api_key_issues AS holding
        WHERE holding.org_id = of_key.org_id AND holding.key_id = of_key.id AND holding.ends_at IS NULL
    );
