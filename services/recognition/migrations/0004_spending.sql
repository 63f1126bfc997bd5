-- Spending and giving back. Locks are always taken in this order: idempotency key, member, recognition, allowances by user id,
-- received count. Refusals have SQLSTATEs of their own and roll everything back; services/recognition/store/allowances.py names them:
-- PE001 unknown recognition, PE002 own recognition, PE003 already given, PE004 nothing left, PE005 no allowance to spend now,
-- PE006 not an active member, PE007 key used with another body, PE008 first request still running.

-- What a user may spend in a window, by the newest policy and adjustments. As a statement of its own it sees
-- what was committed while its caller waited for a lock.
CREATE FUNCTION entitlement(
    whose bigint, window_start timestamptz, window_end timestamptz,
    OUT newest_policy bigint, OUT newest_set bigint, OUT target bigint, OUT active boolean
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT version, hi5_limit INTO newest_policy, target FROM policies ORDER BY version DESC LIMIT 1;
    newest_set := coalesce((SELECT version FROM adjustment_sets WHERE user_id = whose), 0);
    target := target + coalesce(
        (SELECT sum(amount)::bigint FROM adjustments WHERE user_id = whose AND at >= window_start AND at < window_end), 0
    );
    active := coalesce((SELECT member.active FROM members AS member WHERE member.user_id = whose), true);
END $$;

-- The block that every event about an allowance carries.
CREATE FUNCTION allowance_block(held allowances) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', held.id,
        'user_id', held.user_id,
        'seq', held.seq,
        'starts_at', epoch_seconds(held.starts_at),
        'ends_at', epoch_seconds(held.ends_at),
        'granted', held.granted,
        'spent_total', held.spent_total,
        'refunded_total', held.refunded_total,
        'policy_version', held.policy_version,
        'adjustments_version', held.adjustments_version,
        'epoch', (SELECT epoch FROM outbox_epoch)
    );
END $$;

-- Spends one hi5 of the allowance that covers the moment; returns the allowance after it.
CREATE FUNCTION spend(spender bigint, purpose text, recognition bigint, hi5 bigint, moment timestamptz)
RETURNS allowances LANGUAGE plpgsql AS $$
DECLARE
    held allowances;
    entitled record;
BEGIN
    SELECT * INTO held FROM allowances
    WHERE user_id = spender AND ends_at > moment
    ORDER BY ends_at LIMIT 1
    FOR NO KEY UPDATE;
    IF NOT FOUND OR held.starts_at > moment THEN
        RAISE EXCEPTION 'no allowance of user % covers this moment', spender USING ERRCODE = 'PE005';
    END IF;
    SELECT * INTO entitled FROM entitlement(spender, held.starts_at, held.ends_at);
    IF entitled.newest_policy IS NULL THEN
        RAISE EXCEPTION 'no quota policy is known' USING ERRCODE = 'PE005';
    END IF;
    IF held.closed_version IS NOT NULL OR NOT entitled.active THEN
        RAISE EXCEPTION 'user % is deactivated', spender USING ERRCODE = 'PE006';
    END IF;
    IF held.spent_total - held.refunded_total >= entitled.target THEN
        RAISE EXCEPTION 'nothing is left' USING ERRCODE = 'PE004';
    END IF;
    UPDATE allowances
    SET
        spent_total = spent_total + 1,
        granted = entitled.target,
        seq = seq + 1,
        policy_version = entitled.newest_policy,
        adjustments_version = entitled.newest_set
    WHERE id = held.id
    RETURNING * INTO held;
    INSERT INTO spends (allowance_id, seq, kind, user_id, recognition_id, hi5_id, at, policy_version, target, net)
    VALUES (
        held.id, held.seq, purpose, spender, recognition, hi5, moment, held.policy_version, entitled.target,
        held.spent_total - held.refunded_total
    );
    RETURN held;
END $$;

-- Gives one spend back to the allowance that it came from, and says so.
CREATE FUNCTION refund(spent spends, why text, moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held allowances;
    entitled record;
BEGIN
    SELECT * INTO held FROM allowances WHERE id = spent.allowance_id FOR NO KEY UPDATE;
    SELECT * INTO entitled FROM entitlement(held.user_id, held.starts_at, held.ends_at);
    UPDATE allowances
    SET
        refunded_total = refunded_total + 1,
        granted = greatest(coalesce(entitled.target, granted), spent_total - refunded_total - 1),
        seq = seq + 1,
        policy_version = coalesce(entitled.newest_policy, policy_version),
        adjustments_version = entitled.newest_set
    WHERE id = held.id
    RETURNING * INTO held;
    INSERT INTO refunds (spend_id, allowance_id, seq, reason, at) VALUES (spent.id, held.id, held.seq, why, moment);
    INSERT INTO outbox (type, subject, data) VALUES (
        'Hi5Refunded.v1',
        'recognition/' || spent.recognition_id,
        jsonb_build_object(
            'spend_id', spent.id,
            'kind', spent.kind,
            'hi5_id', spent.hi5_id,
            'recognition_id', spent.recognition_id,
            'given_by', spent.user_id,
            'refunded_at', epoch_seconds(moment),
            'reason', why,
            'allowance', allowance_block(held)
        )
    );
END $$;

-- Adds to (or takes from) the hi5s that a person has received, and says so.
CREATE FUNCTION count_received(receiver bigint, change bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    counted received_counts;
BEGIN
    INSERT INTO received_counts AS known (user_id, count, version) VALUES (receiver, greatest(change, 0), 1)
    ON CONFLICT (org_id, user_id) DO UPDATE SET count = known.count + change, version = known.version + 1
    RETURNING * INTO counted;
    INSERT INTO outbox (type, subject, data) VALUES (
        'Hi5sReceivedChanged.v1',
        'user/' || receiver,
        jsonb_build_object('user_id', receiver, 'count', counted.count, 'version', counted.version)
    );
END $$;

-- Takes an Idempotency-Key for this transaction, or returns the answer kept under it.
CREATE FUNCTION claim_key(its_caller text, its_route text, its_key text, its_hash bytea)
RETURNS idempotency_keys LANGUAGE plpgsql AS $$
DECLARE
    kept idempotency_keys;
BEGIN
    BEGIN
        INSERT INTO idempotency_keys (caller, route, key, body_hash) VALUES (its_caller, its_route, its_key, its_hash)
        ON CONFLICT DO NOTHING;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'the first request with this key still runs' USING ERRCODE = 'PE008';
    END;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO kept FROM idempotency_keys WHERE caller = its_caller AND route = its_route AND key = its_key;
    IF kept.body_hash IS DISTINCT FROM its_hash THEN
        RAISE EXCEPTION 'this key came with another body before' USING ERRCODE = 'PE007';
    END IF;
    RETURN kept;
END $$;

-- One hi5: the whole request in one call and one transaction. The answer is the complete body.
CREATE FUNCTION give_hi5(
    organisation bigint, request text, giver bigint, giver_role integer, praised bigint, words text,
    its_caller text, its_route text, its_key text, its_hash bytea,
    OUT status smallint, OUT answer bytea, OUT replayed boolean
) LANGUAGE plpgsql AS $$
DECLARE
    kept idempotency_keys;
    receiver bigint;
    moment timestamptz;
    given bigint;
    held allowances;
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true), set_config('app.request_id', request, true);
    IF its_key IS NOT NULL THEN
        kept := claim_key(its_caller, its_route, its_key, its_hash);
        IF kept.status IS NOT NULL THEN
            status := kept.status;
            answer := kept.answer;
            replayed := true;
            RETURN;
        END IF;
    END IF;
    IF NOT EXISTS (SELECT FROM members WHERE user_id = giver) THEN
        INSERT INTO members (user_id, role_id, version) VALUES (giver, giver_role, 0) ON CONFLICT DO NOTHING;
    END IF;
    UPDATE recognitions SET hi5_count = hi5_count + 1
    WHERE id = praised AND NOT hidden AND deleted_at IS NULL
    RETURNING given_for INTO receiver;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'recognition % is not visible', praised USING ERRCODE = 'PE001';
    END IF;
    IF receiver = giver THEN
        RAISE EXCEPTION 'recognition % is the giver''s own', praised USING ERRCODE = 'PE002';
    END IF;
    moment := clock_timestamp();
    INSERT INTO hi5s (recognition_id, given_by, given_at, comment) VALUES (praised, giver, moment, words)
    ON CONFLICT DO NOTHING
    RETURNING id INTO given;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'user % gave this hi5 before', giver USING ERRCODE = 'PE003';
    END IF;
    held := spend(giver, 'hi5', praised, given, moment);
    INSERT INTO outbox (type, subject, data) VALUES (
        'Hi5Spent.v1',
        'recognition/' || praised,
        jsonb_build_object(
            'hi5_id', given,
            'recognition_id', praised,
            'given_by', giver,
            'given_for', receiver,
            'given_at', epoch_seconds(moment),
            'comment', words,
            'allowance', allowance_block(held)
        )
    );
    PERFORM count_received(receiver, 1);
    status := 201;
    replayed := false;
    answer := convert_to(
        json_build_object(
            'data', json_build_object(
                'id', given, 'recognition_id', praised, 'given_by', giver, 'given_at', epoch_seconds(moment), 'comment', words
            ),
            'meta', json_build_object(
                'hi5_quota_balance', held.granted - held.spent_total + held.refunded_total,
                'resets_at', epoch_seconds(held.ends_at)
            )
        )::text,
        'UTF8'
    );
    IF its_key IS NOT NULL THEN
        UPDATE idempotency_keys AS claimed SET status = give_hi5.status, answer = give_hi5.answer
        WHERE claimed.caller = its_caller AND claimed.route = its_route AND claimed.key = its_key;
    END IF;
END $$;

-- Applies one hide or restore, strictly in the order of its versions. Returns what it found:
-- 'applied', 'known' (applied before), 'early' (its predecessor is missing), 'unknown' (no such recognition).
CREATE FUNCTION moderate(judged bigint, hide boolean, step bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    subject recognitions;
    moment timestamptz;
    spent spends;
    refunded bigint := 0;
BEGIN
    SELECT * INTO subject FROM recognitions WHERE id = judged FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF step <= subject.moderation_version THEN
        RETURN 'known';
    ELSIF step > subject.moderation_version + 1 THEN
        RETURN 'early';
    END IF;
    moment := clock_timestamp();
    IF hide THEN
        FOR spent IN
            SELECT spend.*
            FROM spends AS spend
            JOIN hi5s AS hi5 ON hi5.id = spend.hi5_id AND hi5.void_at IS NULL
            JOIN allowances AS held ON held.id = spend.allowance_id AND held.starts_at <= moment AND held.ends_at > moment
            WHERE spend.recognition_id = judged AND spend.kind = 'hi5'
            ORDER BY spend.user_id
        LOOP
            PERFORM refund(spent, 'hidden', moment);
            UPDATE hi5s SET void_at = moment WHERE id = spent.hi5_id;
            refunded := refunded + 1;
        END LOOP;
    END IF;
    UPDATE recognitions SET hidden = hide, moderation_version = step, hi5_count = hi5_count - refunded WHERE id = judged;
    IF hide <> subject.hidden AND subject.hi5_count > 0 AND subject.deleted_at IS NULL THEN
        PERFORM count_received(subject.given_for, CASE WHEN hide THEN -subject.hi5_count ELSE subject.hi5_count END);
    END IF;
    RETURN 'applied';
END $$;

-- Takes a recognition back for good. What was spent on it in the running periods returns, the giver's own hi5 too.
CREATE FUNCTION take_back(judged bigint, remover bigint, OUT taken_at timestamptz, OUT now_version bigint) LANGUAGE plpgsql AS $$
DECLARE
    subject recognitions;
    moment timestamptz;
    spent spends;
    void bigint := 0;
BEGIN
    SELECT * INTO subject FROM recognitions WHERE id = judged AND deleted_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    moment := clock_timestamp();
    FOR spent IN
        SELECT spend.*
        FROM spends AS spend
        JOIN allowances AS held ON held.id = spend.allowance_id AND held.starts_at <= moment AND held.ends_at > moment
        WHERE spend.recognition_id = judged AND NOT EXISTS (SELECT FROM refunds WHERE refunds.spend_id = spend.id)
        ORDER BY spend.user_id
    LOOP
        PERFORM refund(spent, 'deleted', moment);
        IF spent.kind = 'hi5' THEN
            UPDATE hi5s SET void_at = moment WHERE id = spent.hi5_id;
            void := void + 1;
        END IF;
    END LOOP;
    UPDATE recognitions
    SET deleted_at = moment, deleted_by = remover, hi5_count = hi5_count - void, version = version + 1
    WHERE id = judged
    RETURNING deleted_at, version INTO taken_at, now_version;
    IF subject.hi5_count > 0 AND NOT subject.hidden THEN
        PERFORM count_received(subject.given_for, -subject.hi5_count);
    END IF;
END $$;
