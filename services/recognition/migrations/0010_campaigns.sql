-- Campaigns: recognition drives with a goal; and the teams of auth, as its events tell of them.

CREATE TABLE campaigns (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    -- The name as it is compared.
    name_key text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    goal_metric text NOT NULL CHECK (goal_metric IN ('recognitions', 'hi5s', 'distinct_receivers')),
    goal_target bigint NOT NULL CHECK (goal_target >= 1),
    -- What counts towards the goal: of these core values and of people in these teams; empty: of all.
    core_value_ids bigint [] NOT NULL DEFAULT '{}',
    team_ids bigint [] NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX campaigns_by_name ON campaigns (org_id, name_key COLLATE "C", id);
CREATE INDEX campaigns_by_start ON campaigns (org_id, starts_at, id);
CREATE INDEX campaigns_by_end ON campaigns (org_id, ends_at, id);
ALTER TABLE campaigns ENABLE ROW LEVEL SECURITY;
ALTER TABLE campaigns FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON campaigns USING (org_id = tenant());
GRANT SELECT, INSERT, DELETE ON campaigns TO peerly_recognition;
GRANT UPDATE (name, name_key, starts_at, ends_at, goal_metric, goal_target, core_value_ids, team_ids, version)
    ON campaigns TO peerly_recognition;
SELECT record_history(
    'campaigns', 'campaigns', '{name, starts_at, ends_at, goal_metric, goal_target, core_value_ids, team_ids}'
);

CREATE FUNCTION campaign_document(campaign campaigns) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', campaign.id, 'name', campaign.name,
        'starts_at', epoch_seconds(campaign.starts_at), 'ends_at', epoch_seconds(campaign.ends_at),
        'goal_metric', campaign.goal_metric, 'goal_target', campaign.goal_target,
        'core_value_ids', campaign.core_value_ids, 'team_ids', campaign.team_ids
    );

-- A core value that a campaign names is in use, as one that a recognition refers to.
CREATE FUNCTION keep_named_core_value() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM campaigns WHERE org_id = OLD.org_id AND OLD.id = ANY (core_value_ids)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a campaign names this core value', CONSTRAINT = 'campaigns_core_values';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER named_by_campaigns BEFORE DELETE ON core_values FOR EACH ROW EXECUTE FUNCTION keep_named_core_value();

-- A team that was removed stays as a row, so that an older event does not bring it back; it has no members.
CREATE TABLE teams (
    org_id bigint NOT NULL DEFAULT tenant(),
    team_id bigint NOT NULL,
    name text NOT NULL,
    lead_id bigint,
    removed boolean NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, team_id)
);
ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
ALTER TABLE teams FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON teams USING (org_id = tenant());

CREATE TABLE team_members (
    org_id bigint NOT NULL DEFAULT tenant(),
    team_id bigint NOT NULL,
    user_id bigint NOT NULL,
    PRIMARY KEY (org_id, team_id, user_id)
);
ALTER TABLE team_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE team_members FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON team_members USING (org_id = tenant());

GRANT SELECT, INSERT, UPDATE ON teams TO peerly_recognition;
GRANT SELECT, INSERT, DELETE ON team_members TO peerly_recognition;

-- Empties the read models of all organisations before they are filled again from the events; own data stays.
CREATE OR REPLACE FUNCTION clear_read_models() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = recognition, pg_temp AS $$
BEGIN
    TRUNCATE members, organisations, policies, adjustment_sets, adjustments, teams, team_members;
END $$;
