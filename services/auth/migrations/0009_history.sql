-- What history keeps of people, organisations and credentials. Nothing secret is among the fields.
SELECT record_history(
    'users', 'users',
    '{email, first_name, last_name, display_name, profile_image_url, role_id, soft_delete_by, soft_delete_at}',
    '{"soft_delete_at": ["deleted", "restored"]}'
);
SELECT record_history(
    'organisations', 'organisations',
    '{name, contact_email, subscription_status, subscription_valid_upto, hi5_limit, hi5_quota_renewal_frequency, timezone,
      recognition_hi5_cost, number, status, address1, address2, city, state, zip_code, contact_name, contact_phone,
      billing_contact, billing_contact_email, billing_contact_phone}',
    org_column => 'id'
);
SELECT record_history('api_keys', 'api-keys', '{name, scopes}');
SELECT record_history('personal_tokens', 'users', '{name, scopes, expires_at}', id_column => 'user_id', part => 'token');
SELECT record_history('oauth_clients', 'oauth/clients', '{name, redirect_uris, scopes}');
SELECT record_history('oauth_grants', 'users', '{application, scopes}', id_column => 'user_id', part => 'grant');
SELECT record_history(
    'identity_providers', 'organisations', '{issuer, audience, jwks_uri, email_claim}',
    id_column => 'org_id', part => 'identity_provider'
);
SELECT record_history('organisation_domains', 'organisations', '{spelling}', id_column => 'org_id', part => 'domain');
