-- Recognitions by the words in them. Operators of arrays are not leakproof, so that under row-level security no index serves
-- them; the look-up runs as a role that may read these columns of all organisations, and names the organisation itself.

-- Text as it is compared: however its letters are composed, it has the same words. ASCII is composed in one way only.
CREATE FUNCTION composed(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN octet_length(said) = char_length(said) THEN said ELSE normalize(said, NFKC) END;

-- Each word as it is compared, together with its organisation: words of one organisation are no part of another's search.
CREATE FUNCTION words_of(organisation bigint, said text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(
        SELECT organisation || ':' || word
        FROM unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', composed(said)))) AS word
    );
CREATE INDEX recognitions_by_words ON recognitions USING gin (words_of(org_id, text)) WITH (gin_pending_list_limit = 512)
    WHERE NOT hidden AND deleted_at IS NULL;

GRANT SELECT (org_id, id, text, hidden, deleted_at) ON recognitions TO peerly_recognition_definer;
CREATE POLICY look_up ON recognitions FOR SELECT TO peerly_recognition_definer USING (true);

-- Visible recognitions of the present organisation in which all these words are, `most` at most. The condition on the
-- organisation is written so that the index of words is the only one that serves.
CREATE FUNCTION recognitions_saying(wanted text, most bigint) RETURNS bigint[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = recognition, pg_temp SET enable_seqscan = off SET enable_indexscan = off
AS $$
DECLARE
    words text[] := words_of(tenant(), wanted);
BEGIN
    IF cardinality(words) = 0 THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT id FROM recognitions
        WHERE words_of(org_id, text) @> words AND (org_id = tenant()) IS TRUE AND NOT hidden AND deleted_at IS NULL
        LIMIT most
    );
END $$;
REVOKE EXECUTE ON FUNCTION recognitions_saying(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recognitions_saying(text, bigint) TO peerly_recognition;
ALTER FUNCTION recognitions_saying(text, bigint) OWNER TO peerly_recognition_definer;
