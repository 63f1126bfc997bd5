-- Empties the read models of all organisations before they are filled again from the events; own data stays.
CREATE FUNCTION clear_read_models() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = recognition, pg_temp AS $$
BEGIN
    TRUNCATE members, organisations, policies, adjustment_sets, adjustments;
END $$;
REVOKE EXECUTE ON FUNCTION clear_read_models() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clear_read_models() TO peerly_recognition;
