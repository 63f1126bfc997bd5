-- Organisations, their e-mail domains, and the people in them. Organisation 0 is the installation itself: its people
-- are the super admins.

CREATE TABLE organisations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    contact_email text NOT NULL,
    subscription_status text,
    subscription_valid_upto timestamptz,
    hi5_limit bigint NOT NULL CHECK (hi5_limit BETWEEN 0 AND 1000000),
    hi5_quota_renewal_frequency text NOT NULL
        CHECK (hi5_quota_renewal_frequency IN ('DAILY', 'WEEKLY', 'MONTHLY', 'QUARTERLY')),
    timezone text NOT NULL,
    recognition_hi5_cost integer NOT NULL DEFAULT 0 CHECK (recognition_hi5_cost IN (0, 1)),
    number text,
    status text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'SUSPENDED', 'CLOSED')),
    address1 text,
    address2 text,
    city text,
    state text,
    zip_code text,
    contact_name text,
    contact_phone text,
    billing_contact text,
    billing_contact_email text,
    billing_contact_phone text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO organisations (id, name, contact_email, hi5_limit, hi5_quota_renewal_frequency, timezone)
OVERRIDING SYSTEM VALUE VALUES (0, 'Peerly', '', 0, 'MONTHLY', 'UTC');
ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organisations USING (id = tenant());
-- Only super admins work for organisation 0, and every organisation is theirs to manage.
CREATE POLICY installation ON organisations USING (tenant() = 0);

-- A domain as DNS spells it (the key) and as people do; it belongs to one organisation of the installation.
CREATE TABLE organisation_domains (
    domain text PRIMARY KEY,
    org_id bigint NOT NULL DEFAULT tenant() REFERENCES organisations (id),
    spelling text NOT NULL,
    place integer NOT NULL
);
CREATE INDEX organisation_domains_org ON organisation_domains (org_id, place);
ALTER TABLE organisation_domains ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisation_domains FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organisation_domains USING (org_id = tenant());
CREATE POLICY installation ON organisation_domains FOR SELECT USING (tenant() = 0);

-- The folded columns are what prefixes are looked for in: case and compatibility forms removed by the service, compared
-- byte by byte. Tokens of a generation below the present one are refused.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY,
    org_id bigint NOT NULL DEFAULT tenant() REFERENCES organisations (id),
    email text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    display_name text NOT NULL,
    profile_image_url text,
    role_id smallint NOT NULL CHECK (role_id BETWEEN 1 AND 4),
    google_subject text,
    generation bigint NOT NULL DEFAULT 1,
    version bigint NOT NULL DEFAULT 1,
    soft_delete_by bigint,
    soft_delete_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    folded_email text COLLATE "C" NOT NULL,
    folded_first_name text COLLATE "C" NOT NULL,
    folded_last_name text COLLATE "C" NOT NULL,
    folded_display_name text COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, id),
    CONSTRAINT super_admins_run_the_installation CHECK ((role_id = 1) = (org_id = 0))
);
-- A sign-in names no organisation: an e-mail address is one person of the whole installation. POSIX compares as C does but
-- is another collation, so that no prefix is looked for here, among everybody's addresses.
CREATE UNIQUE INDEX users_email ON users (folded_email COLLATE "POSIX");
-- For the look-up of a super admin. Not ordered: else lists would walk through all organisations to find their twenty rows.
CREATE INDEX users_by_id ON users USING hash (id);
CREATE INDEX users_by_role ON users (org_id, role_id, id);
CREATE INDEX users_present ON users (org_id, id) WHERE soft_delete_at IS NULL;
CREATE INDEX users_present_by_role ON users (org_id, role_id, id) WHERE soft_delete_at IS NULL;
CREATE INDEX users_email_prefix ON users (org_id, folded_email, id);
CREATE INDEX users_first_name_prefix ON users (org_id, folded_first_name, id);
CREATE INDEX users_last_name_prefix ON users (org_id, folded_last_name, id);
CREATE INDEX users_display_name_prefix ON users (org_id, folded_display_name, id);
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON users USING (org_id = tenant());

-- Read models of other services' events; who they are about is always here already. A rebuild empties them.
CREATE TABLE balances (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    net bigint NOT NULL,
    adjusted bigint NOT NULL,
    resets_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
ALTER TABLE balances ENABLE ROW LEVEL SECURITY;
ALTER TABLE balances FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON balances USING (org_id = tenant());

CREATE TABLE hi5_counts (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    count bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
ALTER TABLE hi5_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE hi5_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON hi5_counts USING (org_id = tenant());

GRANT SELECT, INSERT, UPDATE ON organisations TO peerly_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON organisation_domains TO peerly_auth;
GRANT SELECT, INSERT ON users TO peerly_auth;
GRANT UPDATE (
    first_name, last_name, display_name, profile_image_url, role_id, google_subject, generation, version, soft_delete_by,
    soft_delete_at, folded_first_name, folded_last_name, folded_display_name
) ON users TO peerly_auth;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON balances, hi5_counts TO peerly_auth;

CREATE FUNCTION clear_read_models() RETURNS void LANGUAGE sql AS 'TRUNCATE balances, hi5_counts';
