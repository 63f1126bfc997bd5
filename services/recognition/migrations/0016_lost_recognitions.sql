-- Whether the number of a recognition has been given away. One that was and is not there was lost with a restore from an
-- older copy, which keeps the counter: it cannot come any more, since no number is given to two things.
GRANT SELECT ON SEQUENCE recognitions_id_seq TO peerly_recognition;
CREATE FUNCTION was_given(number bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT is_called AND last_value >= number FROM recognitions_id_seq);
END $$;
