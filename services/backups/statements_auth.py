"""What a copy of auth has to tell once it is in place: nobody takes a word that is older than what they have heard."""

from __future__ import annotations

from services.backups.statements import BEFORE

RESTATE = f"""
SET LOCAL search_path = auth;
WITH raised AS (
    UPDATE organisations AS present SET version = was.version + 1
    FROM {BEFORE}.organisations AS was WHERE was.id = present.id AND was.version > present.version
    RETURNING present.*
)
INSERT INTO outbox (org_id, type, subject, data)
SELECT id, 'OrganisationChanged.v1', 'organisation/' || id, jsonb_build_object(
    'organisation_id', id, 'name', name, 'status', status, 'hi5_limit', hi5_limit,
    'hi5_quota_renewal_frequency', hi5_quota_renewal_frequency, 'timezone', timezone,
    'recognition_hi5_cost', recognition_hi5_cost, 'version', version
) FROM raised ORDER BY id;
WITH raised AS (
    UPDATE users AS present SET version = was.version + 1, generation = greatest(present.generation, was.generation)
    FROM {BEFORE}.users AS was WHERE was.id = present.id AND was.version > present.version
    RETURNING present.*
)
INSERT INTO outbox (org_id, type, subject, data)
SELECT org_id, 'UserChanged.v1', 'user/' || id, jsonb_build_object(
    'user_id', id, 'email', email, 'first_name', first_name, 'last_name', last_name, 'display_name', display_name,
    'profile_image_url', profile_image_url, 'role_id', role_id, 'active', soft_delete_at IS NULL,
    'generation', generation, 'version', version, 'listed_in_leaderboards', unlisted IS NOT TRUE
) FROM raised ORDER BY org_id, id;
UPDATE teams AS present SET version = was.version + 1
FROM {BEFORE}.teams AS was WHERE was.id = present.id AND was.version > present.version;
UPDATE value_lists AS present SET version = was.version + 1
FROM {BEFORE}.value_lists AS was
WHERE was.org_id = present.org_id AND was.name = present.name AND was.version > present.version;
INSERT INTO value_lists (org_id, name, items, removed, version)
SELECT org_id, name, '{{}}', true, version + 1 FROM {BEFORE}.value_lists ON CONFLICT (org_id, name) DO NOTHING;
WITH raised AS (
    INSERT INTO maintenance_windows AS present (id, starts_at, ends_at, message, removed, version)
    SELECT id, starts_at, ends_at, message, true, version + 1 FROM {BEFORE}.maintenance_windows
    ON CONFLICT (id) DO UPDATE SET version = excluded.version WHERE present.version < excluded.version - 1
    RETURNING present.*
)
INSERT INTO outbox (org_id, type, subject, data)
SELECT 0, 'MaintenanceWindowChanged.v1', 'maintenance-window/' || id, jsonb_build_object(
    'window_id', id, 'starts_at', epoch_seconds(starts_at), 'ends_at', epoch_seconds(ends_at), 'message', message,
    'state', CASE WHEN removed THEN 'removed' ELSE 'planned' END, 'version', version
) FROM raised ORDER BY id;
WITH raised AS (
    INSERT INTO trusted_providers AS present (
        provider_id, organisation_id, organisation_name, domains, issuer, audience, email_claim, keys, removed,
        fetched_at, version
    )
    SELECT provider_id, organisation_id, organisation_name, domains, issuer, audience, email_claim, '[]', true,
        fetched_at, version + 1
    FROM {BEFORE}.trusted_providers
    ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version, changed_at = clock_timestamp()
    WHERE present.version < excluded.version - 1
    RETURNING present.*
), told AS (
    UPDATE identity_providers AS present SET told = raised.version, due_at = clock_timestamp()
    FROM raised WHERE raised.provider_id = present.id
)
INSERT INTO outbox (org_id, type, subject, data)
SELECT organisation_id, 'IdentityProviderChanged.v1', 'identity-provider/' || provider_id, jsonb_build_object(
    'provider_id', provider_id, 'organisation_id', organisation_id, 'organisation_name', organisation_name,
    'domains', domains, 'issuer', issuer, 'audience', audience, 'email_claim', email_claim, 'keys', keys,
    'state', CASE WHEN removed THEN 'removed' ELSE 'trusted' END,
    'fetched_at', floor(extract(epoch FROM fetched_at) * 1000)::bigint, 'version', version
) FROM raised ORDER BY provider_id;
UPDATE external_identities AS present SET version = was.version + 1
FROM {BEFORE}.external_identities AS was
WHERE (was.org_id, was.provider_id, was.subject) = (present.org_id, present.provider_id, present.subject)
    AND was.version > present.version;
"""  # noqa: S608
"""Who has changed since the copy counts on from there, and is told of as the copy has them; windows and identity
providers that the copy does not know are taken back. What consumers do not keep through a rebuild only counts on."""
