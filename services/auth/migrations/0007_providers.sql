-- Identity providers as the admins of their organisations set them up, with what was last fetched of each.

CREATE TABLE identity_providers (
    org_id bigint NOT NULL DEFAULT tenant() REFERENCES organisations (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    issuer text NOT NULL,
    audience text NOT NULL,
    jwks_uri text,
    email_claim text,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    -- What the others were told: the version of the newest event, and the keys in it.
    told bigint NOT NULL DEFAULT 0,
    keys jsonb NOT NULL DEFAULT '[]',
    fetched_at timestamptz,
    failure text,
    tried_at timestamptz,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id)
);
-- A token says its issuer and audience and no organisation: a pair is one provider of the whole installation.
CREATE UNIQUE INDEX identity_providers_names ON identity_providers (issuer, audience);
CREATE INDEX identity_providers_due ON identity_providers (due_at);
ALTER TABLE identity_providers ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity_providers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON identity_providers USING (org_id = tenant());

-- At a provider, a person has one subject.
CREATE UNIQUE INDEX external_identities_user ON external_identities (org_id, provider_id, user_id);

GRANT SELECT, INSERT, DELETE ON identity_providers TO peerly_auth;
GRANT UPDATE (audience, jwks_uri, email_claim, version, told, keys, fetched_at, failure, due_at) ON identity_providers TO peerly_auth;

CREATE FUNCTION identity_provider_document(provider identity_providers) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', provider.id,
        'issuer', provider.issuer,
        'audience', provider.audience,
        'jwks_uri', provider.jwks_uri,
        'email_claim', provider.email_claim,
        'state', CASE WHEN provider.failure IS NOT NULL THEN 'failing' WHEN provider.fetched_at IS NULL THEN 'pending' ELSE 'ready' END,
        'failure', provider.failure,
        'key_ids', (SELECT coalesce(json_agg(known.key ->> 'kid'), '[]'::json) FROM jsonb_array_elements(provider.keys) AS known (key)),
        'fetched_at', epoch_seconds(provider.fetched_at),
        'created_at', epoch_seconds(provider.created_at),
        'last_used_at', last_use(provider.org_id, 'provider:' || provider.id)
    );

-- Takes the providers that are to be asked for their keys now, in whichever organisation; each goes to one process.
GRANT SELECT (org_id, id, due_at), UPDATE (due_at, tried_at) ON identity_providers TO peerly_auth_definer;
CREATE POLICY look_up ON identity_providers TO peerly_auth_definer USING (true);

CREATE FUNCTION claim_due_providers(moment timestamptz, next_at timestamptz, most integer)
RETURNS TABLE (org_id bigint, provider_id bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    UPDATE identity_providers AS claimed SET due_at = next_at, tried_at = moment
    WHERE (claimed.org_id, claimed.id) IN (
        SELECT due.org_id, due.id FROM identity_providers AS due
        WHERE due.due_at <= moment ORDER BY due.due_at LIMIT most FOR UPDATE SKIP LOCKED
    )
    RETURNING claimed.org_id, claimed.id
$$;
REVOKE EXECUTE ON FUNCTION claim_due_providers(timestamptz, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_due_providers(timestamptz, timestamptz, integer) TO peerly_auth;
ALTER FUNCTION claim_due_providers(timestamptz, timestamptz, integer) OWNER TO peerly_auth_definer;
