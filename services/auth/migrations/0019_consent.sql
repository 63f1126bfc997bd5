-- People allow an application by its name and the addresses that they are sent back to: each such pair has a number; null:
-- the first. Functions use the types of these rows, so that the columns have no default.
ALTER TABLE oauth_clients ADD COLUMN consent_version bigint;
ALTER TABLE oauth_grants ADD COLUMN consent_version bigint;
COMMENT ON COLUMN oauth_clients.consent_version IS 'Grows with another name or other addresses: people are asked again.';
COMMENT ON COLUMN oauth_grants.consent_version IS 'The application''s when the person allowed it the scopes.';
