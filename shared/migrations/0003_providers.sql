-- Identity providers of organisations as auth's events tell of them, and whose their identities are.

-- Read as a whole by every process, before anybody knows whose token comes: it belongs to no tenant and no route reads it.
-- Rows of removed ones stay, so that an older event does not bring them back.
CREATE TABLE trusted_providers (
    provider_id bigint PRIMARY KEY,
    organisation_id bigint NOT NULL,
    organisation_name text NOT NULL,
    domains text[] NOT NULL,
    issuer text NOT NULL,
    audience text NOT NULL,
    email_claim text,
    keys jsonb NOT NULL,
    removed boolean NOT NULL,
    fetched_at timestamptz,
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX trusted_providers_changed ON trusted_providers (changed_at);

-- A subject at a provider: a user's, or nobody's where auth refused it.
CREATE TABLE external_identities (
    org_id bigint NOT NULL DEFAULT tenant(),
    provider_id bigint NOT NULL,
    subject text NOT NULL,
    user_id bigint,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, provider_id, subject)
);
ALTER TABLE external_identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE external_identities FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON external_identities USING (org_id = tenant());

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON trusted_providers, external_identities TO %I', 'peerly_' || current_schema()
    );
END
$$;
