-- What became of each resource: written by triggers in the transaction of the change, so that no command can forget it.
-- Rows are added and read, never changed.

CREATE TABLE history (
    org_id bigint NOT NULL DEFAULT tenant(),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    resource_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Null: the platform itself.
    actor_id bigint DEFAULT nullif(current_setting('app.actor_id', true), '')::bigint,
    action text NOT NULL,
    -- [{field, old, new}]
    changes jsonb NOT NULL,
    request_id text DEFAULT request_id(),
    PRIMARY KEY (org_id, kind, resource_id, seq)
);
CREATE INDEX history_of_kind ON history (org_id, kind, seq);
ALTER TABLE history ENABLE ROW LEVEL SECURITY;
ALTER TABLE history FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON history FOR SELECT USING (org_id = tenant());
-- The installation begins organisations, and writes the first entry of each into its own.
CREATE POLICY entry ON history FOR INSERT WITH CHECK (org_id = tenant() OR tenant() = 0);

-- A row as clients see it: moments are epoch seconds.
CREATE FUNCTION history_value(state jsonb, field text) RETURNS jsonb LANGUAGE sql STABLE
    RETURN CASE
        WHEN field ~ '(^|_)(at|upto)$' AND jsonb_typeof(state -> field) = 'string'
        THEN to_jsonb(epoch_seconds((state ->> field)::timestamptz))
        ELSE coalesce(state -> field, 'null')
    END;

CREATE FUNCTION history_changes(before jsonb, after jsonb, fields text[]) RETURNS jsonb LANGUAGE sql STABLE
    RETURN (
        SELECT coalesce(
            jsonb_agg(
                jsonb_build_object('field', field, 'old', history_value(before, field), 'new', history_value(after, field))
                ORDER BY place
            ),
            '[]'
        )
        FROM unnest(fields) WITH ORDINALITY AS named (field, place)
        WHERE history_value(before, field) <> history_value(after, field)
    );

-- Arguments: kind, column of the id, column of the organisation, fields, and as JSON what it is called when a column
-- becomes set (or true) and when it becomes unset: {"deleted_at": ["deleted", "restored"]}; what a part of a greater thing
-- is called there: the entry is the greater thing's, its action "report_created".
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    present jsonb := CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
    changed jsonb := history_changes(before, after, TG_ARGV[3]::text[]);
    called text := CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'DELETE' THEN 'deleted' ELSE 'changed' END;
    turn record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF changed = '[]' THEN
            RETURN NULL;
        END IF;
        FOR turn IN SELECT key AS field, value AS names FROM jsonb_each(TG_ARGV[4]::jsonb) LOOP
            IF history_is_set(after -> turn.field) <> history_is_set(before -> turn.field) THEN
                called := turn.names ->> (CASE WHEN history_is_set(after -> turn.field) THEN 0 ELSE 1 END);
            END IF;
        END LOOP;
    END IF;
    INSERT INTO history (org_id, kind, resource_id, action, changes)
    VALUES (
        -- What moves to another organisation is in the log of the one that it leaves.
        -- What has no organisation is of whoever works on it, in the end of the installation.
        CASE
            WHEN TG_OP = 'INSERT' OR tenant() IS NULL THEN coalesce((present ->> TG_ARGV[2])::bigint, tenant(), 0)
            ELSE tenant()
        END,
        TG_ARGV[0], (present ->> TG_ARGV[1])::bigint,
        coalesce(nullif(TG_ARGV[5], '') || '_', '') || called, changed
    );
    RETURN NULL;
END
$$;

CREATE FUNCTION history_is_set(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE
    RETURN coalesce(value, 'null') NOT IN ('null', 'false');

-- Keeps the history of a table from here on. Of a fresh row and of a removed one all fields are kept.
CREATE FUNCTION record_history(
    of_table text, kind text, fields text[], turns jsonb DEFAULT '{}',
    id_column text DEFAULT 'id', org_column text DEFAULT 'org_id', part text DEFAULT ''
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER history AFTER INSERT OR DELETE OR UPDATE OF %s ON %I FOR EACH ROW EXECUTE FUNCTION'
        ' keep_history(%L, %L, %L, %L, %L, %L)',
        (SELECT string_agg(quote_ident(field), ', ') FROM unnest(fields) AS field),
        of_table, kind, id_column, org_column, fields, turns, part
    );
END
$$;

CREATE FUNCTION history_document(entry history) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'seq', entry.seq,
        'id', entry.resource_id,
        'at', epoch_seconds(entry.at),
        'actor', entry.actor_id,
        'action', entry.action,
        'changes', entry.changes,
        'request_id', entry.request_id
    );

DO $$
BEGIN
    EXECUTE format('GRANT SELECT ON history TO %I', 'peerly_' || current_schema());
    -- When something happened, and for whom, is not for a service to say: the clock and the transaction do.
    EXECUTE format(
        'GRANT INSERT (org_id, kind, resource_id, action, changes) ON history TO %1$I, %2$I',
        'peerly_' || current_schema(), 'peerly_' || current_schema() || '_definer'
    );
    -- Whoever changes a row, also an administrator who repairs one, whatever is on their path.
    EXECUTE format('ALTER FUNCTION keep_history() SET search_path = %I, pg_temp', current_schema());
END
$$;
