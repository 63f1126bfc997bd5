-- The right to spend hi5s, held where they are spent: what quota decided, one allowance a user and period, and every spend.

-- Each version of an organisation's policy that quota has published; the newest is in force.
CREATE TABLE policies (
    org_id bigint NOT NULL DEFAULT tenant(),
    version bigint NOT NULL,
    hi5_limit bigint NOT NULL CHECK (hi5_limit >= 0),
    -- [{"from": epoch seconds, "frequency": ..., "timezone": ...}]
    calendars jsonb NOT NULL,
    PRIMARY KEY (org_id, version)
);
ALTER TABLE policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE policies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON policies USING (org_id = tenant());

-- The newest set of adjustments of a person: its version, and its members.
CREATE TABLE adjustment_sets (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
ALTER TABLE adjustment_sets ENABLE ROW LEVEL SECURITY;
ALTER TABLE adjustment_sets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON adjustment_sets USING (org_id = tenant());

CREATE TABLE adjustments (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    id bigint NOT NULL,
    at timestamptz NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (org_id, user_id, id)
);
ALTER TABLE adjustments ENABLE ROW LEVEL SECURITY;
ALTER TABLE adjustments FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON adjustments USING (org_id = tenant());

CREATE TABLE allowances (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    granted bigint NOT NULL,
    spent_total bigint NOT NULL DEFAULT 0,
    refunded_total bigint NOT NULL DEFAULT 0,
    -- Counts the changes without gaps: every event about this allowance carries it.
    seq bigint NOT NULL DEFAULT 0,
    -- What `granted` follows from; 0 before any adjustment.
    policy_version bigint NOT NULL,
    adjustments_version bigint NOT NULL DEFAULT 0,
    -- Set while its owner is deactivated: the version of that event, and when it was applied.
    closed_version bigint,
    closed_at timestamptz,
    PRIMARY KEY (org_id, id),
    CONSTRAINT allowances_never_overspent CHECK (spent_total - refunded_total BETWEEN 0 AND granted),
    CONSTRAINT allowances_one_at_a_time
        EXCLUDE USING gist (int8range(user_id, user_id, '[]') WITH &&, tstzrange(starts_at, ends_at) WITH &&)
) WITH (fillfactor = 60);
-- Plain columns, not a range: row-level security keeps range operators from using an index.
CREATE UNIQUE INDEX allowances_of_user ON allowances (org_id, user_id, ends_at);
ALTER TABLE allowances ENABLE ROW LEVEL SECURITY;
ALTER TABLE allowances FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON allowances USING (org_id = tenant());

-- Append-only, as are the refunds.
CREATE TABLE spends (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    allowance_id bigint NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hi5', 'recognition')),
    user_id bigint NOT NULL,
    recognition_id bigint NOT NULL,
    hi5_id bigint CHECK ((hi5_id IS NOT NULL) = (kind = 'hi5')),
    at timestamptz NOT NULL,
    -- What was in force when it was spent, and what was spent net of refunds with it.
    policy_version bigint NOT NULL,
    target bigint NOT NULL,
    net bigint NOT NULL CHECK (net BETWEEN 1 AND target),
    PRIMARY KEY (org_id, id),
    CONSTRAINT spends_allowance FOREIGN KEY (org_id, allowance_id) REFERENCES allowances (org_id, id),
    CONSTRAINT spends_recognition FOREIGN KEY (org_id, recognition_id) REFERENCES recognitions (org_id, id),
    CONSTRAINT spends_hi5 FOREIGN KEY (org_id, hi5_id) REFERENCES hi5s (org_id, id)
);
CREATE UNIQUE INDEX spends_seq ON spends (org_id, allowance_id, seq);
CREATE INDEX spends_of_recognition ON spends (org_id, recognition_id);
ALTER TABLE spends ENABLE ROW LEVEL SECURITY;
ALTER TABLE spends FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON spends USING (org_id = tenant());

CREATE TABLE refunds (
    org_id bigint NOT NULL DEFAULT tenant(),
    spend_id bigint NOT NULL,
    allowance_id bigint NOT NULL,
    seq bigint NOT NULL,
    reason text NOT NULL CHECK (reason IN ('hidden', 'deleted')),
    at timestamptz NOT NULL,
    PRIMARY KEY (org_id, spend_id),
    CONSTRAINT refunds_spend FOREIGN KEY (org_id, spend_id) REFERENCES spends (org_id, id)
);
CREATE UNIQUE INDEX refunds_seq ON refunds (org_id, allowance_id, seq);
ALTER TABLE refunds ENABLE ROW LEVEL SECURITY;
ALTER TABLE refunds FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refunds USING (org_id = tenant());

GRANT SELECT, INSERT ON policies TO peerly_recognition;
GRANT SELECT, INSERT, DELETE ON adjustments TO peerly_recognition;
GRANT SELECT, INSERT, UPDATE ON adjustment_sets TO peerly_recognition;
GRANT SELECT, INSERT ON allowances, spends, refunds TO peerly_recognition;
GRANT UPDATE (granted, spent_total, refunded_total, seq, policy_version, adjustments_version, closed_version, closed_at)
    ON allowances TO peerly_recognition;
