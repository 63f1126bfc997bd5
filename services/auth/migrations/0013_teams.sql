-- Teams: people of an organisation under a name. Whoever leaves the organisation leaves its teams.
CREATE TABLE teams (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    folded_name text COLLATE "C" NOT NULL,
    member_ids bigint[] NOT NULL,
    lead_id bigint,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, folded_name)
);
CREATE INDEX teams_by_name ON teams (org_id, folded_name, id);
CREATE INDEX teams_by_lead ON teams (org_id, lead_id, id);
ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
ALTER TABLE teams FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON teams USING (org_id = tenant());
GRANT SELECT, INSERT, DELETE ON teams TO peerly_auth;
GRANT UPDATE (name, folded_name, member_ids, lead_id, version) ON teams TO peerly_auth;
SELECT record_history('teams', 'teams', '{name, member_ids, lead_id}');

CREATE FUNCTION team_document(team teams) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', team.id, 'name', team.name, 'member_ids', team.member_ids, 'lead_id', team.lead_id
    );
