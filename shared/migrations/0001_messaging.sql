-- The tables that every service has in its own schema for events: one way out, one way in.
-- They belong to no tenant and no route reads them. Applied with the service's schema as the search path.

CREATE FUNCTION tenant() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.org_id', true), '')::bigint;
COMMENT ON FUNCTION tenant() IS 'The organisation that this transaction works for; null outside of one.';

CREATE FUNCTION request_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.request_id', true), '');

CREATE FUNCTION epoch_seconds(moment timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN floor(extract(epoch FROM moment))::bigint;

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    org_id bigint NOT NULL DEFAULT tenant(),
    type text NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL,
    request_id text DEFAULT request_id(),
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- One of very many that were written at once, by a transaction that says so: it lets others go first.
    bulk boolean NOT NULL DEFAULT coalesce(current_setting('app.bulk', true) = 'on', false),
    -- Gap-free per type, given and committed by the relay before it publishes.
    position bigint,
    -- Nobody's queue took it: not tried again before this moment.
    retry_at timestamptz,
    sent_at timestamptz
);
CREATE INDEX outbox_new ON outbox (bulk, id) WHERE position IS NULL;
CREATE INDEX outbox_unsent ON outbox (bulk, id) WHERE sent_at IS NULL AND position IS NOT NULL;
CREATE UNIQUE INDEX outbox_positions ON outbox (type, position) WHERE position IS NOT NULL;
CREATE UNIQUE INDEX outbox_event_ids ON outbox (event_id);
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;

CREATE TABLE outbox_archive (LIKE outbox INCLUDING DEFAULTS);
ALTER TABLE outbox_archive ADD PRIMARY KEY (id);

-- The last position given to each type.
CREATE TABLE outbox_heads (
    type text PRIMARY KEY,
    position bigint NOT NULL
);

-- Which run of positions this is: restoring an older copy of the schema starts a new one.
CREATE TABLE outbox_epoch (
    epoch bigint NOT NULL,
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO outbox_epoch (epoch) VALUES (epoch_seconds(clock_timestamp()));

-- Kept events that a consumer asked for again: the relay sends what lies between sent_id and last_id.
CREATE TABLE replays (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    types text[] NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint,
    sent_id bigint NOT NULL DEFAULT 0,
    last_id bigint NOT NULL
);

-- Every event that was handled here, once.
CREATE TABLE inbox (
    event_id uuid PRIMARY KEY,
    type text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX inbox_received ON inbox (received_at);

-- Which positions of each publisher's types have arrived, to notice what is missing.
CREATE TABLE inbox_positions (
    publisher text NOT NULL,
    type text NOT NULL,
    epoch bigint NOT NULL,
    positions int8multirange NOT NULL DEFAULT '{}',
    head bigint NOT NULL DEFAULT 0,
    -- The lowest missing position up to the head, since when it is the lowest, and how often it was asked for.
    missing bigint,
    missing_since timestamptz,
    asked integer NOT NULL DEFAULT 0,
    asked_at timestamptz,
    PRIMARY KEY (publisher, type)
);

-- Events that cannot be handled yet. With waits_for they wait for that to arrive; all are tried at next_try_at.
CREATE TABLE parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    type text NOT NULL,
    body bytea NOT NULL,
    waits_for text,
    reason text NOT NULL,
    -- Failures so far; waiting is none.
    tries integer NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_try_at timestamptz NOT NULL
);
CREATE INDEX parked_waiting ON parked (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX parked_due ON parked (next_try_at, id);

-- Events that nobody will handle without a person's help.
CREATE TABLE dead (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid,
    type text,
    body bytea NOT NULL,
    reason text NOT NULL,
    died_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    body_hash bytea NOT NULL GENERATED ALWAYS AS (sha256(body)) STORED UNIQUE
);

-- The first answer to a request with an Idempotency-Key, kept for 48 hours.
CREATE TABLE idempotency_keys (
    org_id bigint NOT NULL DEFAULT tenant(),
    caller text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status smallint,
    answer bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, caller, route, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_keys USING (org_id = tenant());

-- Public keys that sign valid tokens, and credentials that are refused before they expire.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    x text NOT NULL,
    not_after timestamptz,
    version bigint NOT NULL
);

CREATE TABLE revocations (
    -- 'jti:<jti>', 'client:<client_id>', 'user:<id>' or 'organisation:<id>'
    credential text PRIMARY KEY,
    min_generation bigint,
    lifted boolean NOT NULL DEFAULT false,
    version bigint NOT NULL,
    effective_at timestamptz NOT NULL DEFAULT to_timestamp(0),
    expires_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX revocations_changed ON revocations (changed_at);

-- One relay leads at a time. The lock lives as long as the transaction, and a leader that freezes inside of one
-- loses both after ten seconds.
CREATE FUNCTION lead_outbox() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', '10s', true);
    RETURN pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.outbox', 0));
END
$$;

-- Gives positions to new rows, of bulk ones or of the others, no more than are published next. Returns how many rows wait to be published: 0 also
-- when another relay leads.
CREATE FUNCTION number_outbox(batch integer, of_bulk boolean DEFAULT false) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    waiting integer;
    numbered integer;
BEGIN
    IF NOT EXISTS (SELECT FROM outbox WHERE bulk = of_bulk AND position IS NULL)
        AND NOT EXISTS (SELECT FROM outbox WHERE bulk = of_bulk AND sent_at IS NULL AND position IS NOT NULL)
    THEN
        RETURN 0;
    END IF;
    IF NOT lead_outbox() THEN
        RETURN 0;
    END IF;
    SELECT count(*) INTO waiting FROM (
        SELECT FROM outbox
        WHERE bulk = of_bulk AND sent_at IS NULL AND position IS NOT NULL
            AND (retry_at IS NULL OR retry_at <= clock_timestamp())
        LIMIT batch
    ) AS due;
    WITH fresh AS MATERIALIZED (
        SELECT id, type FROM outbox
        WHERE bulk = of_bulk AND position IS NULL
        ORDER BY id LIMIT greatest(batch - waiting, 0)
    ), heads AS (
        INSERT INTO outbox_heads AS known (type, position)
        SELECT type, count(*) FROM fresh GROUP BY type ORDER BY type
        ON CONFLICT (type) DO UPDATE SET position = known.position + excluded.position
        RETURNING type, position
    ), placed AS (
        SELECT fresh.id, row_number() OVER (PARTITION BY fresh.type ORDER BY fresh.id DESC) - 1 AS before_head, fresh.type
        FROM fresh
    )
    UPDATE outbox SET position = heads.position - placed.before_head
    FROM placed JOIN heads USING (type)
    WHERE outbox.id = placed.id;
    GET DIAGNOSTICS numbered = ROW_COUNT;
    RETURN waiting + numbered;
END
$$;

-- The newest position of each type below which everything was sent.
CREATE FUNCTION sent_heads() RETURNS TABLE (type text, "position" bigint) LANGUAGE sql STABLE AS $$
    SELECT head.type, least(head.position, (
        SELECT min(waiting.position) - 1 FROM outbox AS waiting
        WHERE waiting.sent_at IS NULL AND waiting.position IS NOT NULL AND waiting.type = head.type
    ))
    FROM outbox_heads AS head
$$;

-- Takes note that a position has arrived, and of what is missing below the highest known one.
CREATE FUNCTION note_position(
    of_publisher text, of_type text, of_epoch bigint, arrived int8multirange, known_head bigint, at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept inbox_positions;
    lowest bigint;
BEGIN
    INSERT INTO inbox_positions (publisher, type, epoch) VALUES (of_publisher, of_type, of_epoch) ON CONFLICT DO NOTHING;
    SELECT * INTO kept FROM inbox_positions WHERE publisher = of_publisher AND type = of_type FOR UPDATE;
    IF of_epoch < kept.epoch THEN
        RETURN;
    END IF;
    IF of_epoch > kept.epoch THEN
        kept.positions := '{}';
        kept.head := 0;
        kept.missing := NULL;
    END IF;
    kept.positions := kept.positions + arrived;
    kept.head := greatest(kept.head, known_head);
    lowest := CASE WHEN kept.positions @> 1::bigint THEN (SELECT upper(part) FROM unnest(kept.positions) AS part LIMIT 1) ELSE 1 END;
    IF lowest > kept.head THEN
        lowest := NULL;
    END IF;
    UPDATE inbox_positions SET
        epoch = of_epoch,
        positions = kept.positions,
        head = kept.head,
        missing = lowest,
        missing_since = CASE WHEN lowest IS NOT DISTINCT FROM kept.missing THEN kept.missing_since WHEN lowest IS NOT NULL THEN at END,
        asked = CASE WHEN lowest IS NOT DISTINCT FROM kept.missing THEN kept.asked ELSE 0 END,
        asked_at = CASE WHEN lowest IS NOT DISTINCT FROM kept.missing THEN kept.asked_at END
    WHERE publisher = of_publisher AND type = of_type;
END
$$;

-- Handlers of one service run one at a time, whatever the number of its processes.
CREATE FUNCTION lock_inbox() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.inbox', 0))
$$;

-- Makes an event this transaction's to handle: true once, false for what was handled or is parked.
CREATE FUNCTION claim_event(
    of_event uuid, of_publisher text, of_type text, of_epoch bigint, at_position bigint, at timestamptz, from_parked boolean
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_inbox();
    IF from_parked THEN
        DELETE FROM parked WHERE event_id = of_event;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    ELSE
        IF at_position IS NOT NULL THEN
            PERFORM note_position(
                of_publisher, of_type, of_epoch, int8multirange(int8range(at_position, at_position, '[]')), at_position, at
            );
        END IF;
        IF EXISTS (SELECT FROM parked WHERE event_id = of_event) THEN
            RETURN false;
        END IF;
    END IF;
    INSERT INTO inbox (event_id, type) VALUES (of_event, of_type) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;

-- The same for several events at once; returns those that are this transaction's to handle.
CREATE FUNCTION claim_events(
    of_events uuid[], of_publishers text[], of_types text[], of_epochs bigint[], at_positions bigint[], at timestamptz
) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_inbox();
    PERFORM note_position(arrived.publisher, arrived.type, arrived.epoch, arrived.positions, arrived.head, at)
    FROM (
        SELECT publisher, type, epoch, range_agg(int8range(place, place, '[]')) AS positions, max(place) AS head
        FROM unnest(of_publishers, of_types, of_epochs, at_positions) AS event (publisher, type, epoch, place)
        WHERE place IS NOT NULL
        GROUP BY publisher, type, epoch
        ORDER BY publisher, type, epoch
    ) AS arrived;
    RETURN QUERY
        INSERT INTO inbox (event_id, type)
        SELECT DISTINCT event.id, event.type
        FROM unnest(of_events, of_types) AS event (id, type)
        WHERE NOT EXISTS (SELECT FROM parked WHERE event_id = event.id)
        ON CONFLICT DO NOTHING
        RETURNING event_id;
END
$$;

-- Keeps an event for later. Nothing happens to what was handled in the meantime.
CREATE FUNCTION park_event(
    of_event uuid, of_type text, of_body bytea, missing text, why text, failures integer, at timestamptz, try_at timestamptz
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO parked AS known (event_id, type, body, waits_for, reason, tries, parked_at, next_try_at)
    SELECT of_event, of_type, of_body, missing, why, failures, at, try_at
    WHERE NOT EXISTS (SELECT FROM inbox WHERE event_id = of_event)
    ON CONFLICT (event_id) DO UPDATE SET
        waits_for = excluded.waits_for, reason = excluded.reason, tries = excluded.tries, next_try_at = excluded.next_try_at
$$;

CREATE FUNCTION lock_arrival(of_key text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.arrival.' || of_key, 0))
$$;

-- Releases the events that wait for this. Whoever is about to park one takes the same lock and looks once more, so
-- that none is parked for what has just arrived.
CREATE FUNCTION arrive(of_key text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    released integer;
BEGIN
    PERFORM lock_arrival(of_key);
    UPDATE parked SET waits_for = NULL, next_try_at = '-infinity' WHERE waits_for = of_key;
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$$;

-- Housekeeping that the service's own role may not do row by row: it never deletes an event, and it sees one tenant.
CREATE FUNCTION archive_outbox(before timestamptz, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moved integer;
BEGIN
    WITH old AS (
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE sent_at < before ORDER BY sent_at LIMIT batch FOR UPDATE SKIP LOCKED
        ) RETURNING *
    )
    INSERT INTO outbox_archive SELECT * FROM old;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;

CREATE FUNCTION forget_idempotency_keys(before timestamptz, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    forgotten integer;
BEGIN
    DELETE FROM idempotency_keys WHERE ctid IN (
        SELECT ctid FROM idempotency_keys WHERE created_at < before ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

-- The service's own role: what it may do with the tables above. An event, once written, is never changed or deleted.
DO $$
DECLARE
    service_role text := 'peerly_' || current_schema();
    definer_role text := service_role || '_definer';
    job text;
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON outbox TO %I', service_role);
    EXECUTE format('GRANT UPDATE (position, retry_at, sent_at) ON outbox TO %I', service_role);
    EXECUTE format('GRANT SELECT ON outbox_archive, outbox_epoch TO %I', service_role);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_heads, replays, inbox, inbox_positions, parked, dead, idempotency_keys,'
        ' signing_keys, revocations TO %I',
        service_role
    );
    EXECUTE format('GRANT TRUNCATE ON inbox, parked TO %I', service_role);
    EXECUTE format('GRANT SELECT, UPDATE, DELETE ON outbox TO %I', definer_role);
    EXECUTE format('GRANT INSERT ON outbox_archive TO %I', definer_role);
    EXECUTE format('GRANT SELECT, UPDATE, DELETE ON idempotency_keys TO %I', definer_role);
    EXECUTE format('CREATE POLICY housekeeping ON idempotency_keys TO %I USING (true)', definer_role);
    FOREACH job IN ARRAY ARRAY['archive_outbox(timestamptz, integer)', 'forget_idempotency_keys(timestamptz, integer)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', job, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', job);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', job, service_role);
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', job, definer_role);
    END LOOP;
END
$$;
