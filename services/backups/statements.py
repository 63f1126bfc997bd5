"""The SQL around what an archive brings: all of it is one transaction with it."""

from __future__ import annotations

BEFORE = "peerly_before_restore"
"""Where a single service's present schema waits until it has told what must not go back."""

BEGIN = """
BEGIN;
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL deadlock_timeout = '30s';
SELECT pg_advisory_xact_lock(hashtextextended('peerly.restore', 0));
"""

REMOVE = "DROP SCHEMA IF EXISTS {service} CASCADE;\n"

SET_ASIDE = """
DO $$
DECLARE
    owned record;
BEGIN
    FOR owned IN
        SELECT tablename FROM pg_tables WHERE schemaname = '{service}' ORDER BY tablename LIKE 'outbox%', tablename
    LOOP
        EXECUTE format('LOCK TABLE {service}.%I IN ACCESS EXCLUSIVE MODE', owned.tablename);
    END LOOP;
END $$;
"""
"""Nothing writes here any more, and what had begun has ended."""

HEARD = """
DO $$
DECLARE
    late bigint;
BEGIN
    FOR attempt IN 1..60 LOOP
        SELECT count(*) INTO late FROM {service}.outbox AS sent JOIN {consumer}.inbox_positions AS heard
            ON heard.publisher = '{service}' AND heard.type = sent.type
        WHERE sent.sent_at IS NOT NULL AND heard.epoch = (SELECT epoch FROM {service}.outbox_epoch)
            AND NOT heard.positions @> sent.position;
        EXIT WHEN late = 0;
        PERFORM pg_sleep(0.5);
    END LOOP;
    IF late > 0 THEN
        RAISE EXCEPTION '{consumer} has yet to handle % events that {service} has sent: start it, and try again', late;
    END IF;
END $$;
"""
"""What is under way tells of what the copy does not know; it must not arrive after the copy is there."""

RENAME = f"ALTER SCHEMA {{service}} RENAME TO {BEFORE};\n"

NEW_EPOCH = """
UPDATE {service}.outbox_epoch SET epoch = greatest(epoch + 1, extract(epoch FROM clock_timestamp())::bigint);
"""

CARRY_OVER = f"""
SET LOCAL search_path = {{service}};
UPDATE {{service}}.outbox_epoch SET epoch = greatest(epoch, (SELECT epoch + 1 FROM {BEFORE}.outbox_epoch));
INSERT INTO {{service}}.signing_keys AS known SELECT * FROM {BEFORE}.signing_keys
    ON CONFLICT (kid) DO UPDATE SET not_after = excluded.not_after, version = excluded.version
    WHERE known.version < excluded.version;
INSERT INTO {{service}}.revocations AS known SELECT * FROM {BEFORE}.revocations
    ON CONFLICT (credential) DO UPDATE SET min_generation = excluded.min_generation, lifted = excluded.lifted,
        version = excluded.version, effective_at = excluded.effective_at, expires_at = excluded.expires_at,
        changed_at = excluded.changed_at
    WHERE known.version < excluded.version;
SELECT note_position(publisher, type, epoch, '{{{{}}}}', head, clock_timestamp() - interval '1 day')
FROM {BEFORE}.inbox_positions;
DO $$
DECLARE
    counter record;
BEGIN
    FOR counter IN
        SELECT sequencename AS name, greatest(old.last_value, new.last_value) AS number
        FROM pg_sequences AS old JOIN pg_sequences AS new USING (sequencename)
        WHERE old.schemaname = '{BEFORE}' AND new.schemaname = '{{service}}'
            AND coalesce(old.last_value, new.last_value) IS NOT NULL
    LOOP
        PERFORM setval(format('{{service}}.%I', counter.name), counter.number);
    END LOOP;
END $$;
"""  # noqa: S608
"""Revocations hold, missed events are asked for at once, and no number is given to two things."""

START_AGAIN = """
SET LOCAL search_path = {consumer};
SELECT note_position(
    '{service}', heard.type, epoch.epoch, '{{}}', head.position, clock_timestamp() - interval '1 day'
)
FROM {service}.outbox_epoch AS epoch, {consumer}.inbox_positions AS heard
JOIN {service}.outbox_heads AS head ON head.type = heard.type
WHERE heard.publisher = '{service}';
"""
"""The consumer learns of the new epoch and asks for what it has not had from the copy."""

RESTATE = """
SET LOCAL search_path = recognition;
INSERT INTO outbox (org_id, type, subject, data)
SELECT org_id, 'AllowancesRestated.v1', 'user/' || user_id, jsonb_build_object(
    'user_id', user_id,
    'restated_at', epoch_seconds(clock_timestamp()),
    'epoch', (SELECT epoch FROM outbox_epoch),
    'allowances', coalesce(jsonb_agg(block ORDER BY id) FILTER (WHERE block IS NOT NULL), '[]'),
    'lost', coalesce(jsonb_agg(id ORDER BY id) FILTER (WHERE block IS NULL), '[]')
)
FROM (
    SELECT org_id, id, user_id, CASE WHEN held.seq IS NOT NULL THEN allowance_block(held) END AS block
    FROM (SELECT * FROM allowances WHERE seq > 0) AS held
    FULL JOIN (
        SELECT org_id, allowance_id AS id, user_id, seq AS booked_seq, granted AS booked_granted,
            spent_total AS booked_spent, refunded_total AS booked_refunded
        FROM quota.allowance_books WHERE NOT outlived
    ) AS book USING (org_id, id, user_id)
    WHERE (seq, granted, spent_total, refunded_total)
        IS DISTINCT FROM (booked_seq, booked_granted, booked_spent, booked_refunded)
) AS differing
GROUP BY org_id, user_id;
"""
"""What quota's books have to be brought to: told by events, as every movement is."""

FORGET = f"DROP SCHEMA {BEFORE} CASCADE;\n"
