-- An issuer and audience are one provider of an organisation. Several may trust the same: the domain of the address in
-- a token, which is one organisation's, says whose it is. So no answer tells whom others trust.
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX identity_providers_own_names ON identity_providers (org_id, issuer, audience);
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX identity_providers_names;
