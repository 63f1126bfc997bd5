-- What an organisation adds to the reasons for a report: a read model of auth's list of that name.
CREATE TABLE report_reasons (
    org_id bigint PRIMARY KEY DEFAULT tenant(),
    items text[] NOT NULL,
    version bigint NOT NULL
);
ALTER TABLE report_reasons ENABLE ROW LEVEL SECURITY;
ALTER TABLE report_reasons FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON report_reasons USING (org_id = tenant());
GRANT SELECT, INSERT, UPDATE ON report_reasons TO peerly_moderation;

CREATE OR REPLACE FUNCTION clear_read_models() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = moderation, pg_temp AS $$
BEGIN
    TRUNCATE recognitions, members, organisations, report_reasons;
END
$$;
