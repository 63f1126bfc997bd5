-- How people prove who they are: local passwords, one-time links, attempts to guess, and the keys that sign tokens.

CREATE TABLE passwords (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    hash text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, user_id),
    FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON UPDATE CASCADE
);
ALTER TABLE passwords ENABLE ROW LEVEL SECURITY;
ALTER TABLE passwords FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON passwords USING (org_id = tenant());

-- Only a hash of the link's token is kept. One link a person: a new one replaces it, using it removes it.
CREATE TABLE password_resets (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    made_by bigint,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, user_id),
    FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON UPDATE CASCADE
);
CREATE INDEX password_resets_made_by ON password_resets (made_by);
ALTER TABLE password_resets ENABLE ROW LEVEL SECURITY;
ALTER TABLE password_resets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON password_resets USING (org_id = tenant());

-- Password checks that failed or still run, by the hash of the account's name, known or not. They belong to no tenant.
CREATE TABLE sign_in_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bytea NOT NULL,
    address text NOT NULL,
    at timestamptz NOT NULL,
    running boolean NOT NULL DEFAULT true
);
CREATE INDEX sign_in_attempts_account ON sign_in_attempts (account, at);
CREATE INDEX sign_in_attempts_address ON sign_in_attempts (address, at);
CREATE INDEX sign_in_attempts_at ON sign_in_attempts (at);

CREATE TABLE known_addresses (
    account bytea NOT NULL,
    address text NOT NULL,
    signed_in_at timestamptz NOT NULL,
    PRIMARY KEY (account, address)
);

-- Private keys, encrypted by the service; which of them signs is the newest whose time has come.
CREATE TABLE key_pairs (
    kid text PRIMARY KEY,
    sealed bytea NOT NULL,
    public_key text NOT NULL,
    signs_from timestamptz NOT NULL,
    not_after timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT SELECT, INSERT, UPDATE ON passwords TO peerly_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON password_resets, sign_in_attempts, known_addresses, key_pairs TO peerly_auth;

-- Decides whether a password may be checked now, and writes the attempt down before it is: so the limits hold for
-- parallel guesses too. Ten failures for an account from one address, a hundred from an address, a hundred for an
-- account, in 15 minutes; beyond the last only addresses that signed in to the account within 30 days are served.
-- verdict: 'allowed' with attempt; 'busy' when checks that still run fill the limit; 'blocked' with retry_after seconds.
-- A check that has run for ten seconds died with its process and counts as a failure.
CREATE FUNCTION begin_attempt(
    of_account bytea, from_address text, moment timestamptz, OUT verdict text, OUT attempt bigint, OUT retry_after integer
) LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz := moment - interval '15 minutes';
    limited record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('attempt.account.' || encode(of_account, 'hex'), 0));
    PERFORM pg_advisory_xact_lock(hashtextextended('attempt.address.' || from_address, 0));
    DELETE FROM sign_in_attempts WHERE id IN (
        SELECT id FROM sign_in_attempts WHERE at <= since ORDER BY at LIMIT 50 FOR UPDATE SKIP LOCKED
    );
    WITH recent AS (
        SELECT id, at, running AND at > moment - interval '10 seconds' AS still_runs, account = of_account AS of_this_account,
            address = from_address AS from_this_address
        FROM sign_in_attempts
        WHERE at > since AND (account = of_account OR address = from_address)
    ), limits AS (
        SELECT 'account from address' AS kind, 10 AS most, recent.* FROM recent WHERE of_this_account AND from_this_address
        UNION ALL
        SELECT 'address', 100, recent.* FROM recent WHERE from_this_address
        UNION ALL
        SELECT 'account', 100, recent.* FROM recent WHERE of_this_account AND NOT EXISTS (
            SELECT FROM known_addresses
            WHERE account = of_account AND address = from_address AND signed_in_at > moment - interval '30 days'
        )
    ), counted AS (
        SELECT most, count(*) AS all_of_them, count(*) FILTER (WHERE NOT still_runs) AS failures, min(at) AS oldest
        FROM limits GROUP BY kind, most
    )
    SELECT failures >= most AS full_up, ceil(extract(epoch FROM oldest - since))::integer AS seconds INTO limited
    FROM counted WHERE all_of_them >= most ORDER BY failures >= most DESC, oldest DESC LIMIT 1;
    IF limited IS NULL THEN
        INSERT INTO sign_in_attempts (account, address, at) VALUES (of_account, from_address, moment) RETURNING id INTO attempt;
        verdict := 'allowed';
    ELSIF limited.full_up THEN
        verdict := 'blocked';
        retry_after := greatest(1, limited.seconds);
    ELSE
        verdict := 'busy';
    END IF;
END
$$;
