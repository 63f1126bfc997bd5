-- Until the transaction's end nobody ends this credential; false when somebody already has. One call, so that the look
-- comes after the wait.
CREATE FUNCTION hold_credential(of_jti text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('credential:' || of_jti, 0));
    RETURN NOT EXISTS (
        SELECT FROM revocations
        WHERE credential = 'jti:' || of_jti AND NOT lifted AND effective_at <= clock_timestamp()
    );
END
$$;
