-- What recognition, quota and moderation know of organisations and people: read models fed by auth's events.

CREATE TABLE organisations (
    org_id bigint PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL,
    hi5_limit bigint NOT NULL,
    hi5_quota_renewal_frequency text NOT NULL,
    timezone text NOT NULL,
    recognition_hi5_cost integer NOT NULL,
    version bigint NOT NULL
);
ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organisations USING (org_id = tenant());

-- A row at version 0 comes from a valid token that arrived before its owner's event.
CREATE TABLE members (
    org_id bigint NOT NULL DEFAULT tenant(),
    user_id bigint NOT NULL,
    email text NOT NULL DEFAULT '',
    first_name text NOT NULL DEFAULT '',
    last_name text NOT NULL DEFAULT '',
    display_name text NOT NULL DEFAULT '',
    profile_image_url text,
    role_id integer NOT NULL,
    active boolean NOT NULL DEFAULT true,
    -- The least generation of the person's tokens that counts.
    generation bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX members_email ON members (org_id, lower(email));
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
ALTER TABLE members FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON members USING (org_id = tenant());

-- The card of a person as feeds and lists show it, with empty names until the person's event has come.
CREATE FUNCTION person_card(whose bigint, member members) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
    RETURN json_build_object(
        'id', whose,
        'first_name', coalesce(member.first_name, ''),
        'last_name', coalesce(member.last_name, ''),
        'display_name', coalesce(member.display_name, ''),
        'profile_image_url', member.profile_image_url
    );

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON organisations, members TO %I', 'peerly_' || current_schema());
END
$$;
