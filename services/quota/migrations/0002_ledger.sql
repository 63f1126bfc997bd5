-- The double-entry ledger of hi5s: what recognition tells of each allowance, booked strictly in the order of its seq.

-- What the ledger knows of an allowance: the totals of the last event that was booked.
CREATE TABLE allowance_books (
    org_id bigint NOT NULL DEFAULT tenant(),
    allowance_id bigint NOT NULL,
    -- Part of the key: after recognition was restored from an older copy, an id may come again for somebody else.
    user_id bigint NOT NULL,
    period tstzrange NOT NULL CHECK (NOT isempty(period)),
    seq bigint NOT NULL CHECK (seq >= 1),
    granted bigint NOT NULL,
    spent_total bigint NOT NULL CHECK (spent_total >= 0),
    refunded_total bigint NOT NULL CHECK (refunded_total >= 0),
    policy_version bigint NOT NULL,
    epoch bigint NOT NULL,
    -- Recognition lost this allowance when it was restored, and another one covers its time.
    outlived boolean NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, allowance_id, user_id),
    CHECK (spent_total - refunded_total BETWEEN 0 AND granted)
);
CREATE INDEX allowance_books_of_user ON allowance_books (org_id, user_id, lower(period) DESC);

-- Per allowance `available` and `spent`; per organisation `issued` (allowance and user 0), the counter account of all
-- rights to spend, and the only one that is below zero.
CREATE TABLE accounts (
    org_id bigint NOT NULL DEFAULT tenant(),
    allowance_id bigint NOT NULL,
    user_id bigint NOT NULL,
    account text NOT NULL CHECK (account IN ('issued', 'available', 'spent')),
    balance bigint NOT NULL,
    PRIMARY KEY (org_id, allowance_id, user_id, account),
    CHECK (account = 'issued' OR balance >= 0)
);

CREATE TABLE entries (
    org_id bigint NOT NULL DEFAULT tenant(),
    id bigint NOT NULL DEFAULT nextval('ledger_lines'),
    allowance_id bigint NOT NULL,
    user_id bigint NOT NULL,
    -- The state of the allowance that this entry led to.
    seq bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('grant', 'spend', 'refund', 'adjustment', 'reduction', 'correction')),
    -- The change of what is left to spend, and what was left then.
    amount bigint NOT NULL,
    balance_after bigint NOT NULL CHECK (balance_after >= 0),
    event_id uuid NOT NULL,
    recognition_id bigint,
    at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, event_id, kind, allowance_id),
    FOREIGN KEY (org_id, allowance_id, user_id) REFERENCES allowance_books
);
CREATE INDEX entries_of_user ON entries (org_id, user_id, at DESC, id DESC);
CREATE INDEX entries_of_allowance ON entries (org_id, allowance_id, user_id, seq);

CREATE TABLE postings (
    org_id bigint NOT NULL DEFAULT tenant(),
    entry_id bigint NOT NULL,
    allowance_id bigint NOT NULL,
    user_id bigint NOT NULL,
    account text NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (org_id, entry_id, account),
    FOREIGN KEY (org_id, entry_id) REFERENCES entries,
    FOREIGN KEY (org_id, allowance_id, user_id, account) REFERENCES accounts
);
CREATE INDEX postings_of_account ON postings (org_id, allowance_id, user_id, account);

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['allowance_books', 'accounts', 'entries', 'postings'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = tenant())', owned);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON allowance_books, accounts TO peerly_quota;
GRANT SELECT, INSERT ON entries, postings TO peerly_quota;

-- What is booked stays booked, whoever asks.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON postings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON adjustments FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_imbalance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh GROUP BY org_id, entry_id HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'the postings of an entry do not sum to 0' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER balanced AFTER INSERT ON postings REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_imbalance();

-- Books one event's entries, in their order. An entry moves `available` and `spent`; `issued` gives the rest.
CREATE FUNCTION post_entries(
    of_allowance bigint, of_user bigint, at_seq bigint, of_event uuid, of_recognition bigint, happened_at timestamptz,
    kinds text[], availables bigint[], spents bigint[], lines bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
BEGIN
    SELECT balance INTO before FROM accounts
    WHERE org_id = tenant() AND allowance_id = of_allowance AND user_id = of_user AND account = 'available';
    IF before IS NULL THEN
        before := 0;
        INSERT INTO accounts (allowance_id, user_id, account, balance)
        VALUES (0, 0, 'issued', 0), (of_allowance, of_user, 'available', 0), (of_allowance, of_user, 'spent', 0)
        ON CONFLICT DO NOTHING;
    END IF;

    WITH asked AS MATERIALIZED (
        SELECT coalesce(ask.line, nextval('ledger_lines')) AS id, ask.*
        FROM (
            SELECT * FROM unnest(kinds, availables, spents, lines) WITH ORDINALITY AS given (kind, available, spent, line, place)
            ORDER BY place
        ) AS ask
    ), booked AS (
        INSERT INTO entries
            (id, allowance_id, user_id, seq, kind, amount, balance_after, event_id, recognition_id, at)
        SELECT
            asked.id, of_allowance, of_user, at_seq, asked.kind, asked.available,
            before + sum(asked.available) OVER (ORDER BY asked.place),
            coalesce(adjustments.event_id, of_event),
            CASE WHEN asked.kind IN ('spend', 'refund') THEN of_recognition END,
            coalesce(adjustments.at, happened_at)
        FROM asked LEFT JOIN adjustments ON adjustments.org_id = tenant() AND adjustments.id = asked.line
    )
    INSERT INTO postings (entry_id, allowance_id, user_id, account, amount)
    SELECT asked.id, side.allowance_id, side.user_id, side.account, side.amount
    FROM asked CROSS JOIN LATERAL (VALUES
        (0::bigint, 0::bigint, 'issued', -(asked.available + asked.spent)),
        (of_allowance, of_user, 'available', asked.available),
        (of_allowance, of_user, 'spent', asked.spent)
    ) AS side (allowance_id, user_id, account, amount)
    WHERE side.amount <> 0;

    UPDATE accounts SET balance = accounts.balance + moved.amount
    FROM (
        SELECT 0::bigint AS allowance_id, 0::bigint AS user_id, 'issued' AS account, -sum(available + spent) AS amount
        FROM unnest(availables, spents) AS given (available, spent)
        UNION ALL SELECT of_allowance, of_user, 'available', sum(available) FROM unnest(availables) AS given (available)
        UNION ALL SELECT of_allowance, of_user, 'spent', sum(spent) FROM unnest(spents) AS given (spent)
    ) AS moved
    WHERE accounts.org_id = tenant() AND accounts.allowance_id = moved.allowance_id
        AND accounts.user_id = moved.user_id AND accounts.account = moved.account AND moved.amount <> 0;
END
$$;

-- The balance as it is to be published: of the newest period that is known of, by an allowance or by an adjustment.
-- Without `nominal` that is the newest allowance's, unless something later was published already.
CREATE FUNCTION renew_balance(of_user bigint, nominal tstzrange) RETURNS balances LANGUAGE plpgsql AS $$
DECLARE
    known balances;
    book allowance_books;
    chosen tstzrange;
    spent bigint;
BEGIN
    SELECT * INTO known FROM balances WHERE org_id = tenant() AND user_id = of_user FOR UPDATE;
    SELECT * INTO book FROM allowance_books WHERE org_id = tenant() AND user_id = of_user AND NOT outlived
    ORDER BY lower(period) DESC LIMIT 1;
    chosen := coalesce(nominal, known.period, book.period);
    IF lower(known.period) >= upper(chosen) THEN
        chosen := known.period;
    END IF;
    IF upper(book.period) > lower(chosen) THEN
        chosen := book.period;
    END IF;
    spent := CASE WHEN book.period = chosen THEN book.spent_total - book.refunded_total ELSE 0 END;
    INSERT INTO balances AS old (user_id, net, adjusted, period, version)
    VALUES (of_user, spent, adjusted_in(of_user, chosen), chosen, 1)
    ON CONFLICT (org_id, user_id) DO UPDATE
        SET net = excluded.net, adjusted = excluded.adjusted, period = excluded.period, version = old.version + 1
    RETURNING * INTO known;
    RETURN known;
END
$$;

-- One event of an allowance: its state after it, its entries, and the balance that follows.
CREATE FUNCTION book_event(
    of_allowance bigint, of_user bigint, starts_at bigint, ends_at bigint, at_seq bigint, now_granted bigint,
    now_spent bigint, now_refunded bigint, of_policy bigint, of_epoch bigint,
    of_event uuid, of_recognition bigint, happened_at bigint,
    kinds text[], availables bigint[], spents bigint[], lines bigint[]
) RETURNS balances LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO allowance_books AS known (
        allowance_id, user_id, period, seq, granted, spent_total, refunded_total, policy_version, epoch
    ) VALUES (
        of_allowance, of_user, tstzrange(to_timestamp(starts_at), to_timestamp(ends_at)), at_seq, now_granted, now_spent,
        now_refunded, of_policy, of_epoch
    ) ON CONFLICT (org_id, allowance_id, user_id) DO UPDATE SET
        period = excluded.period, seq = excluded.seq, granted = excluded.granted, spent_total = excluded.spent_total,
        refunded_total = excluded.refunded_total, policy_version = excluded.policy_version, epoch = excluded.epoch,
        outlived = false;
    PERFORM post_entries(
        of_allowance, of_user, at_seq, of_event, of_recognition, to_timestamp(happened_at), kinds, availables, spents, lines
    );
    RETURN renew_balance(of_user, NULL);
END
$$;

-- The same, told to the other services; returns how many parked events waited for it under this key.
CREATE FUNCTION book_and_tell(
    of_allowance bigint, of_user bigint, starts_at bigint, ends_at bigint, at_seq bigint, now_granted bigint,
    now_spent bigint, now_refunded bigint, of_policy bigint, of_epoch bigint,
    of_event uuid, of_recognition bigint, happened_at bigint,
    kinds text[], availables bigint[], spents bigint[], lines bigint[], key text
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    renewed balances := book_event(
        of_allowance, of_user, starts_at, ends_at, at_seq, now_granted, now_spent, now_refunded, of_policy, of_epoch,
        of_event, of_recognition, happened_at, kinds, availables, spents, lines
    );
BEGIN
    INSERT INTO outbox (type, subject, data) VALUES (
        'Hi5BalanceChanged.v1',
        'balance/' || of_user,
        jsonb_build_object(
            'user_id', of_user,
            'net', renewed.net,
            'adjusted', renewed.adjusted,
            'resets_at', epoch_seconds(upper(renewed.period)),
            'version', renewed.version
        )
    );
    RETURN arrive(key);
END
$$;

-- What a person has now, from the book that covers `moment`; null when there is none. One round trip.
CREATE FUNCTION quota_now(organisation bigint, of_user bigint, moment timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    RETURN (
        SELECT json_build_object(
            'balance', greatest(0, target.amount - target.net),
            'limit', greatest(0, target.amount),
            'spent', target.net,
            'period_start', epoch_seconds(lower(target.period)),
            'resets_at', epoch_seconds(upper(target.period))
        )::text
        FROM (
            SELECT newest_limit() + adjusted_in(of_user, book.period) AS amount,
                book.spent_total - book.refunded_total AS net, book.period
            FROM allowance_books AS book
            WHERE book.org_id = organisation AND book.user_id = of_user AND NOT book.outlived
                AND lower(book.period) <= moment AND upper(book.period) > moment
            ORDER BY lower(book.period) DESC LIMIT 1
        ) AS target
        WHERE target.amount IS NOT NULL
    );
END
$$;

-- The ledger is emptied to be filled again from the kept events; policies and adjustments are quota's own and stay.
CREATE FUNCTION clear_read_models() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = quota, pg_temp AS $$
    TRUNCATE postings, entries, accounts, allowance_books, members, organisations
$$;
REVOKE EXECUTE ON FUNCTION clear_read_models() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clear_read_models() TO peerly_quota;
GRANT TRUNCATE ON postings, entries, accounts, allowance_books, members, organisations TO peerly_quota_definer;
ALTER FUNCTION clear_read_models() OWNER TO peerly_quota_definer;
