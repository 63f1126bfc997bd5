-- Policies as they follow from an organisation's settings, and adjustments: what a person may spend in a period.

-- Every version of the settings that auth has told of. The policy is worked out from all of them, in the order of their
-- versions, so that it comes out the same in whatever order they arrive.
CREATE TABLE organisation_settings (
    org_id bigint NOT NULL DEFAULT tenant(),
    version bigint NOT NULL,
    hi5_limit bigint NOT NULL,
    frequency text NOT NULL,
    timezone text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, version)
);

-- Every policy that was published; the one with the highest version is in force.
CREATE TABLE policies (
    org_id bigint NOT NULL DEFAULT tenant(),
    version bigint NOT NULL,
    hi5_limit bigint NOT NULL CHECK (hi5_limit >= 0),
    -- [{from, frequency, timezone}] as in the event
    calendars jsonb NOT NULL,
    PRIMARY KEY (org_id, version)
);

-- Numbers the lines of the ledger. An adjustment takes its number when it is made and keeps it when it is posted.
CREATE SEQUENCE ledger_lines AS bigint;

CREATE TABLE adjustments (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint NOT NULL DEFAULT nextval('ledger_lines'),
    user_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    reason text NOT NULL,
    made_by bigint NOT NULL,
    -- Whole seconds, as in the event, so that both sides place it in the same period.
    at timestamptz NOT NULL CHECK (at = date_trunc('second', at)),
    -- What was left to spend just after it.
    balance_after bigint NOT NULL CHECK (balance_after >= 0),
    event_id uuid NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX adjustments_of_user ON adjustments (org_id, user_id, at DESC, id DESC);

-- The balance of each person as it was published last; `version` counts without ever going back.
CREATE TABLE balances (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    net bigint NOT NULL,
    adjusted bigint NOT NULL,
    period tstzrange NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, user_id)
);

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['organisation_settings', 'policies', 'adjustments', 'balances'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = tenant())', owned);
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON organisation_settings, policies, adjustments TO peerly_quota;
GRANT SELECT, INSERT, UPDATE ON balances TO peerly_quota;
GRANT USAGE ON SEQUENCE ledger_lines TO peerly_quota;

CREATE FUNCTION adjusted_in(of_user bigint, window_of tstzrange) RETURNS bigint LANGUAGE sql STABLE
    RETURN (
        SELECT coalesce(sum(amount), 0)::bigint FROM adjustments
        WHERE org_id = tenant() AND user_id = of_user AND at >= lower(window_of) AND at < upper(window_of)
    );

CREATE FUNCTION newest_limit() RETURNS bigint LANGUAGE sql STABLE
    RETURN (SELECT hi5_limit FROM policies WHERE org_id = tenant() ORDER BY version DESC LIMIT 1);
