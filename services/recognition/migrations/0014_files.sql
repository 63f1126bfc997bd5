-- Files: containers that attributes refer to, entries in them, and the contents that a store has for them.

CREATE TABLE file_containers (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (kind IN ('users', 'core_values', 'recognitions')),
    resource_id bigint NOT NULL,
    attribute text NOT NULL,
    PRIMARY KEY (org_id, id),
    CONSTRAINT file_containers_of_attribute UNIQUE (org_id, kind, resource_id, attribute)
);
ALTER TABLE file_containers ENABLE ROW LEVEL SECURITY;
ALTER TABLE file_containers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON file_containers USING (org_id = tenant());

-- Every change of any container, in its order; like all numbers it does not go back when an older copy is restored.
CREATE SEQUENCE file_changes;

CREATE TABLE files (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    container_id bigint NOT NULL,
    -- As in the container: whose history the entry is in.
    kind text NOT NULL,
    resource_id bigint NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    media_type text NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    width integer,
    height integer,
    sha256 text NOT NULL,
    content_key text NOT NULL,
    uploaded_by bigint NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed_at timestamptz,
    removed_by bigint,
    PRIMARY KEY (org_id, id),
    CONSTRAINT files_container FOREIGN KEY (org_id, container_id) REFERENCES file_containers (org_id, id)
);
CREATE INDEX files_of_container ON files (org_id, container_id, id) WHERE removed_at IS NULL;
CREATE INDEX files_of_resource ON files (org_id, kind, resource_id) WHERE removed_at IS NULL;
ALTER TABLE files ENABLE ROW LEVEL SECURITY;
ALTER TABLE files FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON files USING (org_id = tenant());

-- What the store may have: written before the content is, so that nothing is there of which the database does not know.
CREATE TABLE file_contents (
    org_id bigint NOT NULL DEFAULT tenant(),
    key text NOT NULL CHECK (key ~ '^[0-9a-f]{32}$'),
    -- Null while an entry has it.
    unused_since timestamptz DEFAULT clock_timestamp(),
    PRIMARY KEY (key)
);
CREATE INDEX file_contents_unused ON file_contents (unused_since) WHERE unused_since IS NOT NULL;
ALTER TABLE file_contents ENABLE ROW LEVEL SECURITY;
ALTER TABLE file_contents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON file_contents USING (org_id = tenant());

-- An entry that is removed, by whatever statement, leaves its content to be collected.
CREATE FUNCTION leave_content() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE file_contents SET unused_since = clock_timestamp() WHERE key = NEW.content_key;
    RETURN NULL;
END $$;
CREATE TRIGGER leave_content AFTER UPDATE OF removed_at ON files FOR EACH ROW
    WHEN (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL) EXECUTE FUNCTION leave_content();

-- Files go with the recognition or the core value that they belong to.
CREATE FUNCTION take_files_along() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE files SET removed_at = clock_timestamp(), removed_by = nullif(current_setting('app.actor_id', true), '')::bigint
    WHERE org_id = OLD.org_id AND kind = TG_ARGV[0] AND resource_id = OLD.id AND removed_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER take_files_along AFTER UPDATE OF deleted_at ON recognitions FOR EACH ROW
    WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION take_files_along('recognitions');
CREATE TRIGGER take_files_along AFTER DELETE ON core_values FOR EACH ROW EXECUTE FUNCTION take_files_along('core_values');

-- A picture and a thumbnail are in the history as the attribute that refers to them; attachments as themselves.
CREATE TRIGGER history AFTER INSERT OR UPDATE OF removed_at ON files FOR EACH ROW WHEN (NEW.kind = 'recognitions')
    EXECUTE FUNCTION keep_history(
        'recognitions', 'resource_id', 'org_id', '{name, media_type, size, removed_at}',
        '{"removed_at": ["removed", "restored"]}', 'file'
    );

-- The container of a recognition's attachments: null before the first one.
ALTER TABLE recognitions ADD COLUMN attachments bigint;

CREATE OR REPLACE VIEW recognition_documents WITH (security_invoker = true) AS
SELECT
    thanks.id,
    thanks.given_at,
    thanks.hidden,
    thanks.version,
    json_build_object(
        'id', thanks.id,
        'text', thanks.text,
        'given_for', thanks.given_for,
        'given_by', thanks.given_by,
        'given_at', epoch_seconds(thanks.given_at),
        'core_value', json_build_object(
            'id', value.id, 'text', value.text, 'description', value.description, 'thumbnail', value.thumbnail
        ),
        'hi5_count', thanks.hi5_count,
        'attachments', thanks.attachments,
        'given_for_user', person_card(thanks.given_for, receiver),
        'given_by_user', person_card(thanks.given_by, giver)
    ) AS document
FROM recognitions AS thanks
JOIN core_values AS value ON value.org_id = thanks.org_id AND value.id = thanks.core_value_id
LEFT JOIN members AS receiver ON receiver.org_id = thanks.org_id AND receiver.user_id = thanks.given_for
LEFT JOIN members AS giver ON giver.org_id = thanks.org_id AND giver.user_id = thanks.given_by
WHERE thanks.deleted_at IS NULL;

GRANT SELECT, INSERT, UPDATE (kind) ON file_containers TO peerly_recognition;
GRANT SELECT, INSERT, UPDATE (removed_at, removed_by) ON files TO peerly_recognition;
GRANT SELECT, INSERT, UPDATE (unused_since) ON file_contents TO peerly_recognition;
GRANT USAGE ON SEQUENCE file_changes TO peerly_recognition;

-- What the collector asks, for all organisations: it runs as a role that may see and forget these rows and nothing else.
GRANT SELECT, DELETE ON file_contents TO peerly_recognition_definer;
CREATE POLICY collect ON file_contents TO peerly_recognition_definer USING (true);

CREATE FUNCTION unused_contents(since timestamptz, most bigint) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = recognition, pg_temp
RETURN ARRAY(SELECT key FROM file_contents WHERE unused_since < since ORDER BY unused_since LIMIT most);

CREATE FUNCTION forget_contents(keys text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = recognition, pg_temp
BEGIN ATOMIC
    DELETE FROM file_contents WHERE key = ANY (keys) AND unused_since IS NOT NULL;
END;

REVOKE EXECUTE ON FUNCTION unused_contents(timestamptz, bigint), forget_contents(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unused_contents(timestamptz, bigint), forget_contents(text[]) TO peerly_recognition;
ALTER FUNCTION unused_contents(timestamptz, bigint) OWNER TO peerly_recognition_definer;
ALTER FUNCTION forget_contents(text[]) OWNER TO peerly_recognition_definer;
